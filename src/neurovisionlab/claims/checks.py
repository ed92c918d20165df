"""Checks of a publication against itself.

Sentences are checked against its tables, tables against arithmetic, and its numbers against those
published by others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

from neurovisionlab.claims.contrasts import (
    Comparing,
    Contrast,
    JudgedContrast,
    LookUp,
    advice_holds,
    advice_on,
    as_printed,
    compare,
    contrasts,
    count,
    digits,
    has_sign,
    number,
    state_all,
)
from neurovisionlab.claims.memory_table import memory_rows
from neurovisionlab.claims.publication import (
    AdviceClaim,
    AgreementClaim,
    Claim,
    ClaimRow,
    Publication,
    RangeClaim,
    ReportedClaim,
    Verdict,
)
from neurovisionlab.core.statements import Stated, Statement, state
from neurovisionlab.judge.quantities import Quantity, half_unit, printed

# tolerance between a printed number and an end of a range, both exact decimals
ROUND_OFF = 1e-9


def check_text(publication: Publication) -> tuple[ClaimRow, ...]:
    """Return the findings from the text alone: a row per sentence, then a row per general finding.

    Verdicts: "consistent" with the tables, "inconsistent" with them, "no evidence" if the offered
    evidence shows nothing, "suspect" if numbers contradict the text, "cannot tell" if the text has
    nothing to check the sentence against.
    """
    rows = [_check(claim, publication) for claim in publication.claims]
    return (*rows, *best_known_rows(publication), *memory_rows(publication))


def look_up(publication: Publication) -> LookUp:
    """Return a look-up function for the printed tables, with intervals of rounding."""
    texts = publication.printed()

    def look(dataset: str, model: str, metric: str) -> Quantity | None:
        text = texts.get((dataset, model, metric))
        return None if text is None else printed(text)

    return look


def _check(claim: Claim, publication: Publication) -> ClaimRow:
    look = look_up(publication)
    if isinstance(claim, RangeClaim):
        return _check_range(claim, publication, look)
    if isinstance(claim, AgreementClaim):
        return _check_agreement(claim, publication)
    if isinstance(claim, AdviceClaim):
        return _check_advice(claim, publication, look)
    if isinstance(claim, ReportedClaim):
        return _check_reported(claim, publication)
    return _check_order(claim, publication, look)


def _row(
    claim: Claim,
    verdict: Verdict,
    *reasons: Statement | None,
    said: str | Statement = "",
) -> ClaimRow:
    given = tuple(one for one in reasons if one is not None)
    return ClaimRow(id=claim.id, text=claim.text, verdict=verdict, printed=said, reasons=given)


def _parts(claim: Comparing, publication: Publication, look: LookUp) -> list[JudgedContrast]:
    found = []
    for contrast in contrasts(claim, publication):
        quantity = compare(contrast, look, "rounding")
        found.append(JudgedContrast(contrast, quantity, has_sign(contrast, quantity)))
    return found


def _plain(part: JudgedContrast) -> Statement:
    """Return a part without its interval of rounding."""
    assert part.quantity is not None
    return part._replace(
        quantity=Quantity(part.quantity.value, *[part.quantity.value] * 2)
    ).statement()


def _check_order(claim: Comparing, publication: Publication, look: LookUp) -> ClaimRow:
    """Check "best", "worst" and "order" against the tables."""
    parts = _parts(claim, publication, look)
    present = [part for part in parts if part.quantity is not None]
    if not present:
        return _row(
            claim,
            "cannot tell",
            state("claims.not_in_table", names=state(f"claims.names.{claim.metric}")),
        )
    least = min(present, key=_value)
    said = number(_value(least))
    wrong = [part for part in present if part.holds is False]
    if wrong:
        words = state_all(_plain(part) for part in wrong)
        return _row(claim, "inconsistent", state("claims.against_table", parts=words), said=said)
    if len(present) < len(parts):
        missing = dict.fromkeys(p.contrast.dataset for p in parts if p.quantity is None)
        names = tuple(missing)
        return _row(claim, "cannot tell", state("claims.partly_in_table", names=names), said=said)
    equal = [part for part in present if part.holds is None]
    if equal:
        words = state_all(_plain(part) for part in equal)
        return _row(claim, "cannot tell", state("claims.equal_in_table", parts=words), said=said)
    datasets = tuple(dict.fromkeys(part.contrast.dataset for part in present))
    reason = state("claims.agrees_with_table", datasets=datasets)
    return _row(claim, "consistent", reason, _one_seed(present, publication, look), said=said)


def _value(part: JudgedContrast) -> float:
    assert part.quantity is not None
    return part.quantity.value


def _check_range(claim: RangeClaim, publication: Publication, look: LookUp) -> ClaimRow:
    """Check both ends of a range against the tables, at the precision of each printed end."""
    said = state("claims.range", low=as_printed(claim.low), high=as_printed(claim.high))
    parts = _parts(claim, publication, look)
    present = [part for part in parts if part.quantity is not None]
    if len(present) < len(parts) or not parts:
        missing = dict.fromkeys(p.contrast.dataset for p in parts if p.quantity is None)
        names: Stated = (state(f"claims.names.{claim.metric}"), *missing)
        return _row(claim, "cannot tell", state("claims.partly_in_table", names=names), said=said)
    lowest, highest = min(present, key=_value), max(present, key=_value)
    ends = {"low": (lowest, claim.low), "high": (highest, claim.high)}
    off = {end: pair for end, pair in ends.items() if not _rounds_to(*pair)}
    if off:
        words = state_all(_end_words(end, *pair) for end, pair in off.items())
        is_cut = all(_is_cut(*pair) for pair in off.values())
        cut = state("claims.ends_cut") if is_cut else None
        return _row(claim, "inconsistent", state("claims.ends_off", ends=words), cut, said=said)
    reason = state(
        "claims.ends_agree",
        low=_digits(_value(lowest), claim.low, more=1),
        high=_digits(_value(highest), claim.high, more=1),
        low_where=lowest.contrast.dataset,
        high_where=highest.contrast.dataset,
    )
    return _row(claim, "consistent", reason, _one_seed(present, publication, look), said=said)


def _rounds_to(part: JudgedContrast, said: str) -> bool:
    """Return whether a value compatible with the printed digits rounds to `said`."""
    quantity = part.quantity
    assert quantity is not None and quantity.low is not None and quantity.high is not None
    reach = half_unit(said) + ROUND_OFF
    return quantity.low - reach <= float(said) <= quantity.high + reach


def _decimals(said: str) -> int:
    return len(said.partition(".")[2])


def _digits(value: float, said: str, more: int = 0) -> Statement:
    return digits(value, _decimals(said) + more)


def _is_cut(part: JudgedContrast, said: str) -> bool:
    step = 10.0 ** _decimals(said)
    return math.floor(_value(part) * step) == round(float(said) * step)


def _end_words(end: str, part: JudgedContrast, said: str) -> Statement:
    value = _value(part)
    return state(
        "claims.end_off",
        end=state("claims.low") if end == "low" else state("claims.high"),
        value=_digits(value, said, more=1),
        where=part.contrast.dataset,
        rounded=_digits(value, said),
        said=as_printed(said),
    )


def _one_seed(
    parts: list[JudgedContrast], publication: Publication, look: LookUp
) -> Statement | None:
    """Return a warning if a single training per model cannot support the smallest of these gaps."""
    if publication.num_seeds != 1 or parts[0].contrast.metric != "accuracy":
        return None
    weakest: tuple[float, Contrast, int] | None = None
    for part in parts:
        num = publication.datasets[part.contrast.dataset].num_test
        p = None if num is None else _unpaired_p(part.contrast, look, num)
        if num is not None and p is not None and (weakest is None or p > weakest[0]):
            weakest = (p, part.contrast, num)
    if weakest is None or weakest[0] <= 0.05:
        return None
    p, contrast, num = weakest
    gap = compare(contrast, look, "rounding")
    assert gap is not None
    words: dict[str, Stated] = {"dataset": contrast.dataset, "gap": number(gap.value)}
    return state("claims.one_seed", **words, p=digits(p, 2), num=count(num))


def _unpaired_p(contrast: Contrast, look: LookUp, num: int) -> float | None:
    """Return the two-sided p of two proportions of `num` images each (pooled z test)."""
    values = [look(contrast.dataset, m, contrast.metric) for m in (contrast.first, contrast.second)]
    if values[0] is None or values[1] is None:
        return None
    one, other = values[0].value / 100, values[1].value / 100
    pooled = (one + other) / 2
    spread = math.sqrt(2 * pooled * (1 - pooled) / num)
    return 1.0 if spread == 0 else math.erfc(abs(one - other) / spread / math.sqrt(2))


def _check_agreement(claim: AgreementClaim, publication: Publication) -> ClaimRow:
    """Check agreement of metrics against the tables, and against the conclusion drawn from it."""
    most = largest_spread(claim, publication)
    if most is None:
        names = tuple(state(f"claims.names.{metric}") for metric in claim.metrics)
        return _row(claim, "cannot tell", state("claims.not_in_table", names=names))
    points, where = most
    reason = state("claims.agreement_holds", most=as_printed(points), where=where)
    verdict: Verdict = "consistent"
    if claim.within is not None and float(points) > float(claim.within) + ROUND_OFF:
        reason = state(
            "claims.agreement_off",
            most=as_printed(points),
            where=where,
            within=as_printed(claim.within),
        )
        verdict = "inconsistent"
    if claim.as_balance:
        num = _num_recall_is_accuracy(claim, publication)
        why = state("claims.weighted_recall", num=num) if num else state("claims.averages_hide")
        return _row(claim, "no evidence", why, reason, said=points)
    return _row(claim, verdict, reason, said=points)


def largest_spread(claim: AgreementClaim, publication: Publication) -> tuple[str, str] | None:
    """Return the largest difference between the metrics in a row of the tables, and the row."""
    texts = publication.printed()
    found: list[tuple[Decimal, str]] = []
    for dataset in claim.datasets or tuple(publication.datasets):
        for model in publication.models:
            keys = [(dataset, model, metric) for metric in claim.metrics]
            numbers = [Decimal(texts[key]) for key in keys if key in texts]
            if len(numbers) > 1:
                found.append((max(numbers) - min(numbers), f"{dataset}, {model}"))
    if not found:
        return None
    most, where = max(found, key=lambda pair: pair[0])
    return str(most), where


def _num_recall_is_accuracy(claim: AgreementClaim, publication: Publication) -> int:
    """Return the number of rows if recall equals accuracy in all, three at least; else 0."""
    if not {"accuracy", "recall"} <= set(claim.metrics):
        return 0
    texts = publication.printed()
    pairs = [
        (text, texts[dataset, model, "recall"])
        for (dataset, model, metric), text in texts.items()
        if metric == "accuracy" and (dataset, model, "recall") in texts
    ]
    all_equal = all(Decimal(one) == Decimal(other) for one, other in pairs)
    return len(pairs) if len(pairs) >= 3 and all_equal else 0


def _check_advice(claim: AdviceClaim, publication: Publication, look: LookUp) -> ClaimRow:
    """Check advice against the advice that follows from the tables' own numbers."""
    holds: dict[str, bool | None] = {}
    words: list[Statement] = []
    for dataset in claim.datasets or tuple(publication.datasets):
        advice = advice_on(claim, dataset, publication.models, look)
        if any(one.choice is None for one in advice.values()):
            continue
        holds[dataset] = advice_holds(claim, advice)
        if not holds[dataset]:
            choices = dict.fromkeys(
                one.choice or state("claims.no_choice") for one in advice.values()
            )
            words.append(state("claims.advice_part", dataset=dataset, choice=tuple(choices)))
    if not holds:
        return _row(
            claim, "cannot tell", state("claims.not_in_table", names=state("claims.names.accuracy"))
        )
    if all(holds.values()):
        return _row(claim, "consistent", state("claims.advice_fits", datasets=tuple(holds)))
    verdict: Verdict = "inconsistent" if False in holds.values() else "cannot tell"
    return _row(claim, verdict, state("claims.advice_else", parts=state_all(words)))


