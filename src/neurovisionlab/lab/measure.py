"""Costs of models: each part in a fresh process, alone, again where others disturbed it.

`work` and `execute` are arguments, as in `conduct`: repeating, merging and failing are tested
with fakes in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import psutil

from neurovisionlab.core.costs import (
    CONTENTION_LIMIT,
    PARTS,
    SPREAD_LIMIT,
    Conditions,
    Costs,
    CostSpec,
    PartResult,
    Request,
    Window,
)
from neurovisionlab.core.errors import ModelError, mould
from neurovisionlab.lab.executors import Done, Execute, Failed, Work
from neurovisionlab.learn.clock import now_iso


def measure(
    specs: Iterable[CostSpec], work: Work, execute: Execute, seconds: float, attempts: int = 3
) -> Iterator[Costs]:
    """Measure what each model costs; yield as they are done.

    Args:
        specs: what to measure.
        work: measures one part: (Request, say) → PartResult.
        execute: gives each part a process of its own, one at a time.
        seconds: about how long each timing takes.
        attempts: how often a part is measured at most while other processes disturb it.

    Raises:
        ModelError: a model cannot be built.
    """
    for spec in specs:
        results = {
            part: _undisturbed(
                Request(spec=spec, part=part, seconds=seconds), work, execute, attempts
            )
            for part in PARTS
        }
        yield _merged(spec, list(results.values()), _windows(results))


def _windows(results: dict[Any, PartResult]) -> dict[str, Window]:
    return {part: r.window for part, r in results.items() if r.window is not None}


def _merged(spec: CostSpec, results: list[PartResult], windows: dict[str, Window]) -> Costs:
    found: dict[str, Any] = dict.fromkeys(("num_parameters", "weights_mib", "macs"))
    found["energy_note"] = "not measurable: the model did not fit"
    for result in results:
        found |= result.found
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
    limit = f"needs more than {max(limits_mib):,.0f} MiB" if limits_mib else None
    return Costs(spec=spec, does_not_fit=limit, conditions=conditions, **found)


def warnings_of(windows: dict[str, Window]) -> Iterator[str]:
    """Yield what a reader must know before using a number."""
    for part, window in windows.items():
        if window.is_contended:
            share = window.contention_frac or 0.0
            yield f"{part}: other processes took {share:.0%} of the processors: faster when alone"
        elif window.is_noisy:
            spread = window.spread_frac or 0.0
            yield f"{part}: machine too noisy: its rounds differ by {spread:.0%}"


def _undisturbed(request: Request, work: Work, execute: Execute, attempts: int) -> PartResult:
    """Return the calmest of at most `attempts` measurements, or the first that is calm enough."""
    tried: list[tuple[float, PartResult]] = []
    for _ in range(attempts):
        result = _once(request, work, execute)
        tried.append((_disturbance(result.window), result))
        if tried[-1][0] <= 1:
            break
    # a process killed for memory says less than a disturbed one that ended
    return min(tried, key=lambda pair: (pair[1].window is None, pair[0]))[1]


def _disturbance(window: Window | None) -> float:
    """Return how far a window is from calm; up to 1 is calm enough."""
    if window is None or window.spread_frac is None:  # memory does not mind company
        return 0.0
    others = (window.contention_frac or 0.0) / CONTENTION_LIMIT
    return max(others, window.spread_frac / SPREAD_LIMIT)


def _once(request: Request, work: Work, execute: Execute) -> PartResult:
    for _, outcome in execute([request], work):
        if isinstance(outcome, Done):
            found: PartResult = outcome.result
            return found
        if isinstance(outcome, Failed):
            return _explained(request, outcome)
    raise AssertionError("an executor ends each cell with Done or Failed")


def _explained(request: Request, failed: Failed) -> PartResult:
    """Return a process that the system killed as one that did not fit; raise what else happened."""
    if failed.kind == "Killed":
        free_mib = psutil.virtual_memory().available / 2**20
        return PartResult(found={}, does_not_fit_mib=free_mib)
    if failed.is_user_error:
        raise ModelError(failed.message)
    got = f"{failed.kind}: {failed.message}"
    raise ModelError(mould(request.spec.model, "a model that can be measured", got, "nvl models"))
