"""Costs measured five times over: they agree, or the tool itself says that the machine is noisy.

Goals over calm measurements: p50 latencies within 10 % of each other, peak memory within 3 % or
4 MiB. (What measuring adds to training is nothing: it happens afterwards, in other processes. The
stopwatches of a training are inside the "lab" side of training.py.)
"""

from __future__ import annotations

import statistics
import sys

import compare
from neurovisionlab import api
from neurovisionlab.core.costs import Costs

MODELS, REPEATS, SECONDS = ("glyphnet", "mobilenetv2"), 5, 0.5


def spread_frac(values: list[float]) -> float:
    """Return (highest - lowest) ÷ median."""
    return (max(values) - min(values)) / statistics.median(values)


def judge(model: str, runs: list[Costs]) -> bool:
    """Show one model's repeats; return whether those that call themselves calm agree."""
    calm = [costs for costs in runs if costs.is_for_ranking]
    print(f"{model}: {len(calm)} of {len(runs)} measurements call themselves calm")
    for costs in runs:
        print("  ", *costs.conditions.warnings, sep=" ")
    met = True
    latencies = [costs.latency_p50_ms for costs in calm if costs.latency_p50_ms is not None]
    if len(latencies) > 1:
        met &= compare.verdict("p50 latency, spread", spread_frac(latencies), 0.10, False)
    for name in ("train_peak_mib", "infer_peak_mib"):
        part = "training" if name == "train_peak_mib" else "inference memory"
        windows = [costs.conditions.windows[part] for costs in runs]
        sure = [w.memory_spread_mib is None for w in windows]
        peaks = [getattr(c, name) for c, is_sure in zip(runs, sure, strict=True) if is_sure]
        print(f"  {name}: {len(peaks)} of {len(runs)} without a warning")
        if len(peaks) < 2:
            continue
        allowed = max(0.03, 4 / statistics.median(peaks))
        met &= compare.verdict(f"{name}, spread", spread_frac(peaks), allowed, False)
    return met


def main() -> int:
    """Run the benchmark; exit code 1 if a goal is missed."""
    runs: dict[str, list[Costs]] = {model: [] for model in MODELS}
    for _ in range(REPEATS):
        for measured in api.measure_models(MODELS, (28, 1, 26), 64, SECONDS):
            costs = measured.costs
            runs[costs.spec.model].append(costs)
    met = [judge(model, found) for model, found in runs.items()]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
