"""Comparisons made by a sentence: pairs of models on one data set, and their outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from neurovisionlab.claims.publication import (
    METRICS,
    AdviceClaim,
    ExtremeClaim,
    OrderClaim,
    Publication,
    RangeClaim,
)
from neurovisionlab.core.statements import Statement, state
from neurovisionlab.judge.advice import CASES, advise
from neurovisionlab.judge.candidates import Advice, Candidate, Duel
from neurovisionlab.judge.quantities import Quantity, Uncertainty, difference, ratio, side

# (data set, model, metric) → value with its interval; None if unknown
LookUp = Callable[[str, str, str], Quantity | None]
Comparing = ExtremeClaim | OrderClaim | RangeClaim


class Contrast(NamedTuple):
    """Two models on one data set, ordered so that the sentence claims `first` above `second`."""

    dataset: str
    metric: str
    first: str
    second: str
    scale: Literal["difference", "ratio"]

    @property
    def none(self) -> float:
        """Value of the contrast for two equal models."""
        return 0.0 if self.scale == "difference" else 1.0

    @property
    def label(self) -> Statement:
        """The contrast as a formula."""
        key = "claims.difference" if self.scale == "difference" else "claims.ratio"
        return state(key, first=self.first, second=self.second)


class JudgedContrast(NamedTuple):
    """A contrast with its outcome: None for a missing value, or an undecided comparison."""

    contrast: Contrast
    quantity: Quantity | None
    holds: bool | None

    def statement(self) -> Statement:
        """Return the part, printed as "SVHN: MobileNet − ResNet 1.50 (0.99 to 2.01)"."""
        value = "" if self.quantity is None else stated(self.quantity)
        dataset, label = self.contrast.dataset, self.contrast.label
        return state("claims.on", dataset=dataset, label=label, value=value)


def contrasts(claim: Comparing, publication: Publication) -> Iterator[Contrast]:
    """Yield the comparisons made by a sentence, data set by data set."""
    scale: Literal["difference", "ratio"] = "ratio"
    if METRICS[claim.metric].depends == "quality" or claim.kind == "difference_range":
        scale = "difference" if claim.kind != "ratio_range" else "ratio"
    for dataset in claim.datasets or tuple(publication.datasets):
        for first, second in _pairs(claim, publication):
            yield Contrast(dataset, claim.metric, first, second, scale)


def _pairs(claim: Comparing, publication: Publication) -> Iterator[tuple[str, str]]:
    """Yield the (larger, smaller) pairs of models that the sentence claims."""
    if isinstance(claim, RangeClaim):
        yield from ((model, claim.base) for model in claim.models)
    elif isinstance(claim, OrderClaim):
        for one, other in zip(claim.models, claim.models[1:], strict=False):
            yield (other, one) if claim.along == "rising" else (one, other)
    else:
        is_largest = METRICS[claim.metric].larger_is_better == (claim.kind == "best")
        for rival in publication.models:
            if rival != claim.model:
                yield (claim.model, rival) if is_largest else (rival, claim.model)


def compare(contrast: Contrast, look: LookUp, kind: Uncertainty) -> Quantity | None:
    """Return the difference or ratio of the two models; None if a value is missing."""
    first, second = (
        look(contrast.dataset, model, contrast.metric)
        for model in (contrast.first, contrast.second)
    )
    if first is None or second is None:
        return None
    if contrast.scale == "ratio":
        return ratio(first, second, kind)
    return difference(first, second, kind)


def has_sign(contrast: Contrast, quantity: Quantity | None) -> bool | None:
    """Return whether `first` is above `second` as claimed; None if undecided."""
    where = None if quantity is None else side(quantity, contrast.none)
    return None if where is None else where == "above"


def advice_on(
    claim: AdviceClaim,
    dataset: str,
    models: Iterable[str],
    look: LookUp,
    duels: Sequence[Duel] = (),
) -> dict[str, Advice]:
    """Return {case: advice} on one data set for the cases that the sentence covers.

    Models without an accuracy are left out.
    """
    candidates = [one for name in models if (one := _candidate(name, dataset, look)) is not None]
    cases = [claim.case] if claim.case is not None else list(CASES)
    return {case: advise(candidates, None, CASES[case], duels, case) for case in cases}


def advice_holds(claim: AdviceClaim, advice: Mapping[str, Advice]) -> bool | None:
    """Return whether the choices confirm the sentence; None if a tie leaves it undecided."""
    chosen = [claim.model == one.choice for one in advice.values()]
    tied = [
        claim.model in one.tie or (claim.model == one.choice and one.tie) for one in advice.values()
    ]
    if claim.advised:
        return None if tied[0] else chosen[0]
    if any(c and not t for c, t in zip(chosen, tied, strict=True)):
        return False
    return None if any(tied) else True


def _candidate(model: str, dataset: str, look: LookUp) -> Candidate | None:
    accuracy = look(dataset, model, "accuracy")
    if accuracy is None:
        return None

    def cost(metric: str) -> float | None:
        found = look(dataset, model, metric)
        return None if found is None or found.value <= 0 else found.value

    low, high = accuracy.low, accuracy.high
    return Candidate(
        model=model,
        accuracy_frac=accuracy.value / 100,
        accuracy_low_frac=None if low is None else max(0.0, low / 100),
        accuracy_high_frac=None if high is None else min(1.0, high / 100),
        size_mib=cost("weights_mib"),
        latency_ms=cost("latency_ms"),
        train_s=cost("train_time_s"),
        memory_mib=cost("test_memory_mib"),
    )


def stated(quantity: Quantity) -> Statement:
    """Return a number with its interval; without interval if it is exact."""
    if quantity.low is None or quantity.high is None:
        return state("claims.no_interval", value=number(quantity.value))
    if quantity.low == quantity.high:
        return number(quantity.value)
    low, high = number(quantity.low), number(quantity.high)
    return state("claims.with_interval", value=number(quantity.value), low=low, high=high)


def number(value: float) -> Statement:
    """Return a number, printed with two decimals; without decimals from 1,000 on."""
    return state("claims.number", value=value)


def digits(value: float, num_decimals: int) -> Statement:
    """Return a number, printed with the given number of decimals."""
    return state("claims.digits", value=value, num_decimals=num_decimals)


def count(num: int) -> Statement:
    """Return a count, printed with separators between thousands."""
    return state("claims.count", num=num)


def as_printed(text: str) -> Statement:
    """Return a number as the publication prints it, with all its digits."""
    return state("claims.as_printed", text=text)


def state_all(parts: Iterable[Statement]) -> Statement:
    """Combine several statements into one."""
    return state("claims.and", parts=tuple(parts))
