"""Shares that one of several folds approximates when whole groups must stay together."""

from __future__ import annotations


def fold_count(frac: float) -> int:
    """Return the number of folds, at least two, of which one holds about `frac` (0..1).

    >>> fold_count(0.3)
    3
    """
    return max(2, round(min(1 / frac, 1e9)))


def is_one_fold(frac: float) -> bool:
    """Return whether one of `fold_count` folds is close enough to a share, for whole groups.

    >>> is_one_fold(0.3), is_one_fold(0.4)
    (True, False)
    """
    return abs(1 / fold_count(frac) - frac) <= 0.035
