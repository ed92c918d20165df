"""The Pareto front of several options, with unknown values left unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Direction = Literal["larger", "smaller"]
Point = Sequence[float | None]


def non_dominated(points: Sequence[Point], directions: Sequence[Direction]) -> list[bool]:
    """Return, for each point, whether no other point dominates it.

    A point dominates another if it is at least as good in every criterion and better in at least
    one (Pareto dominance; Ehrgott, *Multicriteria Optimization*, 2005, definition 2.1). Equal
    points do not dominate each other. None is an unknown value: a point compared in an unknown
    value neither dominates nor is dominated, for either would be a guess.

    Args:
        points: one tuple per option, one value per criterion, all in the same order.
        directions: for each criterion, whether "larger" or "smaller" is better.

    Raises:
        ValueError: a point whose length differs from that of `directions`, an unknown direction, or
            a NaN (write None for unknown).

    >>> non_dominated([(92.0, 43.0), (91.0, 9.0), (90.0, 50.0)], ["larger", "smaller"])
    [True, True, False]
    """
    signs = [_SIGNS[direction] for direction in directions if _known(direction)]
    for point in points:
        _check(point, len(signs))
    return [not any(_dominates(other, point, signs) for other in points) for point in points]


_SIGNS: dict[Direction, float] = {"larger": 1.0, "smaller": -1.0}


def _known(direction: str) -> bool:
    if direction not in _SIGNS:
        raise ValueError(f'expected "larger" or "smaller", got {direction!r}')
    return True


def _check(point: Point, num_criteria: int) -> None:
    if len(point) != num_criteria:
        raise ValueError(f"expected {num_criteria} values for each point, got {len(point)}")
    if any(value is not None and math.isnan(value) for value in point):
        raise ValueError("expected numbers or None for unknown, got NaN")


def _dominates(first: Point, second: Point, signs: Sequence[float]) -> bool:
    better_somewhere = False
    for one, other, sign in zip(first, second, signs, strict=True):
        if one is None or other is None or sign * one < sign * other:
            return False
        better_somewhere = better_somewhere or one != other
    return better_somewhere
