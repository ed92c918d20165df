"""Interleaved timing of alternatives within one run: medians and ratios, load recorded."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(
    alternatives: Mapping[str, Callable[[], None]], rounds: int
) -> dict[str, list[float]]:
    """Return seconds per call for each alternative, called in turn, after one warm-up call each.

    Turns, not blocks: whatever else the machine does in a minute meets all alternatives alike.
    """
    for call in alternatives.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    for _ in range(rounds):
        for name, call in alternatives.items():
            begun = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def ratio(seconds: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """Return the median over rounds of (time of `slow` ÷ time of `fast` in the same round)."""
    return statistics.median(s / f for s, f in zip(seconds[slow], seconds[fast], strict=True))


def show(title: str, seconds: Mapping[str, list[float]]) -> None:
    """Print medians and the load of the machine."""
    print(f"{title} (load {os.getloadavg()[0]:.2f}, {len(next(iter(seconds.values())))} rounds)")
    for name, values in seconds.items():
        print(f"  {name:34} {statistics.median(values):9.4f} s")


def verdict(what: str, measured: float, goal: float, at_least: bool = True) -> bool:
    """Print whether a goal is met, and return it."""
    met = measured >= goal if at_least else measured <= goal
    sign = "≥" if at_least else "≤"
    print(f"  {what}: {measured:.3f} (goal {sign} {goal}) {'met' if met else 'MISSED'}")
    return met
