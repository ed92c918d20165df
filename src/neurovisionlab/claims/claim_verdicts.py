"""A publication's sentences checked against a run: a verdict for each, with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from neurovisionlab.claims.checks import largest_spread, look_up
from neurovisionlab.claims.contrasts import (
    Comparing,
    Contrast,
    JudgedContrast,
    advice_holds,
    advice_on,
    as_printed,
    compare,
    contrasts,
    has_sign,
    number,
    state_all,
)
from neurovisionlab.claims.measured import Evidence, MatchedEvidence, side_by_side
from neurovisionlab.claims.publication import (
    AdviceClaim,
    Agreeing,
    AgreementClaim,
    Claim,
    ClaimRow,
    ExtremeClaim,
    OrderClaim,
    Publication,
    RangeClaim,
    ReportedClaim,
    Verdict,
)
from neurovisionlab.core.statements import Stated, Statement, state
from neurovisionlab.judge.quantities import Quantity, half_unit


class Finding(NamedTuple):
    """Outcome of one part of a sentence in the run.

    `holds`: whether this part is as claimed; `points`: whether its direction is; None if undecided.
    `differs`: differences between the run's conditions and the published ones.
    """

    statement: Statement
    holds: bool | None
    points: bool | None
    differs: tuple[Statement, ...]
    quantity: Quantity | None = None
    weight: float = 0.0  # among equals, the lowest weight decides
    printed: str | Statement = ""


def judge_claims(publication: Publication, evidence: Evidence) -> tuple[ClaimRow, ...]:
    """Return a verdict for each sentence, in order.

    Under the published conditions (every setting that the publication states, its data, its models;
    for costs its device) a sentence is "supported" if each of its comparisons holds over the whole
    interval, "refuted" if a comparison fails over the whole interval, else "cannot tell". Under
    other conditions it is "not comparable"; the reason names them, and says whether the direction
    (`ClaimRow.direction`) is the published one.
    """
    side = side_by_side(publication, evidence)
    return tuple(_judge(claim, side) for claim in publication.claims)


def _judge(claim: Claim, side: MatchedEvidence) -> ClaimRow:
    if isinstance(claim, (ExtremeClaim, OrderClaim, RangeClaim)):
        return _verdict(claim, *_compared(claim, side))
    if isinstance(claim, AgreementClaim):
        return _verdict(claim, *_agreement(claim, side))
    if isinstance(claim, AdviceClaim):
        return _verdict(claim, *_advice(claim, side))
    assert isinstance(claim, ReportedClaim)
    return ClaimRow(
        id=claim.id, text=claim.text, verdict="cannot tell", reasons=(state("claims.about_text"),)
    )


def _verdict(
    claim: Claim, found: Sequence[Finding], missing: Sequence[str | Statement]
) -> ClaimRow:
    """Combine findings into one verdict: the decisive one fills the row, all are in the reason."""
    if not found:
        reason = state("claims.not_in_run", names=tuple(missing))
        return ClaimRow(id=claim.id, text=claim.text, verdict="cannot tell", reasons=(reason,))
    alike = [one for one in found if not one.differs]
    decisive = min(found, key=lambda one: (_rank(one), one.weight))
    verdict: Verdict = "not comparable"
    direction: Agreeing | None = None
    if any(one.holds is False for one in alike):
        verdict = "refuted"
        decisive = min(alike, key=lambda one: (_rank(one), one.weight))
        reasons = [state("claims.compared", parts=_together(alike))]
    elif len(alike) == len(found):
        all_hold = all(one.holds for one in found) and not missing
        verdict = "supported" if all_hold else "cannot tell"
        reasons = [state("claims.compared", parts=_together(found))]
    else:
        direction = _direction(found)
        reasons = [state(f"claims.direction.{direction}", parts=_together(found))]
        fields = dict.fromkeys(field for one in found for field in one.differs)
        reasons.append(state("claims.differs", fields=tuple(fields)))
    if missing:
        reasons.insert(1, state("claims.part_missing", names=tuple(missing)))
    value, low, high = decisive.quantity or (None, None, None)
    return ClaimRow(
        id=claim.id,
        text=claim.text,
        verdict=verdict,
        printed=decisive.printed,
        measured=_rounded(value),
        low=_rounded(low),
        high=_rounded(high),
        reasons=tuple(reasons),
        direction=direction,
    )


def _rounded(value: float | None) -> float | None:
    """Round off the noise of binary fractions."""
    return None if value is None else round(value, 6)


def _rank(one: Finding) -> int:
    """Order findings by what they decide: against the sentence, undecided, for it."""
    judged = one.points if one.differs else one.holds
    return {False: 0, None: 1, True: 2}[judged]


def _direction(found: Iterable[Finding]) -> Agreeing:
    points = [one.points for one in found]
    if False in points:
        return "disagrees"
    return "cannot be told" if None in points else "agrees"


def _together(found: Iterable[Finding]) -> Statement:
    return state_all(one.statement for one in found)


def _compared(
    claim: Comparing, side: MatchedEvidence
) -> tuple[list[Finding], list[str | Statement]]:
    """Return the comparisons of a sentence about pairs of models, and names missing in the run."""
    printed = look_up(side.publication)
    found: list[Finding] = []
    missing: dict[str | Statement, None] = {}
    for contrast in contrasts(claim, side.publication):
        quantity = side.gap(contrast) or compare(contrast, side.look, "chance")
        if quantity is None:
            missing |= dict.fromkeys(_lacking(contrast, side))
            continue
        points = has_sign(contrast, quantity)
        was = compare(contrast, printed, "rounding")
        said: str | Statement = "" if was is None else number(was.value)
        if isinstance(claim, RangeClaim):
            said = state("claims.range", low=as_printed(claim.low), high=as_printed(claim.high))
        found.append(
            Finding(
                statement=JudgedContrast(contrast, quantity, points).statement(),
                holds=_in_range(claim, quantity) if isinstance(claim, RangeClaim) else points,
                points=_same_side(claim, contrast, quantity, points),
                differs=tuple(_differences(contrast, side)),
                quantity=quantity,
                weight=_weight(claim, quantity),
                printed=said,
            )
        )
    if not found and side.datasets and side.models.keys() >= side.publication.models.keys():
        missing = {state(f"claims.names.{claim.metric}"): None}
    return found, list(missing)


def _lacking(contrast: Contrast, side: MatchedEvidence) -> Iterable[str | Statement]:
    """Yield what a comparison needs and the run lacks: a data set, a model, or a value."""
    if contrast.dataset not in side.datasets:
        yield contrast.dataset
        return
    absent = [m for m in (contrast.first, contrast.second) if m not in side.models]
    yield from absent
    if not absent:
        yield state(
            "claims.metric_on",
            name=state(f"claims.names.{contrast.metric}"),
            dataset=contrast.dataset,
        )


def _differences(contrast: Contrast, side: MatchedEvidence) -> list[Statement]:
    return side.differences(contrast.dataset, {contrast.first, contrast.second}, contrast.metric)


def _in_range(claim: RangeClaim, quantity: Quantity) -> bool | None:
    """Return whether an interval lies in the printed range (rounded ends), False if outside it."""
    low = float(claim.low) - half_unit(claim.low)
    high = float(claim.high) + half_unit(claim.high)
    if quantity.low is None or quantity.high is None:
        return None
    if low <= quantity.low and quantity.high <= high:
        return True
    return False if quantity.high < low or quantity.low > high else None


def _same_side(
    claim: Comparing, contrast: Contrast, quantity: Quantity, above: bool | None
) -> bool | None:
    """Return whether the direction is the published one; for a range, that of both its ends."""
    if not isinstance(claim, RangeClaim):
        return above
    if float(claim.low) > contrast.none:
        return above
    if float(claim.high) < contrast.none:
        return None if above is None else not above
    return _in_range(claim, quantity)


def _weight(claim: Comparing, quantity: Quantity) -> float:
    """Return the distance to the nearer end of a range, else the value on the claimed side."""
    if not isinstance(claim, RangeClaim):
        return quantity.value
    return min(quantity.value - float(claim.low), float(claim.high) - quantity.value)


def _agreement(
    claim: AgreementClaim, side: MatchedEvidence
) -> tuple[list[Finding], list[str | Statement]]:
    """Return the spread of the metrics; for claims of balance, the spread of class recalls."""
    most = largest_spread(claim, side.publication)
    limit = claim.within or (None if most is None else most[0])
    found: list[Finding] = []
    missing: dict[str | Statement, None] = {}
    names = ("lowest_class_recall", "highest_class_recall") if claim.as_balance else claim.metrics
    for dataset in claim.datasets or tuple(side.publication.datasets):
        for model in side.publication.models:
            values = [side.look(dataset, model, metric) for metric in names]
            known = [one for one in values if one is not None]
            if len(known) < 2 or limit is None:
                missing |= dict.fromkeys(_absent(dataset, model, names, side))
                continue
            holds = _within(known, float(limit) + half_unit(limit))
            points = Quantity(max(v.value for v in known) - min(v.value for v in known))
            words: dict[str, Stated] = {
                "dataset": dataset,
                "model": model,
                "value": number(points.value),
            }
            words |= {"low": number(known[0].value), "high": number(known[-1].value)}
            key = "claims.class_recall" if claim.as_balance else "claims.spread"
            differs = tuple(side.differences(dataset, {model}, claim.metrics[0]))
            weight = -points.value
            found.append(Finding(state(key, **words), holds, holds, differs, points, weight, limit))
    return found, list(missing)


def _absent(
    dataset: str, model: str, names: Sequence[str], side: MatchedEvidence
) -> Iterable[str | Statement]:
    """Yield what the run lacks: the data set, else the model, else the scores."""
    if dataset not in side.datasets:
        yield dataset
    elif model not in side.models:
        yield model
    else:
        yield from (state(f"claims.names.{metric}") for metric in names)


def _within(values: Sequence[Quantity], limit: float) -> bool | None:
    """Return whether values lie within `limit` of each other; None if undecided."""
    lows, highs = [v.low for v in values], [v.high for v in values]
    known_lows = [low for low in lows if low is not None]
    known_highs = [high for high in highs if high is not None]
    if len(known_lows) < len(values) or len(known_highs) < len(values):
        return None
    if max(known_highs) - min(known_lows) <= limit:
        return True
    return False if max(known_lows) - min(known_highs) > limit else None


def _advice(
    claim: AdviceClaim, side: MatchedEvidence
) -> tuple[list[Finding], list[str | Statement]]:
    """Return the advice from the run's numbers, per data set."""
    found: list[Finding] = []
    missing: dict[str | Statement, None] = {}
    if claim.model not in side.models:
        return [], [claim.model]
    for dataset in claim.datasets or tuple(side.publication.datasets):
        duels = side.duels(dataset) if dataset in side.datasets else ()
        advice = advice_on(claim, dataset, side.models, side.look, duels)
        if any(one.choice is None for one in advice.values()):
            missing[dataset] = None
            continue
        holds = advice_holds(claim, advice)
        by_time = claim.case not in ("best accuracy", "small device")
        metric = "train_time_s" if by_time else "accuracy"
        differs = tuple(side.differences(dataset, set(side.models), metric))
        choices = dict.fromkeys(one.choice or "" for one in advice.values())
        tied = dict.fromkeys(name for one in advice.values() for name in one.tie)
        words = state(
            "claims.choice_tied" if tied else "claims.choice",
            dataset=dataset,
            choice=tuple(choices),
            rivals=tuple(tied),
        )
        found.append(Finding(words, holds, holds, differs))
    return found, list(missing)