def _check_reported(claim: ReportedClaim, publication: Publication) -> ClaimRow:
    shown = {metric for _, _, metric in publication.printed()}
    missing = [state(f"claims.names.{metric}") for metric in claim.metrics if metric not in shown]
    if not missing:
        return _row(claim, "consistent", state("claims.reported"))
    return _row(claim, "no evidence", state("claims.not_in_table", names=tuple(missing)))


def best_known_rows(publication: Publication) -> Iterator[ClaimRow]:
    """Yield a row for each data set with an accuracy above the best known."""
    texts = publication.printed()
    for dataset, stated in publication.datasets.items():
        best = _best_of(publication, stated.known_as)
        values = [
            text for (on, _, metric), text in texts.items() if (on, metric) == (dataset, "accuracy")
        ]
        above = [text for text in values if best and float(text) - half_unit(text) > best[0]]
        if best is None or not above:
            continue
        others = ((name, _best_of(publication, name)) for name in stated.related)
        hints = [
            state("claims.below_on_other", other=name, best=as_printed(other[1]), method=other[2])
            for name, other in others
            if other is not None and max(map(float, above)) <= other[0]
        ]
        reason = state(
            "claims.above_best",
            values=tuple(map(as_printed, above)),
            dataset=dataset,
            known_as=stated.known_as,
            best=as_printed(best[1]),
            method=best[2],
        )
        yield ClaimRow(
            id=f"best-known:{dataset}",
            text=state("claims.best_known_text", dataset=dataset, known_as=stated.known_as),
            verdict="suspect",
            printed=state("claims.list", parts=tuple(above)),
            reasons=(reason, *hints[:1]),
        )


def _best_of(publication: Publication, name: str) -> tuple[float, str, str] | None:
    """Return the best known accuracy of a data set: value, printed text, method."""
    known = [r for r in publication.references if r.dataset == name]
    if not known:
        return None
    best = max(known, key=lambda r: float(r.accuracy))
    return float(best.accuracy), best.accuracy, best.method
