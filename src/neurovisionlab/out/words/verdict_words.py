"""Text of verdicts: a function per kind of sentence, with all templates in one table.

`out.speech` sets the language.
Numbers are printed to the precision that their interval allows.
"""

from __future__ import annotations

import math

from neurovisionlab.judge.planning import MOST_SEEDS, MOST_TIMES_IMAGES, WouldDecide
from neurovisionlab.judge.ranks import Overall, Refusal, SignedRanks, Standing
from neurovisionlab.judge.samples import LOWER_IS_BETTER, Metric
from neurovisionlab.judge.verdicts import ModelEstimate, PairVerdict
from neurovisionlab.out.speech import Sentence, number, voice

WORDS: dict[str, Sentence] = {
    "accuracy": Sentence("accuracy"),
    "macro_f1": Sentence("macro F1"),
    "macro_recall": Sentence("macro recall"),
    "macro_precision": Sentence("macro precision"),
    "nll": Sentence("negative log-likelihood"),
    "brier": Sentence("Brier score"),
    "share": Sentence("{number} %"),
    "point": Sentence("{number} point"),
    "points": Sentence("{number} points"),
    "plain": Sentence("{number}"),
    "estimate": Sentence(
        "{model} on {dataset}: {metric} {value} "
        "(95 % interval {low} to {high}; {num_seeds} seeds, {num_images} test images)."
    ),
    "estimate, one seed": Sentence(
        "{model} on {dataset}: {metric} {value} (95 % interval {low} to {high}, about this one "
        "trained network, another seed may fall outside; {num_images} test images)."
    ),
    "short, model": Sentence("{model} {value} ({low} to {high})"),
    "interval": Sentence("{value} ({low} to {high})"),
    "short pair": Sentence("{verdict}, {size} ({low} to {high})"),
    "short, is better": Sentence("better"),
    "short, is worse": Sentence("worse"),
    "short, equivalent": Sentence("equivalent"),
    "short, cannot tell": Sentence("cannot tell"),
    "two seeds": Sentence(
        "Two seeds say little about how much runs differ: take the interval as rough."
    ),
    "p": Sentence("p = {number}"),
    "p below": Sentence("p < {number}"),
    "corrected": Sentence("{p} after Holm's correction for {num_pairs} pairs"),
    "better": Sentence(
        "{better} is better than {other} on {dataset}: {metric} differs by {size} "
        "(95 % interval {low} to {high}; {p})."
    ),
    "equivalent": Sentence(
        "{a} and {b} are equivalent on {dataset}: {metric} differs by {size}{lead}, and the 90 % "
        "interval of {a} minus {b}, {low_90} to {high_90}, lies within ±{delta}."
    ),
    "cannot tell": Sentence(
        "Cannot tell which of {a} and {b} is better on {dataset}: {metric} differs by "
        "{size}{lead}, {why}."
    ),
    "better, networks": Sentence(
        "Of these trained networks, {better} is better than {other} on {dataset}: {metric} "
        "differs by {size} (95 % interval {low} to {high}; {p})."
    ),
    "equivalent, networks": Sentence(
        "These trained networks of {a} and {b} are equivalent on {dataset}: {metric} differs by "
        "{size}{lead}, and the 90 % interval of {a} minus {b}, {low_90} to {high_90}, lies within "
        "±{delta}."
    ),
    "cannot tell, networks": Sentence(
        "Cannot tell which of these trained networks of {a} and {b} is better on {dataset}: "
        "{metric} differs by {size}{lead}, {why}."
    ),
    "why, interval": Sentence(
        "but the 95 % interval of {a} minus {b} runs from {low} to {high} ({p})"
    ),
    "why, correction": Sentence(
        "and the 95 % interval of {a} minus {b}, {low} to {high}, leaves out 0, but not after "
        "correction ({p})"
    ),
    "lead": Sentence(" in favour of {leading}"),
    "smallest delta": Sentence("At best these data could have shown equivalence within ±{delta}."),
    "one seed": Sentence(
        "About the models: cannot tell, one seed. At least three of each would show how much runs "
        "differ."
    ),
    "decide": Sentence("If the measured difference is the true one, {seeds}; {images}."),
    "decide, networks": Sentence("If the measured difference is the true one, {images}."),
    "decide, both": Sentence(
        "Neither more seeds nor more test images would decide alone; it takes both."
    ),
    "decide, one more seed": Sentence("about one more seed of each model would decide"),
    "decide, more seeds": Sentence("about {more_seeds} more seeds of each model would decide"),
    "decide, too many seeds": Sentence(
        "more than {most_seeds} more seeds of each model would be needed"
    ),
    "decide, no seeds": Sentence("more seeds cannot decide, because the test images dominate"),
    "decide, more images": Sentence("about {more_images} more test images would decide"),
    "decide, too many images": Sentence(
        "more than {most_times} times as many test images would be needed"
    ),
    "decide, no images": Sentence("more test images cannot decide, because the seeds dominate"),
    "standing": Sentence(
        "{model}: mean rank {rank} (95 % interval {low} to {high}; data sets: {num_datasets}), "
        "better {wins}, equivalent {ties}, worse {losses}, cannot tell {undecided} times."
    ),
    "standing, no rank": Sentence(
        "{model}: no mean rank, since it shares no data set with one of the others; "
        "better {wins}, equivalent {ties}, worse {losses}, cannot tell {undecided} times."
    ),
    "balanced": Sentence(
        "Cells are missing: ranks are put together from pairs, each on what both share."
    ),
    "overall, one seed": Sentence("One seed: intervals of ranks are about these trained networks."),
    "critical": Sentence(
        "Friedman's test of mean ranks: {p}. Two models differ if their mean ranks lie more than "
        "{critical} apart (Nemenyi)."
    ),
    "wilcoxon, better": Sentence(
        "Over {num_datasets} data sets {better} is better than {other} (Wilcoxon's signed-rank "
        "test, {p})."
    ),
    "wilcoxon, cannot tell": Sentence(
        "Over {num_datasets} data sets it cannot be told which of {a} and {b} is better "
        "(Wilcoxon's signed-rank test, {p})."
    ),
    "ranks of few data sets": Sentence(
        "No critical-difference diagram: it needs at least {needed} data sets to show any "
        "difference; this study has {got}."
    ),
    "cells are missing": Sentence(
        "No critical-difference diagram: every model must have run on all {needed} data sets; "
        "this holds for {got}."
    ),
    "p cannot get small": Sentence(
        "No Wilcoxon test: below {needed} pairs its p cannot fall under 0.05; this study has {got}."
    ),
}

