"""Measurement of costs: each part in a fresh process, repeated if other processes disturb it.

`work` and `execute` are arguments, as in `conduct`: repeating, merging and failing are tested with
fakes in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

from neurovisionlab.core.costs import (
    CONTENTION_LIMIT,
    PARTS,
    SPREAD_LIMIT,
    TIMED,
    Conditions,
    CostPart,
    Costs,
    CostSpec,
    Measurements,
    PartResult,
    Request,
    Window,
    memory_differs,
)
from neurovisionlab.core.errors import ModelError, mould
from neurovisionlab.core.statements import Statement, state
from neurovisionlab.data.budget import available_bytes
from neurovisionlab.lab.executors import Done, Execute, Failed, Work
from neurovisionlab.learn.clock import now_iso


class Effort(NamedTuple):
    """Effort of a measurement.

    Attributes:
        seconds: approximate duration of each timing.
        processes: number of fresh processes that measure each part; their median counts. The memory
            layout of a process can change its speed by a fifth, which one process cannot reveal.
        attempts: maximum number of measurements per process while others disturb it.
    """

    seconds: float
    processes: int = 3
    attempts: int = 2


def measure(
    specs: Iterable[CostSpec], work: Work, execute: Execute, effort: Effort
) -> Iterator[Costs]:
    """Measure the costs of models; yield each result as soon as it is complete.

    Args:
        specs: what to measure.
        work: measures one part: (Request, say) → PartResult.
        execute: runs each part in its own process, one at a time.
        effort: effort of each measurement.

    Raises:
        ModelError: after all others were measured: the models that could not be, and the reasons.
    """
    failed: list[str] = []
    for spec in specs:
        try:
            costs = _of_one(spec, work, execute, effort)
        except ModelError as error:
            failed.append(str(error))
        else:
            yield costs
    if failed:
        raise ModelError("\n".join(failed))


def _of_one(spec: CostSpec, work: Work, execute: Execute, effort: Effort) -> Costs:
    results: dict[CostPart, PartResult] = {}
    for part in PARTS:
        request = Request(spec=spec, part=part, seconds=effort.seconds)
        tries = [
            _undisturbed(request, work, execute, effort.attempts) for _ in range(effort.processes)
        ]
        results[part] = _middle(tries, _DECIDING[part])
    return _merged(spec, list(results.values()), _windows(results))


# agreement between processes on this number determines whether a part is reliable
_DECIDING: dict[CostPart, str | None] = {
    "training": "train_images_per_s",
    "inference memory": None,
    "speed": "latency_p50_ms",
}


def _middle(results: Sequence[PartResult], deciding: str | None) -> PartResult:
    """Return the median of every number over processes, with the spread between them."""
    lost = [result for result in results if result.window is None]
    if lost or len(results) == 1:
        return (lost or list(results))[0]
    fields = [result.measured.fields for result in results]
    found = {key: _median([one.get(key) for one in fields]) for key in fields[0]}
    by_batch = found.get("throughput_by_batch")
    if by_batch:
        found["best_batch"] = max(by_batch, key=lambda batch: by_batch[batch])
        found["throughput_images_per_s"] = by_batch[found["best_batch"]]
    windows = [result.window for result in results if result.window is not None]
    spread = None
    if deciding is not None and found.get(deciding):
        values = [one[deciding] for one in fields]
        between = (max(values) - min(values)) / found[deciding]
        spread = max(between, median(w.spread_frac or 0.0 for w in windows))
    shares = [w.contention_frac for w in windows if w.contention_frac is not None]
    window = Window(
        window_s=sum(w.window_s for w in windows),
        contention_frac=max(shares, default=None),
        num_warm_up=windows[0].num_warm_up,
        num_repeats=sum(w.num_repeats for w in windows),
        num_processes=len(windows),
        spread_frac=spread,
        memory_spread_mib=_memory_spread(results),
    )
    return results[0].model_copy(update={"measured": Measurements(**found), "window": window})


def _memory_spread(results: Sequence[PartResult]) -> float | None:
    """Return the range of the processes' memory peaks in MiB if it is too large; else None."""
    for field in ("train_peak_mib", "infer_peak_mib"):
        of_each = [getattr(result.measured, field) for result in results]
        peaks = [peak for peak in of_each if peak is not None]
        if len(peaks) > 1 and memory_differs(max(peaks) - min(peaks), median(peaks)):
            return float(max(peaks) - min(peaks))
    return None


