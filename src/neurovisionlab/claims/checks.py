"""A publication held against itself: its sentences against its tables, its tables against
arithmetic, what it states and what others published."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

from neurovisionlab.claims import claim_sentences as say
from neurovisionlab.claims.contrasts import (
    Comparing,
    Contrast,
    Look,
    Part,
    advice_holds,
    advice_on,
    compare,
    contrasts,
    has_sign,
    number_words,
)
from neurovisionlab.claims.memory_table import memory_rows
from neurovisionlab.claims.publication import (
    AdviceClaim,
    Agreement,
    Claim,
    ClaimRow,
    Publication,
    Range,
    Reported,
    Verdict,
)
from neurovisionlab.core.speech import number, voice
from neurovisionlab.judge.quantities import Quantity, half_unit, printed

# of a printed number and an end of a range, both exact in decimals
ROUND_OFF = 1e-9


def check_text(publication: Publication) -> tuple[ClaimRow, ...]:
    """Return what the text alone shows: a row per sentence, then one per general finding.

    Verdicts: "consistent" with the tables, "inconsistent" with them, "no evidence" where what is
    offered shows nothing, "suspect" where numbers speak against what is stated, "cannot tell"
    where the text has nothing to hold the sentence against.
    """
    rows = [_check(claim, publication) for claim in publication.claims]
    return (*rows, *best_known_rows(publication), *memory_rows(publication))


def look_up(publication: Publication) -> Look:
    """Return how to look up what the tables print, as intervals of rounding."""
    texts = publication.printed()

    def look(dataset: str, model: str, metric: str) -> Quantity | None:
        text = texts.get((dataset, model, metric))
        return None if text is None else printed(text)

    return look


def _check(claim: Claim, publication: Publication) -> ClaimRow:
    look = look_up(publication)
    if isinstance(claim, Range):
        return _check_range(claim, publication, look)
    if isinstance(claim, Agreement):
        return _check_agreement(claim, publication)
    if isinstance(claim, AdviceClaim):
        return _check_advice(claim, publication, look)
    if isinstance(claim, Reported):
        return _check_reported(claim, publication)
    return _check_order(claim, publication, look)


def _row(claim: Claim, verdict: Verdict, reason: str, said: str = "") -> ClaimRow:
    return ClaimRow(id=claim.id, text=claim.text, verdict=verdict, printed=said, reason=reason)


def _parts(claim: Comparing, publication: Publication, look: Look) -> list[Part]:
    found = []
    for contrast in contrasts(claim, publication):
        quantity = compare(contrast, look, "rounding")
        found.append(Part(contrast, quantity, has_sign(contrast, quantity)))
    return found


def _plain(part: Part) -> str:
    """Return a part in words without its interval of rounding."""
    assert part.quantity is not None
    return part._replace(quantity=Quantity(part.quantity.value, *[part.quantity.value] * 2)).words()


def _check_order(claim: Comparing, publication: Publication, look: Look) -> ClaimRow:
    """Hold "best", "worst" and "order" against the tables."""
    parts = _parts(claim, publication, look)
    present = [part for part in parts if part.quantity is not None]
    if not present:
        return _row(claim, "cannot tell", say.NOT_IN_TABLE.format(names=say.NAMES[claim.metric]))
    least = min(present, key=_value)
    said = number_words(_value(least))
    wrong = [part for part in present if part.holds is False]
    if wrong:
        words = say.AND.join(_plain(part) for part in wrong)
        return _row(claim, "inconsistent", say.AGAINST_TABLE.format(parts=words), said)
    if len(present) < len(parts):
        missing = dict.fromkeys(p.contrast.dataset for p in parts if p.quantity is None)
        names = say.COMMA.join(missing)
        return _row(claim, "cannot tell", say.PARTLY_IN_TABLE.format(names=names), said)
    equal = [part for part in present if part.holds is None]
    if equal:
        words = say.AND.join(_plain(part) for part in equal)
        return _row(claim, "cannot tell", say.EQUAL_IN_TABLE.format(parts=words), said)
    datasets = say.COMMA.join(dict.fromkeys(part.contrast.dataset for part in present))
    reason = say.AGREES_WITH_TABLE.format(datasets=datasets)
    return _row(claim, "consistent", reason + _one_seed(present, publication, look), said)


def _value(part: Part) -> float:
    assert part.quantity is not None
    return part.quantity.value


def _check_range(claim: Range, publication: Publication, look: Look) -> ClaimRow:
    """Hold both ends of a range against the tables, at the precision in which each is printed."""
    said = say.RANGE.format(low=voice().number(claim.low), high=voice().number(claim.high))
    parts = _parts(claim, publication, look)
    present = [part for part in parts if part.quantity is not None]
    if len(present) < len(parts) or not parts:
        missing = dict.fromkeys(p.contrast.dataset for p in parts if p.quantity is None)
        names = say.COMMA.join([str(say.NAMES[claim.metric]), *missing])
        return _row(claim, "cannot tell", say.PARTLY_IN_TABLE.format(names=names), said)
    lowest, highest = min(present, key=_value), max(present, key=_value)
    ends = {"low": (lowest, claim.low), "high": (highest, claim.high)}
    off = {end: pair for end, pair in ends.items() if not _rounds_to(*pair)}
    if off:
        words = say.AND.join(_end_words(end, *pair) for end, pair in off.items())
        cut = say.ENDS_CUT if all(_is_cut(*pair) for pair in off.values()) else ""
        return _row(claim, "inconsistent", f"{say.ENDS_OFF.format(ends=words)}{cut}", said)
    reason = say.ENDS_AGREE.format(
        low=_digits(_value(lowest), claim.low, more=1),
        high=_digits(_value(highest), claim.high, more=1),
        low_where=lowest.contrast.dataset,
        high_where=highest.contrast.dataset,
    )
    return _row(claim, "consistent", reason + _one_seed(present, publication, look), said)


def _rounds_to(part: Part, said: str) -> bool:
    """Return whether a value that the printed digits allow rounds to `said`."""
    quantity = part.quantity
    assert quantity is not None and quantity.low is not None and quantity.high is not None
    reach = half_unit(said) + ROUND_OFF
    return quantity.low - reach <= float(said) <= quantity.high + reach


def _decimals(said: str) -> int:
    return len(said.partition(".")[2])


def _digits(value: float, said: str, more: int = 0) -> str:
    return number(value, f".{_decimals(said) + more}f")


def _is_cut(part: Part, said: str) -> bool:
    step = 10.0 ** _decimals(said)
    return math.floor(_value(part) * step) == round(float(said) * step)


def _end_words(end: str, part: Part, said: str) -> str:
    value = _value(part)
    return say.END_OFF.format(
        end=say.LOW if end == "low" else say.HIGH,
        value=_digits(value, said, more=1),
        where=part.contrast.dataset,
        rounded=_digits(value, said),
        said=voice().number(said),
    )


def _one_seed(parts: list[Part], publication: Publication, look: Look) -> str:
    """Return a warning if one training each cannot bear the smallest of these gaps."""
    if publication.num_seeds != 1 or parts[0].contrast.metric != "accuracy":
        return ""
    weakest: tuple[float, Contrast, int] | None = None
    for part in parts:
        num = publication.datasets[part.contrast.dataset].num_test
        p = None if num is None else _unpaired_p(part.contrast, look, num)
        if num is not None and p is not None and (weakest is None or p > weakest[0]):
            weakest = (p, part.contrast, num)
    if weakest is None or weakest[0] <= 0.05:
        return ""
    p, contrast, num = weakest
    gap = compare(contrast, look, "rounding")
    assert gap is not None
    words = {"dataset": contrast.dataset, "gap": number_words(gap.value)}
    return say.ONE_SEED.format(**words, p=number(p, ".2f"), num=number(num, ","))


def _unpaired_p(contrast: Contrast, look: Look, num: int) -> float | None:
    """Return the two-sided p of two proportions of `num` images each (pooled z test)."""
    values = [look(contrast.dataset, m, contrast.metric) for m in (contrast.first, contrast.second)]
    if values[0] is None or values[1] is None:
        return None
    one, other = values[0].value / 100, values[1].value / 100
    pooled = (one + other) / 2
    spread = math.sqrt(2 * pooled * (1 - pooled) / num)
    return 1.0 if spread == 0 else math.erfc(abs(one - other) / spread / math.sqrt(2))


def _check_agreement(claim: Agreement, publication: Publication) -> ClaimRow:
    """Hold agreement of metrics against the tables, and against what it is offered for."""
    most = largest_spread(claim, publication)
    if most is None:
        names = say.COMMA.join(say.NAMES[metric] for metric in claim.metrics)
        return _row(claim, "cannot tell", say.NOT_IN_TABLE.format(names=names))
    points, where = most
    reason = say.AGREEMENT_HOLDS.format(most=voice().number(points), where=where)
    verdict: Verdict = "consistent"
    if claim.within is not None and float(points) > float(claim.within) + ROUND_OFF:
        reason = say.AGREEMENT_OFF.format(
            most=voice().number(points), where=where, within=voice().number(claim.within)
        )
        verdict = "inconsistent"
    if claim.as_balance:
        num = _num_recall_is_accuracy(claim, publication)
        why = say.WEIGHTED_RECALL.format(num=num) if num else say.AVERAGES_HIDE
        verdict, reason = "no evidence", f"{why} {reason}"
    return _row(claim, verdict, reason, points)


def largest_spread(claim: Agreement, publication: Publication) -> tuple[str, str] | None:
    """Return the largest distance between the metrics in a row of the tables, and where."""
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


def _num_recall_is_accuracy(claim: Agreement, publication: Publication) -> int:
    """Return the number of rows if recall equals accuracy in all of them, three at least."""
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


def _check_advice(claim: AdviceClaim, publication: Publication, look: Look) -> ClaimRow:
    """Hold advice against what the tables' own numbers would advise."""
    holds: dict[str, bool | None] = {}
    words: list[str] = []
    for dataset in claim.datasets or tuple(publication.datasets):
        advice = advice_on(claim, dataset, publication.models, look)
        if any(one.choice is None for one in advice.values()):
            continue
        holds[dataset] = advice_holds(claim, advice)
        if not holds[dataset]:
            choices = dict.fromkeys(one.choice or str(say.NO_CHOICE) for one in advice.values())
            words.append(say.ADVICE_PART.format(dataset=dataset, choice=say.COMMA.join(choices)))
    if not holds:
        return _row(claim, "cannot tell", say.NOT_IN_TABLE.format(names=say.NAMES["accuracy"]))
    if all(holds.values()):
        return _row(claim, "consistent", say.ADVICE_FITS.format(datasets=say.COMMA.join(holds)))
    verdict: Verdict = "inconsistent" if False in holds.values() else "cannot tell"
    return _row(claim, verdict, say.ADVICE_ELSE.format(parts=say.AND.join(words)))