MOST_DECIMALS = 4


def estimate_sentence(one: ModelEstimate, dataset: str) -> str:
    """Return a sentence on the score of a model."""
    show = _Numbers(one.metric, (one.low, one.high))
    key = "estimate" if one.scope == "models" else "estimate, one seed"
    text = WORDS[key].format(
        model=one.model,
        dataset=dataset,
        metric=WORDS[one.metric],
        value=show.value(one.value),
        low=show.bare(one.low),
        high=show.value(one.high),
        num_seeds=one.num_seeds,
        num_images=number(one.num_images, ","),
    )
    return _joined(text, WORDS["two seeds"] if "two seeds" in one.cautions else "")


def short_estimate(one: ModelEstimate) -> str:
    """Return a model and its score with the interval: resnet18 92.2 % (91.9 to 92.5)."""
    show = _Numbers(one.metric, (one.low, one.high))
    return WORDS["short, model"].format(
        model=one.model,
        value=show.value(one.value),
        low=show.bare(one.low),
        high=show.bare(one.high),
    )


def short_interval(one: ModelEstimate) -> str:
    """Return a score with its interval, without units: 92.2 (91.9 to 92.5)."""
    show = _Numbers(one.metric, (one.low, one.high))
    value, low, high = (show.bare(number) for number in (one.value, one.low, one.high))
    return WORDS["interval"].format(value=value, low=low, high=high)


def short_pair(pair: PairVerdict, model: str) -> str:
    """Return a pair's verdict from one model's view: better, +1.2 points (0.9 to 1.5)."""
    show = _Numbers(pair.metric, (pair.low, pair.high))
    low, high, size = pair.low, pair.high, pair.difference
    if model == pair.b:
        low, high, size = -high, -low, -size
    kind = pair.about_models  # only sentences cover trained networks
    key = kind if kind != "better" else "is better" if pair.better == model else "is worse"
    is_shown = any(digit in "123456789" for digit in show.bare(size))
    sign = "+" if size > 0 and is_shown else ""
    return WORDS["short pair"].format(
        verdict=WORDS[f"short, {key}"],
        size=f"{sign}{show.gap(size)}",
        low=show.bare(low),
        high=show.bare(high),
    )


