"""Input and output types of advice: candidates, limits, verdicts on pairs, and the choice."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.protocol import Fraction, PositiveInt
from neurovisionlab.core.statements import Statement

Positive = Annotated[float, Field(gt=0)]


class Candidate(Frozen):
    """A model as measured on one data set; None is unknown.

    `accuracy_low_frac`, `accuracy_high_frac`: its 95 % interval, 0..1. `num_diverged` of
    `num_seeds` trainings diverged and are excluded from all numbers. `guessing_frac` is the share
    of the largest class if the accuracy is at or near it (`judge.guessing`), else None.
    """

    model: str
    accuracy_frac: Fraction
    accuracy_low_frac: Fraction | None = None
    accuracy_high_frac: Fraction | None = None
    size_mib: Positive | None = None
    latency_ms: Positive | None = None
    train_s: Positive | None = None
    memory_mib: Positive | None = None
    num_diverged: Annotated[int, Field(ge=0)] = 0
    num_seeds: PositiveInt = 1
    guessing_frac: Fraction | None = None

    @model_validator(mode="after")
    def _interval_is_whole(self) -> Candidate:
        low, high = self.accuracy_low_frac, self.accuracy_high_frac
        if (low is None) != (high is None):
            raise ValueError("expected both ends of the interval, got one; try both or neither")
        if low is not None and high is not None and not low <= self.accuracy_frac <= high:
            raise ValueError(f"expected low <= accuracy <= high, got {low} and {high}; try to swap")
        return self

    def cost(self, field: str) -> float | None:
        """Return the cost in a field of this name (one of `COSTS`); None if unknown."""
        value: float | None = getattr(self, field)
        return value


class Limits(Frozen):
    """Highest costs allowed and lowest accuracy accepted; None is no limit."""

    size_mib: Positive | None = None
    latency_ms: Positive | None = None
    train_s: Positive | None = None
    memory_mib: Positive | None = None
    min_accuracy_frac: Fraction | None = None


class Duel(Frozen):
    """A verdict on the accuracies of a pair; takes precedence over their intervals."""

    first: str
    second: str
    verdict: Literal["first better", "second better", "equivalent", "cannot tell"]


class Advice(Frozen):
    """A choice of model. `tie` names the models whose distance from it may be noise.

    `reasons` and `excluded` explain the choice; `front` are the models that no other dominates.
    `caution` must accompany every mention of the choice, "" for none.
    """

    case: str
    choice: str | None
    reasons: tuple[Statement, ...]
    excluded: tuple[Statement, ...]
    tie: tuple[str, ...]
    front: tuple[str, ...] = Field(default=(), exclude=True)
    caution: Statement | Literal[""] = ""