def _check_reported(claim: Reported, publication: Publication) -> ClaimRow:
    shown = {metric for _, _, metric in publication.printed()}
    missing = [say.NAMES[metric] for metric in claim.metrics if metric not in shown]
    if not missing:
        return _row(claim, "consistent", str(say.REPORTED))
    return _row(claim, "no evidence", say.NOT_IN_TABLE.format(names=say.COMMA.join(missing)))


def best_known_rows(publication: Publication) -> Iterator[ClaimRow]:
    """Yield a row for each data set on which an accuracy lies above the best known."""
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
            say.BELOW_ON_OTHER.format(other=name, best=voice().number(other[1]), method=other[2])
            for name, other in others
            if other is not None and max(map(float, above)) <= other[0]
        ]
        reason = say.ABOVE_BEST.format(
            values=say.COMMA.join(map(voice().number, above)),
            dataset=dataset,
            known_as=stated.known_as,
            best=voice().number(best[1]),
            method=best[2],
        )
        yield ClaimRow(
            id=f"best-known:{dataset}",
            text=say.BEST_KNOWN_TEXT.format(dataset=dataset, known_as=stated.known_as),
            verdict="suspect",
            printed=say.COMMA.join(above),
            reason=reason + "".join(hints[:1]),
        )


def _best_of(publication: Publication, name: str) -> tuple[float, str, str] | None:
    """Return the best known accuracy of a data set: value, as printed, by which method."""
    known = [r for r in publication.references if r.dataset == name]
    if not known:
        return None
    best = max(known, key=lambda r: float(r.accuracy))
    return float(best.accuracy), best.accuracy, best.method