def pair_sentence(pair: PairVerdict, dataset: str) -> str:
    """Return sentences on two models: the verdict, its scope, and what would decide an open one."""
    fields = _pair_fields(pair, dataset)
    why = "why, interval" if pair.low <= 0 <= pair.high else "why, correction"
    text = WORDS[_pair_key(pair)].format(why=WORDS[why].format(**fields), **fields)
    small = ""
    if pair.kind == "cannot tell" and pair.smallest_delta is not None:
        bound = _bound(pair.smallest_delta, pair.metric)
        small = WORDS["smallest delta"].format(delta=bound)
    return _joined(
        text,
        small,
        decide_sentence(pair.would_decide, pair.scope == "models"),
        WORDS["one seed"] if "one seed" in pair.cautions else "",
        WORDS["two seeds"] if "two seeds" in pair.cautions else "",
    )


def decide_sentence(more: WouldDecide | None, about_models: bool) -> str:
    """Return a sentence on the data that would decide an open comparison; "" if it is decided."""
    if more is None:
        return ""
    images = _images_words(more)
    if not about_models:
        return WORDS["decide, networks"].format(images=images)
    if not more.seeds_help and not more.images_help:
        return str(WORDS["decide, both"])
    return WORDS["decide"].format(seeds=_seeds_words(more), images=images)


def overall_sentences(found: Overall) -> tuple[str, ...]:
    """Return sentences on the models across data sets, and on refused methods."""
    lines = [standing_sentence(one) for one in found.standings]
    if not found.is_balanced:
        lines.append(str(WORDS["balanced"]))
    if found.one_seed:
        lines.append(str(WORDS["overall, one seed"]))
    if found.critical:
        p = p_text(found.critical.friedman_p)
        gap = number(found.critical.critical_difference, ".2f")
        lines.append(WORDS["critical"].format(p=p, critical=gap))
    lines += [signed_ranks_sentence(one, len(found.signed_ranks)) for one in found.signed_ranks]
    return (*lines, *(refusal_sentence(one) for one in found.refusals))


def standing_sentence(one: Standing) -> str:
    """Return a sentence on one model across data sets."""
    counts = one.model_dump(include={"model", "wins", "ties", "losses", "undecided"})
    if one.mean_rank is None or one.low is None or one.high is None:
        return WORDS["standing, no rank"].format(**counts)
    return WORDS["standing"].format(
        rank=number(one.mean_rank, ".1f"),
        low=number(one.low, ".1f"),
        high=number(one.high, ".1f"),
        num_datasets=one.num_datasets,
        **counts,
    )


def signed_ranks_sentence(one: SignedRanks, num_pairs: int) -> str:
    """Return a sentence on Wilcoxon's test of two models over all data sets."""
    p = p_text(one.p_holm)
    if num_pairs > 1:
        p = WORDS["corrected"].format(p=p, num_pairs=num_pairs)
    if one.leading is None or one.p_holm >= 0.05:
        key = "wilcoxon, cannot tell"
    else:
        key = "wilcoxon, better"
    other = one.b if one.leading == one.a else one.a
    return WORDS[key].format(
        a=one.a, b=one.b, better=one.leading, other=other, p=p, num_datasets=one.num_datasets
    )


def refusal_sentence(one: Refusal) -> str:
    """Return a sentence on the reason for not using a method."""
    return WORDS[one.reason].format(needed=one.needed, got=one.got)


def decimals(low: float, high: float) -> int:
    """Return the decimals that an interval allows: its half-width keeps one significant digit.

    Two digits if the first digit is 1, as the Particle Data Group rounds (Review of Particle
    Physics, section 5.3): a half-width of 0.16 printed as 0.2 would be a quarter off.

    >>> [decimals(0, 2 * half) for half in (30.0, 3.2, 1.6, 0.32, 0.16, 0.0)]
    [0, 0, 1, 1, 2, 4]
    """
    half = (high - low) / 2
    if half <= 10.0**-MOST_DECIMALS:
        return MOST_DECIMALS
    first = math.floor(math.log10(half))
    leading_one = half < 2 * 10.0**first
    return min(MOST_DECIMALS, max(0, leading_one - first))