def _median(values: Sequence[Any]) -> Any:
    """Return the median of numbers, per batch size for dicts; of other values the first."""
    if all(isinstance(value, dict) for value in values):
        shared = set(values[0]).intersection(*values[1:])
        return {batch: median(value[batch] for value in values) for batch in sorted(shared)}
    if all(isinstance(value, float) for value in values):
        return median(values)
    return values[0]


def _windows(results: dict[Any, PartResult]) -> dict[str, Window]:
    return {part: r.window for part, r in results.items() if r.window is not None}


def _merged(spec: CostSpec, results: list[PartResult], windows: dict[str, Window]) -> Costs:
    found: dict[str, Any] = dict.fromkeys(("num_parameters", "weights_mib", "macs"))
    found["energy_note"] = state("costs.not_fitting")
    for result in results:
        found |= result.measured.fields
    gpu = {key: found.pop(key, None) for key in ("gpu_temperature_c", "gpu_clock_mhz")}
    limits_mib = [r.does_not_fit_mib for r in results if r.does_not_fit_mib is not None]
    conditions = Conditions(
        machine=next((r.machine for r in results if r.machine is not None), None),
        driver=next((r.driver for r in results if r.driver is not None), None),
        windows=windows,
        training_batch=spec.protocol.batch_size,
        memory_method=found.pop("memory_method", "not measured"),
        warnings=tuple(warnings_of(windows)),
        measured_at=now_iso(),
        **gpu,
    )
    limit = state("costs.needs_more", limit_mib=max(limits_mib)) if limits_mib else None
    return Costs(spec=spec, does_not_fit=limit, conditions=conditions, **found)


def warnings_of(windows: dict[str, Window]) -> Iterator[Statement]:
    """Yield restrictions on the use of the numbers."""
    for part, window in windows.items():
        if part in TIMED and window.is_contended:
            yield state("costs.others", part=part, share=window.contention_frac)
        elif window.is_noisy:
            yield state("costs.noisy", part=part, spread=window.spread_frac)
        if window.memory_spread_mib is not None:
            yield state("costs.noisy_memory", part=part, spread_mib=window.memory_spread_mib)


def _undisturbed(request: Request, work: Work, execute: Execute, attempts: int) -> PartResult:
    """Return the least disturbed of at most `attempts` measurements, or the first calm one."""
    tried: list[tuple[float, PartResult]] = []
    for _ in range(attempts):
        result = _once(request, work, execute)
        tried.append((_disturbance(result.window, request.part), result))
        if tried[-1][0] <= 1:
            break
    # a process killed for lack of memory is less informative than a disturbed measurement
    return min(tried, key=lambda pair: (pair[1].window is None, pair[0]))[1]


def _disturbance(window: Window | None, part: CostPart) -> float:
    """Return how disturbed a window is, relative to the limits; up to 1 is acceptable."""
    if window is None or part not in TIMED:
        return 0.0
    others = (window.contention_frac or 0.0) / CONTENTION_LIMIT
    return max(others, (window.spread_frac or 0.0) / SPREAD_LIMIT)


def _once(request: Request, work: Work, execute: Execute) -> PartResult:
    for _, outcome in execute([request], work):
        if isinstance(outcome, Done):
            found: PartResult = outcome.result
            return found
        if isinstance(outcome, Failed):
            return _explained(request, outcome)
    raise AssertionError("an executor ends each cell with Done or Failed")


def _explained(request: Request, failed: Failed) -> PartResult:
    """Return a killed process as a part that did not fit; raise for all other failures.

    A crash or an exit is no evidence of a lack of memory.
    """
    if failed.kind == "Killed":
        free_mib = available_bytes() / 2**20
        return PartResult(does_not_fit_mib=free_mib)
    if failed.is_user_error:
        raise ModelError(failed.message)
    got = f"{failed.kind}: {failed.message}"
    remedy = "it again, or another model (`nvl models`)"
    raise ModelError(mould(request.spec.model, "a model that can be measured", got, remedy))
