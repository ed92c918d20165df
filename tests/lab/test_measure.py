"""Repeating, merging and failing, with made-up measurements."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.fakes import fake_machine
from neurovisionlab.core.costs import Costs, CostSpec, Measurements, PartResult, Request, Window
from neurovisionlab.core.errors import ModelError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.lab.executors import Failed, WorkEvent, execute_here
from neurovisionlab.lab.measurements import Effort, measure
from neurovisionlab.out.said import note_text

SPEC = CostSpec(
    model="glyphnet",
    image_px=28,
    channels=1,
    num_classes=26,
    source_px=28,
    protocol=Protocol.model_validate({"image_px": 28, "color": "grey"}),
)
SIZE = {"num_parameters": 10, "weights_mib": 1.0, "macs": 5}


def _window(contention: float | None, spread: float | None = 0.0) -> Window:
    return Window(
        window_s=1.0,
        contention_frac=contention,
        num_warm_up=1,
        num_repeats=5,
        spread_frac=spread,
    )


def _work(windows: Iterator[Window]) -> tuple[list[str], Callable[..., PartResult]]:
    asked: list[str] = []

    def work(request: Request, say: Callable[[Any], None]) -> PartResult:
        asked.append(request.part)
        found: dict[str, Any] = {}
        if request.part == "speed":
            found = {**SIZE, "latency_p50_ms": float(len(asked)), "energy_note": "none"}
        return PartResult(
            measured=Measurements(**found), window=next(windows), machine=fake_machine()
        )

    return asked, work


def _measure(windows: list[Window], attempts: int = 3) -> tuple[list[str], Costs]:
    asked, work = _work(iter(windows))
    (costs,) = measure([SPEC], work, execute_here, Effort(1.0, 1, attempts))
    return asked, costs


def test_calm_parts_are_measured_once() -> None:
    asked, costs = _measure([_window(0.01)] * 3)
    assert asked == ["training", "inference memory", "speed"]
    assert costs.is_for_ranking
    assert costs.conditions.warnings == ()


def test_a_disturbed_part_is_measured_again_until_it_is_calm() -> None:
    calm = _window(0.0)
    asked, costs = _measure([calm, calm, _window(0.4), _window(0.04)])
    assert asked == ["training", "inference memory", "speed", "speed"]
    assert costs.latency_p50_ms == 4.0  # the second try
    assert costs.is_for_ranking


def test_the_calmest_of_the_disturbed_is_kept_and_flagged() -> None:
    calm = _window(0.0)
    asked, costs = _measure([calm, calm, _window(0.4), _window(0.2), _window(0.3)])
    assert asked.count("speed") == 3
    assert costs.latency_p50_ms == 4.0
    assert not costs.is_for_ranking
    assert [*map(note_text, costs.conditions.warnings)] == [
        "speed: other processes took 20% of the processors: faster when alone",
    ]


def test_rounds_that_disagree_are_called_a_noisy_machine() -> None:
    _, costs = _measure([_window(0.0), _window(0.0, None), _window(0.0, 0.3)], attempts=1)
    assert not costs.is_for_ranking
    assert [*map(note_text, costs.conditions.warnings)] == [
        "speed: machine too noisy: its repeats differ by 30%"
    ]


def test_unknown_contention_is_not_taken_for_contention() -> None:
    _, costs = _measure([_window(None)] * 3)
    assert costs.is_for_ranking


def test_a_process_killed_for_memory_is_a_result() -> None:
    def killed(cells: Any, work: Any) -> Iterator[tuple[Any, WorkEvent]]:
        for cell in cells:
            yield cell, Failed("Killed", "its process was ended by SIGKILL, signal 9")

    (costs,) = measure([SPEC], lambda *_: None, killed, Effort(1.0))
    assert costs.does_not_fit is not None
    assert note_text(costs.does_not_fit).startswith("needs more than ")
    assert costs.conditions.machine is None
    assert costs.num_parameters is None


@pytest.mark.parametrize(
    ("kind", "message"),
    [("Crashed", "its process was ended by SIGSEGV, signal 11"), ("Exited", "exit code 3")],
)
def test_a_crash_is_no_lack_of_memory_and_keeps_no_other_model(kind: str, message: str) -> None:
    _, work = _work(itertools.repeat(_window(0.0)))

    def crashing(cells: Any, work: Any) -> Iterator[tuple[Any, WorkEvent]]:
        for cell in cells:
            if cell.spec.model == "glyphnet":
                yield cell, Failed(kind, message)
            else:
                yield from execute_here([cell], work)

    other = SPEC.model_copy(update={"model": "resnet18"})
    last = SPEC.model_copy(update={"model": "glyphnet", "image_px": 32})
    measured = measure([SPEC, other, last], work, crashing, Effort(1.0, 1))
    costs = next(measured)
    assert (costs.spec, costs.does_not_fit) == (other, None)
    with pytest.raises(ModelError) as caught:
        next(measured)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2  # both that failed, each with what happened
    assert all(f"{kind}: {message}" in line and "glyphnet" in line for line in lines)


@pytest.mark.parametrize("is_user_error", [True, False])
def test_other_failures_are_said(is_user_error: bool) -> None:
    def failing(cells: Any, work: Any) -> Iterator[tuple[Any, WorkEvent]]:
        for cell in cells:
            yield cell, Failed("ValueError", "no such layer", is_user_error=is_user_error)

    with pytest.raises(ModelError, match="no such layer"):
        list(measure([SPEC], lambda *_: None, failing, Effort(1.0)))


def test_the_median_of_several_processes_counts_and_their_disagreement_is_noise() -> None:
    latencies_ms = iter([1.0, 1.3, 1.1])

    def work(request: Request, say: Callable[[Any], None]) -> PartResult:
        found: dict[str, Any] = {}
        if request.part == "speed":
            p50_ms = next(latencies_ms)
            by_batch = {1: 1000 / p50_ms, 32: 5000.0 - p50_ms} | ({64: 9e9} if p50_ms > 1.2 else {})
            found = {**SIZE, "latency_p50_ms": p50_ms, "energy_note": "none"}
            found |= {"throughput_by_batch": by_batch, "best_batch": 64}
        return PartResult(
            measured=Measurements(**found), window=_window(0.0), machine=fake_machine()
        )

    (costs,) = measure([SPEC], work, execute_here, Effort(1.0, processes=3))
    assert costs.latency_p50_ms == 1.1
    assert costs.throughput_by_batch == {1: 1000 / 1.1, 32: 4998.9}  # batches that all tried
    assert (costs.best_batch, costs.throughput_images_per_s) == (32, 4998.9)
    window = costs.conditions.windows["speed"]
    assert (window.num_repeats, window.num_processes) == (15, 3)
    assert window.spread_frac == pytest.approx(0.3 / 1.1)
    assert [*map(note_text, costs.conditions.warnings)] == [
        "speed: machine too noisy: its repeats differ by 27%"
    ]
    assert costs.num_parameters == 10


@pytest.mark.parametrize(
    ("peaks_mib", "warned"),
    [((60.0, 62.0, 63.9), False), ((60.0, 62.0, 65.0), True), ((300.0, 305.0, 308.0), False)],
)
def test_peaks_that_differ_between_processes_are_called_noisy(
    peaks_mib: tuple[float, ...], warned: bool
) -> None:
    peaks = iter(peaks_mib)

    def work(request: Request, say: Callable[[Any], None]) -> PartResult:
        found: dict[str, Any] = {**SIZE, "energy_note": "none"}
        if request.part == "training":
            found["train_peak_mib"] = next(peaks)
        return PartResult(
            measured=Measurements(**found), window=_window(0.0), machine=fake_machine()
        )

    (costs,) = measure([SPEC], work, execute_here, Effort(1.0, processes=3))
    assert costs.train_peak_mib == peaks_mib[1]
    assert any("noisy for memory" in note_text(one) for one in costs.conditions.warnings) == warned
