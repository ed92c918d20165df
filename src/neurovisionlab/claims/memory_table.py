"""Checks of a table of resources: offsets that no model explains, and the true batch size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from statistics import median
from typing import NamedTuple

from neurovisionlab.claims.contrasts import digits, number
from neurovisionlab.claims.publication import METRICS, ClaimRow, Publication
from neurovisionlab.core.statements import Stated, Statement, state
from neurovisionlab.judge.quantities import Quantity, difference, printed

BYTES_PER_VALUE = 4  # float32
BYTES_PER_MIB = 2**20
CLOSE_FRAC = 0.01  # tolerance for allocation and rounding
# values of similar models may well differ by a constant
DIFFERENT_NEEDS = 1.5
ENOUGH_MODELS = 3


class Gap(NamedTuple):
    """One metric of two data sets, `second` − `first`, per model (models with both values only)."""

    first: str
    second: str
    metric: str
    by_model: dict[str, Quantity]
    needs: float  # largest ÷ smallest value on the first data set

    @property
    def middle(self) -> float:
        """The median difference."""
        return median(one.value for one in self.by_model.values())

    def near(self, offset: float) -> list[str]:
        """Return the models whose difference equals `offset` within tolerance."""
        reach = CLOSE_FRAC * abs(offset)
        return [m for m, one in self.by_model.items() if abs(one.value - offset) <= reach]

    @property
    def is_constant(self) -> bool:
        """Whether the difference is the same for all models although their values differ."""
        enough = len(self.by_model) >= ENOUGH_MODELS and self.needs >= DIFFERENT_NEEDS
        clear = all(
            one.low is not None and one.high is not None and one.low * one.high > 0
            for one in self.by_model.values()
        )
        return enough and clear and len(self.near(self.middle)) == len(self.by_model)


def memory_rows(publication: Publication) -> Iterator[ClaimRow]:
    """Yield a row for each constant offset, and for each implausible amount of input memory."""
    yield from offset_rows(publication)
    yield from input_rows(publication)


def gap_between(publication: Publication, first: str, second: str, metric: str) -> Gap | None:
    """Return the differences between two data sets' columns; None unless two models have both."""
    texts = publication.printed()
    pairs = {
        model: (printed(texts[second, model, metric]), printed(texts[first, model, metric]))
        for model in publication.models
        if (first, model, metric) in texts and (second, model, metric) in texts
    }
    if len(pairs) < 2 or min(own.value for _, own in pairs.values()) <= 0:
        return None
    values = [own.value for _, own in pairs.values()]
    gaps = {model: difference(*pair, "rounding") for model, pair in pairs.items()}
    return Gap(first, second, metric, gaps, max(values) / min(values))


def inputs_mib(publication: Publication, dataset: str, batch_size: int) -> float | None:
    """Return the memory of one batch of inputs in MiB; None if size or channels are unknown.

    batch × channels × height × width × 4 bytes, at the protocol's `image_px` if given.
    """
    stated, settings = publication.datasets[dataset], publication.settings()
    size = settings.get("image_px")
    if isinstance(size, int):
        height, width = size, size
    elif stated.height_px is None or stated.width_px is None:
        return None
    else:
        height, width = stated.height_px, stated.width_px
    channels = {"grey": 1, "rgb": 3}.get(str(settings.get("color")), stated.channels)
    if channels is None:
        return None
    return batch_size * channels * height * width * BYTES_PER_VALUE / BYTES_PER_MIB


def _expected(publication: Publication, first: str, second: str) -> float | None:
    """Return how much larger a batch of inputs is on `second`, in MiB; 0 for equal sizes."""
    batch = publication.settings().get("batch_size")
    sizes = [inputs_mib(publication, one, 1) for one in (first, second)]
    if sizes[0] is None or sizes[1] is None:
        return None
    one_image = sizes[1] - sizes[0]
    if one_image == 0:
        return 0.0
    return batch * one_image if isinstance(batch, int) else None


def _gaps(publication: Publication, unit: str = "") -> Iterator[Gap]:
    """Yield the gaps of every cost (of one unit) and pair of data sets, with median above 0."""
    for metric, facts in METRICS.items():
        if facts.depends != "cost" or unit not in ("", facts.unit):
            continue
        for first, second in combinations(publication.datasets, 2):
            gap = gap_between(publication, first, second, metric)
            if gap is not None and gap.middle < 0:
                gap = gap_between(publication, second, first, metric)
            if gap is not None:
                yield gap


def offset_rows(publication: Publication) -> Iterator[ClaimRow]:
    """Yield a row where one data set needs the same additional amount for every model.

    Additional needs that the data cause grow with the model, except for the inputs themselves.
    Where one metric shows such an offset, other metrics are checked against it even if a model
    deviates.
    """
    gaps = list(_gaps(publication))
    constant = [gap for gap in gaps if gap.is_constant and not _explained(publication, gap)]
    for gap in gaps:
        same_pair = [c for c in constant if {c.first, c.second} == {gap.first, gap.second}]
        if gap in constant:
            yield _offset_row(publication, gap, gap.middle)
            continue
        for other in same_pair:
            num_near = len(gap.near(other.middle))
            if 2 <= num_near < len(gap.by_model) and METRICS[gap.metric].unit == _unit(other):
                yield _offset_row(publication, gap, other.middle)
                break


