"""Verdicts in words: one function for each kind of sentence, all words in one table.

Another language is another table with the same keys and the same {fields}: pass it as `words`.
Numbers are printed to the precision that their interval allows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from neurovisionlab.core.planning import MOST_SEEDS, MOST_TIMES_IMAGES, WouldDecide
from neurovisionlab.core.ranks import Overall, Refusal, Standing
from neurovisionlab.core.samples import LOWER_IS_BETTER, Metric
from neurovisionlab.core.verdicts import ModelEstimate, PairVerdict

Words = Mapping[str, str]

ENGLISH: Words = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "macro_recall": "macro recall",
    "macro_precision": "macro precision",
    "nll": "negative log-likelihood",
    "brier": "Brier score",
    "share": "{number} %",
    "points": "{number} points",
    "plain": "{number}",
    "estimate": (
        "{model} on {dataset}: {metric} {value} "
        "(95 % interval {low} to {high}; {num_seeds} seeds, {num_images} test images)."
    ),
    "estimate, one seed": (
        "{model} on {dataset}: {metric} {value} (95 % interval {low} to {high}, about this one "
        "trained network, another seed may fall outside; {num_images} test images)."
    ),
    "two seeds": "Two seeds say little about how much runs differ: take the interval as rough.",
    "p": "p = {number}",
    "p below": "p < {number}",
    "corrected": "{p} after Holm's correction for {num_pairs} pairs",
    "better": (
        "{better} is better than {other} on {dataset}: {metric} differs by {size} "
        "(95 % interval {low} to {high}; {p})."
    ),
    "equivalent": (
        "{a} and {b} are equivalent on {dataset}: {metric} differs by {size}{lead}, and the 90 % "
        "interval of {a} minus {b}, {low_90} to {high_90}, lies within ±{delta}."
    ),
    "cannot tell": (
        "Cannot tell which of {a} and {b} is better on {dataset}: {metric} differs by "
        "{size}{lead}, {why}."
    ),
    "better, networks": (
        "Of these trained networks, {better} is better than {other} on {dataset}: {metric} "
        "differs by {size} (95 % interval {low} to {high}; {p})."
    ),
    "equivalent, networks": (
        "These trained networks of {a} and {b} are equivalent on {dataset}: {metric} differs by "
        "{size}{lead}, and the 90 % interval of {a} minus {b}, {low_90} to {high_90}, lies within "
        "±{delta}."
    ),
    "cannot tell, networks": (
        "Cannot tell which of these trained networks of {a} and {b} is better on {dataset}: "
        "{metric} differs by {size}{lead}, {why}."
    ),
    "why, interval": ("but the 95 % interval of {a} minus {b} runs from {low} to {high} ({p})"),
    "why, correction": (
        "and the 95 % interval of {a} minus {b}, {low} to {high}, leaves out 0, but not after "
        "correction ({p})"
    ),
    "lead": " in favour of {leading}",
    "smallest delta": "At best these data could have shown equivalence within ±{delta}.",
    "one seed": (
        "About the models: cannot tell, one seed. At least three of each would show how much runs "
        "differ."
    ),
    "decide": "If the measured difference is the true one, {seeds}; {images}.",
    "decide, networks": "If the measured difference is the true one, {images}.",
    "decide, both": "Neither more seeds nor more test images would decide alone; it takes both.",
    "decide, one more seed": "about one more seed of each model would decide",
    "decide, more seeds": "about {more_seeds} more seeds of each model would decide",
    "decide, too many seeds": "more than {most_seeds} more seeds of each model would be needed",
    "decide, no seeds": "more seeds cannot decide, because the test images dominate",
    "decide, more images": "about {more_images} more test images would decide",
    "decide, too many images": ("more than {most_times} times as many test images would be needed"),
    "decide, no images": "more test images cannot decide, because the seeds dominate",
    "standing": (
        "{model}: mean rank {rank} (95 % interval {low} to {high}; data sets: {num_datasets}), "
        "better {wins}, equivalent {ties}, worse {losses}, cannot tell {undecided} times."
    ),
    "standing, no rank": (
        "{model}: no mean rank, since it shares no data set with one of the others; "
        "better {wins}, equivalent {ties}, worse {losses}, cannot tell {undecided} times."
    ),
    "balanced": "Cells are missing: ranks are put together from pairs, each on what both share.",
    "overall, one seed": "One seed: intervals of ranks are about these trained networks.",
    "critical": (
        "Friedman's test of mean ranks: {p}. Two models differ if their mean ranks lie more than "
        "{critical} apart (Nemenyi)."
    ),
    "ranks of few data sets": (
        "No critical-difference diagram: it needs at least {needed} data sets to show any "
        "difference; this study has {got}."
    ),
    "cells are missing": (
        "No critical-difference diagram: every model must have run on all {needed} data sets; "
        "this holds for {got}."
    ),
    "p cannot get small": (
        "No Wilcoxon test: below {needed} pairs its p cannot fall under 0.05; this study has {got}."
    ),
}

MOST_DECIMALS = 4


def estimate_sentence(one: ModelEstimate, dataset: str, words: Words = ENGLISH) -> str:
    """Say how good a model is."""
    show = _Numbers(one.metric, (one.low, one.high), words)
    key = "estimate" if one.scope == "models" else "estimate, one seed"
    text = words[key].format(
        model=one.model,
        dataset=dataset,
        metric=words[one.metric],
        value=show.value(one.value),
        low=show.bare(one.low),
        high=show.value(one.high),
        num_seeds=one.num_seeds,
        num_images=f"{one.num_images:,}",
    )
    return _joined(text, words["two seeds"] if "two seeds" in one.cautions else "")


def pair_sentence(pair: PairVerdict, dataset: str, words: Words = ENGLISH) -> str:
    """Say the verdict about two models, what it is about, and what would decide an open one."""
    fields = _pair_fields(pair, dataset, words)
    why = "why, interval" if pair.low <= 0 <= pair.high else "why, correction"
    text = words[_pair_key(pair)].format(why=words[why].format(**fields), **fields)
    small = ""
    if pair.kind == "cannot tell" and pair.smallest_delta is not None:
        bound = _bound(pair.smallest_delta, pair.metric, words)
        small = words["smallest delta"].format(delta=bound)
    return _joined(
        text,
        small,
        decide_sentence(pair.would_decide, pair.scope == "models", words),
        words["one seed"] if "one seed" in pair.cautions else "",
        words["two seeds"] if "two seeds" in pair.cautions else "",
    )


def decide_sentence(more: WouldDecide | None, about_models: bool, words: Words = ENGLISH) -> str:
    """Say what more would decide an open comparison; nothing where it is decided."""
    if more is None:
        return ""
    images = _images_words(more, words)
    if not about_models:
        return words["decide, networks"].format(images=images)
    if not more.seeds_help and not more.images_help:
        return words["decide, both"]
    return words["decide"].format(seeds=_seeds_words(more, words), images=images)


def overall_sentences(found: Overall, words: Words = ENGLISH) -> tuple[str, ...]:
    """Say how the models stand across data sets, and which methods were refused."""
    lines = [standing_sentence(one, words) for one in found.standings]
    if not found.is_balanced:
        lines.append(words["balanced"])
    if found.one_seed:
        lines.append(words["overall, one seed"])
    if found.critical:
        p, gap = (
            p_text(found.critical.friedman_p, words),
            f"{found.critical.critical_difference:.2f}",
        )
        lines.append(words["critical"].format(p=p, critical=gap))
    return (*lines, *(refusal_sentence(one, words) for one in found.refusals))


def standing_sentence(one: Standing, words: Words = ENGLISH) -> str:
    """Say how one model stands across data sets."""
    counts = one.model_dump(include={"model", "wins", "ties", "losses", "undecided"})
    if one.mean_rank is None or one.low is None or one.high is None:
        return words["standing, no rank"].format(**counts)
    return words["standing"].format(
        rank=f"{one.mean_rank:.1f}",
        low=f"{one.low:.1f}",
        high=f"{one.high:.1f}",
        num_datasets=one.num_datasets,
        **counts,
    )


def refusal_sentence(one: Refusal, words: Words = ENGLISH) -> str:
    """Say why a method was not used."""
    return words[one.reason].format(needed=one.needed, got=one.got)


def decimals(low: float, high: float) -> int:
    """Return the decimals that an interval allows: its half-width keeps one significant digit.

    Two where the first digit is 1, as the Particle Data Group rounds (Review of Particle Physics,
    section 5.3): a half-width of 0.16 shown as 0.2 would be a quarter off.

    >>> [decimals(0, 2 * half) for half in (30.0, 3.2, 1.6, 0.32, 0.16, 0.0)]
    [0, 0, 1, 1, 2, 4]
    """
    half = (high - low) / 2
    if half <= 10.0**-MOST_DECIMALS:
        return MOST_DECIMALS
    first = math.floor(math.log10(half))
    leading_one = half < 2 * 10.0**first
    return min(MOST_DECIMALS, max(0, leading_one - first))


def p_text(p: float, words: Words = ENGLISH) -> str:
    """Return p with two significant digits; below 0.001, only that.

    >>> [p_text(p) for p in (1.0, 0.5, 0.0123, 0.0009)]
    ['p = 1.0', 'p = 0.50', 'p = 0.012', 'p < 0.001']
    """
    if p < 0.001:
        return words["p below"].format(number="0.001")
    return words["p"].format(number=f"{p:.{max(1, 1 - math.floor(math.log10(p)))}f}")


class _Numbers:
    """Numbers of one score, shares as percent, with the decimals that an interval allows."""

    def __init__(self, metric: Metric, interval: tuple[float, float], words: Words) -> None:
        self.is_share = metric not in LOWER_IS_BETTER
        self.scale = 100 if self.is_share else 1
        self.words = words
        self.decimals = decimals(*(bound * self.scale for bound in interval))
        # a bound that is not zero is not shown as zero
        self.decimals += any(b != 0 and float(self._number(b)) == 0 for b in interval)

    def value(self, number: float) -> str:
        """Return a value with its unit: 94.7 %."""
        return self.words["share" if self.is_share else "plain"].format(number=self.bare(number))

    def gap(self, number: float) -> str:
        """Return a difference with its unit: −0.3 points."""
        return self.words["points" if self.is_share else "plain"].format(number=self.bare(number))

    def bare(self, number: float) -> str:
        """Return a number without its unit, with a minus sign; a rounded zero has none."""
        text = self._number(number)
        bare = text.lstrip("-")
        return f"−{bare}" if text.startswith("-") and float(bare) else bare

    def _number(self, number: float) -> str:
        return f"{number * self.scale:.{self.decimals}f}"


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _pair_key(pair: PairVerdict) -> str:
    return pair.kind if pair.scope == "models" else f"{pair.kind}, networks"


def _pair_fields(pair: PairVerdict, dataset: str, words: Words) -> dict[str, object]:
    show = _Numbers(pair.metric, (pair.low, pair.high), words)
    lead = words["lead"].format(leading=pair.leading) if pair.leading else ""
    # of a "better" the interval is told as the better one's lead (or as less, where less is good)
    mirrored = pair.kind == "better" and pair.difference < 0
    low, high = (-pair.high, -pair.low) if mirrored else (pair.low, pair.high)
    return {
        "a": pair.a,
        "b": pair.b,
        "better": pair.better,
        "other": pair.b if pair.better == pair.a else pair.a,
        "lead": lead,
        "dataset": dataset,
        "metric": words[pair.metric],
        "size": show.gap(abs(pair.difference)),
        "low": show.bare(low),
        "high": show.gap(high),
        "low_90": show.bare(pair.low_90),
        "high_90": show.gap(pair.high_90),
        "p": _corrected(pair, words),
        "delta": _bound(pair.delta or 0.0, pair.metric, words),
    }


def _corrected(pair: PairVerdict, words: Words) -> str:
    p = p_text(pair.p_holm, words)
    if pair.num_pairs == 1:
        return p
    return words["corrected"].format(p=p, num_pairs=pair.num_pairs)


def _bound(delta: float, metric: Metric, words: Words) -> str:
    """Return a bound with two significant digits at most: 0.5 points, 0.32 points."""
    number = f"{delta * 100:.2g}" if delta * 100 < 10 else f"{delta * 100:.0f}"
    return words["points" if metric not in LOWER_IS_BETTER else "plain"].format(number=number)


def _seeds_words(more: WouldDecide, words: Words) -> str:
    if not more.seeds_help:
        return words["decide, no seeds"]
    if more.more_seeds is None:
        return words["decide, too many seeds"].format(most_seeds=MOST_SEEDS)
    if more.more_seeds == 1:
        return words["decide, one more seed"]
    return words["decide, more seeds"].format(more_seeds=more.more_seeds)


def _images_words(more: WouldDecide, words: Words) -> str:
    if not more.images_help:
        return words["decide, no images"]
    if more.more_images is None:
        return words["decide, too many images"].format(most_times=MOST_TIMES_IMAGES)
    return words["decide, more images"].format(more_images=f"{more.more_images:,}")