def p_text(p: float) -> str:
    """Return p with two significant digits, or "below 0.001".

    >>> [p_text(p) for p in (1.0, 0.5, 0.0123, 0.0009)]
    ['p = 1.0', 'p = 0.50', 'p = 0.012', 'p < 0.001']
    """
    if p < 0.001:
        return WORDS["p below"].format(number=number(0.001, "g"))
    digits = max(1, 1 - math.floor(math.log10(p)))
    return WORDS["p"].format(number=number(p, f".{digits}f"))


class _Numbers:
    """Numbers of one score, shares in per cent, with the decimals that an interval allows."""

    def __init__(self, metric: Metric, interval: tuple[float, float]) -> None:
        self.is_share = metric not in LOWER_IS_BETTER
        self.scale = 100 if self.is_share else 1
        self.decimals = decimals(*(bound * self.scale for bound in interval))
        # a nonzero bound must not be printed as zero
        self.decimals += any(b != 0 and float(self._number(b)) == 0 for b in interval)

    def value(self, number: float) -> str:
        """Return a value with its unit: 94.7 %."""
        return WORDS["share" if self.is_share else "plain"].format(number=self.bare(number))

    def gap(self, number: float) -> str:
        """Return a difference with its unit: −0.3 points."""
        return _points(self.bare(number)) if self.is_share else self.bare(number)

    def bare(self, number: float) -> str:
        """Return a number without its unit, with a minus sign; none for a rounded zero."""
        text = self._number(number)
        bare = text.lstrip("-")
        shown = voice().number(bare)
        return f"−{shown}" if text.startswith("-") and float(bare) else shown

    def _number(self, number: float) -> str:
        return f"{number * self.scale:.{self.decimals}f}"


def _joined(*parts: object) -> str:
    return " ".join(text for part in parts if (text := str(part)))


def _pair_key(pair: PairVerdict) -> str:
    return pair.kind if pair.scope == "models" else f"{pair.kind}, networks"


def _pair_fields(pair: PairVerdict, dataset: str) -> dict[str, object]:
    show = _Numbers(pair.metric, (pair.low, pair.high))
    lead = WORDS["lead"].format(leading=pair.leading) if pair.leading else ""
    # the interval of a "better" is that of the better model's lead (for losses, of its deficit)
    mirrored = pair.kind == "better" and pair.difference < 0
    low, high = (-pair.high, -pair.low) if mirrored else (pair.low, pair.high)
    return {
        "a": pair.a,
        "b": pair.b,
        "better": pair.better,
        "other": pair.b if pair.better == pair.a else pair.a,
        "lead": lead,
        "dataset": dataset,
        "metric": WORDS[pair.metric],
        "size": show.gap(abs(pair.difference)),
        "low": show.bare(low),
        "high": show.gap(high),
        "low_90": show.bare(pair.low_90),
        "high_90": show.gap(pair.high_90),
        "p": _corrected(pair),
        "delta": _bound(pair.delta or 0.0, pair.metric),
    }


def _corrected(pair: PairVerdict) -> str:
    p = p_text(pair.p_holm)
    if pair.num_pairs == 1:
        return p
    return WORDS["corrected"].format(p=p, num_pairs=pair.num_pairs)


def _bound(delta: float, metric: Metric) -> str:
    """Return a bound with at most two significant digits: 0.5 points, 0.32 points."""
    text = number(delta * 100, ".2g" if delta * 100 < 10 else ".0f")
    return _points(text) if metric not in LOWER_IS_BETTER else text


def _points(text: str) -> str:
    return WORDS["point" if text in ("1", "−1") else "points"].format(number=text)


def _seeds_words(more: WouldDecide) -> str:
    if not more.seeds_help:
        return str(WORDS["decide, no seeds"])
    if more.more_seeds is None:
        return WORDS["decide, too many seeds"].format(most_seeds=MOST_SEEDS)
    if more.more_seeds == 1:
        return str(WORDS["decide, one more seed"])
    return WORDS["decide, more seeds"].format(more_seeds=more.more_seeds)


def _images_words(more: WouldDecide) -> str:
    if not more.images_help:
        return str(WORDS["decide, no images"])
    if more.more_images is None:
        return WORDS["decide, too many images"].format(most_times=MOST_TIMES_IMAGES)
    return WORDS["decide, more images"].format(more_images=number(more.more_images, ","))