def _unit(gap: Gap) -> str:
    return METRICS[gap.metric].unit


def _explained(publication: Publication, gap: Gap) -> bool:
    """Return whether the memory of the inputs explains a constant difference."""
    expected = _expected(publication, gap.first, gap.second)
    return bool(expected) and _unit(gap) == "MiB" and bool(gap.near(expected or 0.0))


def _offset_row(publication: Publication, gap: Gap, offset: float) -> ClaimRow:
    expected = _expected(publication, gap.first, gap.second)
    inputs = state("claims.unknown_inputs") if expected is None else state("claims.same_inputs")
    if expected:
        inputs = state("claims.other_inputs", expected=number(expected), unit=_unit_words(gap))
    near = gap.near(offset)
    reason = state(
        "claims.offset",
        first=gap.first,
        second=gap.second,
        offset=number(median(gap.by_model[model].value for model in near)),
        unit=_unit_words(gap),
        models=tuple(near),
        times=digits(gap.needs, 1),
        inputs=inputs,
    )
    outliers = [model for model in gap.by_model if model not in near]
    name = state(f"claims.names.{gap.metric}")
    return ClaimRow(
        id=f"offset:{gap.second}-{gap.first}:{gap.metric}",
        text=state("claims.offset_text", name=name, first=gap.first, second=gap.second),
        verdict="suspect",
        printed=_printed(gap),
        reasons=(reason, *(_outlier(gap, offset, model) for model in outliers)),
    )


def _printed(gap: Gap) -> Statement:
    parts = tuple(number(one.value) for one in gap.by_model.values())
    return state("claims.list", parts=parts)


def _unit_words(gap: Gap) -> Statement:
    return state(f"claims.units.{_unit(gap)}")


def _outlier(gap: Gap, offset: float, model: str) -> Statement:
    off = number(abs(gap.by_model[model].value - offset))
    return state("claims.outlier", model=model, off=off, unit=_unit_words(gap))


def input_rows(publication: Publication) -> Iterator[ClaimRow]:
    """Yield a row where memory differs by less, or by another amount, than one batch of inputs.

    Whatever the model, a data set of larger inputs needs at least as much more as one batch of
    them: the first layer's weights and other effects only add to it. Of several pairs with the same
    expected difference the smallest observed one counts, since memory carried over also only adds
    to it.
    """
    batch = publication.settings().get("batch_size")
    if not isinstance(batch, int) or isinstance(batch, bool):
        return
    closest: dict[tuple[str, float], Gap] = {}
    for gap in _gaps(publication, "MiB"):
        expected = _expected(publication, gap.first, gap.second)
        if expected is not None and expected > 0 and _least(gap)[0].value > 0:
            key = (gap.metric, expected)
            before = closest.get(key)
            if before is None or _least(gap)[0].value < _least(before)[0].value:
                closest[key] = gap
    for (_, expected), gap in closest.items():
        least, second_least = _least(gap)[:2]
        agree = abs(second_least.value - least.value) <= CLOSE_FRAC * least.value
        if least.high is not None and least.high < expected * (1 - CLOSE_FRAC):
            yield _input_row(publication, gap, expected, state("claims.inputs_too_small"))
        elif agree and least.value > expected * (1 + CLOSE_FRAC) and _has_one_size(publication):
            yield _input_row(publication, gap, expected, state("claims.inputs_too_large"))


def _least(gap: Gap) -> list[Quantity]:
    return sorted(gap.by_model.values(), key=lambda one: one.value)


def _has_one_size(publication: Publication) -> bool:
    """Return whether all inputs have the same size: else activations depend on the data, too."""
    return isinstance(publication.settings().get("image_px"), int)


def _input_row(publication: Publication, gap: Gap, expected: float, why: Statement) -> ClaimRow:
    settings = publication.settings()
    batch, size = settings["batch_size"], settings.get("image_px")
    assert isinstance(batch, int)
    observed, one_image = _least(gap)[0].value, expected / batch
    words: dict[str, Stated] = {
        "first": gap.first,
        "second": gap.second,
        "batch": batch,
        "size": state("claims.one_size", px=size)
        if isinstance(size, int)
        else state("claims.own_sizes"),
    }
    numbers: dict[str, Stated] = {"observed": number(observed), "expected": number(expected)}
    reason = state("claims.inputs", **words, **numbers, unit=_unit_words(gap))
    reasons = [reason, why]
    fitting = round(observed / one_image)
    if fitting and abs(observed - fitting * one_image) <= CLOSE_FRAC * observed:
        comes_to = number(fitting * one_image)
        reasons.append(
            state("claims.inputs_fit", batch=fitting, fitting=comes_to, unit=_unit_words(gap))
        )
    return ClaimRow(
        id=f"inputs:{gap.second}-{gap.first}:{gap.metric}",
        text=state("claims.inputs_text", name=state(f"claims.names.{gap.metric}"), **words),
        verdict="suspect",
        printed=_printed(gap),
        reasons=tuple(reasons),
    )
