"""Medians over rounds and how sure they are: pure numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

UNSURE = 0.05  # how often a bound may be wrong


@dataclass(frozen=True)
class Ratio:
    """A median over rounds, with a lower and an upper bound; each is right 19 times in 20."""

    median: float
    lower: float
    upper: float

    def __format__(self, digits: str) -> str:
        digits = digits or ".2f"
        ends = (
            format(end, digits) if math.isfinite(end) else "?" for end in (self.lower, self.upper)
        )
        return f"{self.median:{digits}} ({' to '.join(ends)})"


def rank(num: int) -> int | None:
    """Return how many of `num` sorted values may lie beyond a bound of their law's median.

    The median is above the value with j values beyond it with the chance that at most j of num
    fair coins show heads, whatever the law. None where even the outermost value is too unsure:
    below five values.

    >>> [rank(num) for num in (4, 5, 7, 8)]
    [None, 0, 0, 1]
    """
    sure: int | None = None
    chance = 0.0
    for beyond in range(num):
        chance += math.comb(num, beyond) / 2**num
        if chance > UNSURE:
            break
        sure = beyond
    return sure


def bounded(values: Sequence[float]) -> Ratio:
    """Return the median of values, with bounds from their order."""
    ordered, beyond = sorted(values), rank(len(values))
    if beyond is None:
        return Ratio(statistics.median(values), -math.inf, math.inf)
    return Ratio(statistics.median(values), ordered[beyond], ordered[-1 - beyond])


Rounds = Mapping[int, float]  # a value for each round


def ratio(above: Rounds, below: Rounds) -> Ratio:
    """Return above ÷ below, from the rounds that both have: what a round was like cancels out."""
    return bounded(
        [above[number] / below[number] for number in sorted(above.keys() & below.keys())]
    )


def median(rounds: Rounds) -> float:
    """Return the median over rounds."""
    return statistics.median(rounds.values())


def lowest(values: Mapping[str, Rounds]) -> str:
    """Return who has the lowest median."""
    return min(values, key=lambda name: median(values[name]))


def highest(values: Mapping[str, Rounds]) -> str:
    """Return who has the highest median."""
    return max(values, key=lambda name: median(values[name]))
