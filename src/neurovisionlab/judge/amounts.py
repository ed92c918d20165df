"""A model's accuracy and costs as parts of statements."""

from __future__ import annotations

from collections.abc import Iterable

from neurovisionlab.core.statements import Statement, state
from neurovisionlab.judge.candidates import Candidate


def names(models: Iterable[Candidate]) -> tuple[str, ...]:
    """Return the names of models."""
    return tuple(c.model for c in models)


def accuracy(one: Candidate, full: bool = False) -> Statement:
    """Return an accuracy in per cent with its interval; `full` calls it an accuracy."""
    low, high = one.accuracy_low_frac, one.accuracy_high_frac
    percent = 100 * one.accuracy_frac
    if low is None or high is None:
        return state("advice.accuracy_alone", percent=percent)
    key = "advice.accuracy_full" if full else "advice.accuracy"
    return state(key, percent=percent, low=100 * low, high=100 * high)


def amount(cost: str, value: float) -> Statement:
    """Return a cost (one of `advice.COSTS`) with its unit."""
    return state("advice.amount", value=value, unit=state(f"advice.units.{cost}"))


def name(cost: str) -> Statement:
    """Return the name of a cost."""
    return state(f"advice.names.{cost}")


def as_first_word(cost: str) -> Statement:
    """Return the name of a cost for the beginning of a sentence."""
    return state("advice.first_word", of=name(cost))
