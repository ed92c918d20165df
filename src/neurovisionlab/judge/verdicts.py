"""Verdicts on one data set: estimates of each model, and comparison of every pair.

    Answers of each model  →  `verdicts_of_dataset`  →  estimates, pairs
                              (per score: samples → tests → Holm over all pairs → verdicts)

With one seed a verdict concerns the trained networks only; about the models it is "cannot tell".
The formulas are in `stats`, the sentences in `out.words.verdict_words`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.protocol import Fraction, PositiveInt
from neurovisionlab.judge import stats
from neurovisionlab.judge.answers import Answers
from neurovisionlab.judge.planning import Hurdle, WouldDecide, would_decide
from neurovisionlab.judge.samples import (
    DEFAULT_RULES,
    LOWER_IS_BETTER,
    Metric,
    Rules,
    samples_of,
)
from neurovisionlab.judge.stats import Interval, Sample, Spread

VerdictKind = Literal["better", "equivalent", "cannot tell"]
Scope = Literal["models", "these trained networks"]
Caution = Literal["one seed", "two seeds"]


class ModelEstimate(Frozen):
    """One score of one model, with its 95 % interval.

    `scope` is the subject of the interval: the model, whatever the seed, or this trained network
    alone. `run_sd` is the standard deviation of the seeds' scores, null for one seed. Scores are
    shares in 0..1, except NLL, in nats, and the Brier score, 0 to 2.
    """

    model: str
    metric: Metric
    value: float
    low: float
    high: float
    scope: Scope
    num_seeds: PositiveInt
    num_images: PositiveInt
    run_sd: float | None
    standard_error: float
    df: float
    cautions: tuple[Caution, ...] = ()


class PairVerdict(Frozen):
    """Verdict on two models on one data set and score.

    Attributes:
        kind: the verdict, about the subject in `scope`; `about_models` is the same, or "cannot
            tell" where one seed permits no verdict.
        better: the better model of a "better", else null.
        leading: the model with the better score; null at a difference of exactly 0.
        difference: score of a minus score of b; low, high: its 95 % interval, uncorrected; low_90,
            high_90: the 90 % interval that decides equivalence.
        p, p_holm: two-sided, before and after Holm's correction for `num_pairs` pairs.
        delta: difference that does not matter; null for NLL and Brier score.
        smallest_delta: half the width of the 90 % interval: with these data no smaller bound could
            have been confirmed, even at a measured difference of 0. Null where delta is.
        equivalent_within: the smallest delta for which this verdict is "equivalent"; null likewise.
        would_decide: additional data that would lead to a verdict; null where there is one.
    """

    metric: Metric
    a: str
    b: str
    kind: VerdictKind
    better: str | None
    leading: str | None
    scope: Scope
    difference: float
    low: float
    high: float
    low_90: float
    high_90: float
    standard_error: float
    df: float
    p: Fraction
    p_holm: Fraction
    num_pairs: PositiveInt
    delta: float | None
    smallest_delta: float | None
    equivalent_within: float | None
    num_seeds_a: PositiveInt
    num_seeds_b: PositiveInt
    num_images: PositiveInt
    would_decide: WouldDecide | None = None
    cautions: tuple[Caution, ...] = ()

    @property
    def about_models(self) -> VerdictKind:
        """Return the verdict about the models, whatever the seeds."""
        return self.kind if self.scope == "models" else "cannot tell"


class DatasetVerdicts(Frozen):
    """All estimates and pair verdicts on one data set."""

    dataset: str
    estimates: tuple[ModelEstimate, ...]
    pairs: tuple[PairVerdict, ...]


def verdicts_of_dataset(
    dataset: str, answers: Sequence[Answers], rules: Rules = DEFAULT_RULES
) -> DatasetVerdicts:
    """Judge every model and every pair of models, with Holm's correction per score.

    Args:
        dataset: its name.
        answers: predictions of each model, on the same test images.
        rules: the criteria of verdicts.

    Raises:
        DataError: the models were tested on different images.
    """
    samples = samples_of(answers, rules)
    estimates: list[ModelEstimate] = []
    pairs: list[PairVerdict] = []
    for metric in rules.metrics:
        of_metric = {model: by_metric[metric] for model, by_metric in samples.items()}
        estimates += [_estimate(model, metric, one) for model, one in of_metric.items()]
        pairs += judge(of_metric, metric, rules)
    return DatasetVerdicts(dataset=dataset, estimates=tuple(estimates), pairs=tuple(pairs))


def judge(
    samples: Mapping[str, Sample], metric: Metric, rules: Rules = DEFAULT_RULES
) -> list[PairVerdict]:
    """Judge every pair of models on one score, with Holm's correction over the pairs.

    Args:
        samples: {model: its sample}, over the same images.
        metric: the score.
        rules: the criteria of verdicts.
    """
    tests = [_test(names, samples, metric) for names in combinations(samples, 2)]
    corrected = stats.holm([test.p for test in tests])
    return [
        _verdict(test, p, (metric, len(tests)), rules)
        for test, p in zip(tests, corrected, strict=True)
    ]


def _cautions(num_seeds: Iterable[int]) -> tuple[Caution, ...]:
    fewest = min(num_seeds)
    return ("one seed",) if fewest == 1 else ("two seeds",) if fewest == 2 else ()


def _estimate(model: str, metric: Metric, sample: Sample) -> ModelEstimate:
    parts, num_seeds = stats.spread(sample), len(sample.scores_S)
    if metric == "accuracy":
        low, high = stats.share_interval(sample.around_SX > 0)
    else:
        low, high = stats.t_interval(sample.mean, parts)
        low, high = max(0.0, low), high if metric in LOWER_IS_BETTER else min(1.0, high)
    return ModelEstimate(
        model=model,
        metric=metric,
        value=sample.mean,
        low=low,
        high=high,
        scope="models" if num_seeds > 1 else "these trained networks",
        num_seeds=num_seeds,
        num_images=sample.num_images,
        run_sd=float(sample.scores_S.std(ddof=1)) if num_seeds > 1 else None,
        standard_error=parts.variance**0.5,
        df=parts.df,
        cautions=_cautions([num_seeds]),
    )


@dataclass(frozen=True)
class _Test:
    """A comparison before Holm's correction."""

    names: tuple[str, str]
    num_seeds: tuple[int, int]
    difference: float
    parts: Spread
    p: float
    interval: Interval
    interval_90: Interval


def _test(names: tuple[str, str], samples: Mapping[str, Sample], metric: Metric) -> _Test:
    a, b = (samples[name] for name in names)
    # equal means may differ by rounding errors of their sums
    difference = 0.0 if math.isclose(a.mean, b.mean, rel_tol=1e-12) else a.mean - b.mean
    parts = stats.spread_of_difference(a, b)
    if metric not in LOWER_IS_BETTER:
        parts = stats.smoothed(parts)
    num_seeds = (len(a.scores_S), len(b.scores_S))
    if metric == "accuracy" and num_seeds == (1, 1):
        only_a = int((a.around_SX > b.around_SX).sum())
        only_b = int((a.around_SX < b.around_SX).sum())
        p = stats.mcnemar_mid_p(only_a, only_b)
        wide, narrow = (
            stats.paired_interval(only_a, only_b, a.num_images, level) for level in (0.95, 0.90)
        )
    else:
        p = stats.t_test_p(difference, parts)
        wide, narrow = (stats.t_interval(difference, parts, level) for level in (0.95, 0.90))
    return _Test(names, num_seeds, difference, parts, p, wide, narrow)


def _verdict(test: _Test, p_holm: float, of: tuple[Metric, int], rules: Rules) -> PairVerdict:
    metric, num_pairs = of
    delta = rules.delta(metric)
    kind = _kind(test, p_holm, delta, rules.alpha)
    leading = _leading(test, metric)
    low_90, high_90 = test.interval_90
    hurdle = Hurdle(rules.alpha, num_pairs, delta)
    return PairVerdict(
        metric=metric,
        a=test.names[0],
        b=test.names[1],
        kind=kind,
        better=leading if kind == "better" else None,
        leading=leading,
        scope="these trained networks" if 1 in test.num_seeds else "models",
        difference=test.difference,
        low=test.interval[0],
        high=test.interval[1],
        low_90=low_90,
        high_90=high_90,
        standard_error=test.parts.variance**0.5,
        df=test.parts.df,
        p=test.p,
        p_holm=p_holm,
        num_pairs=num_pairs,
        delta=delta,
        smallest_delta=None if delta is None else (high_90 - low_90) / 2,
        equivalent_within=None if delta is None else max(abs(low_90), abs(high_90)),
        num_seeds_a=test.num_seeds[0],
        num_seeds_b=test.num_seeds[1],
        num_images=test.parts.num_images,
        would_decide=would_decide(test.difference, test.parts, hurdle)
        if kind == "cannot tell"
        else None,
        cautions=_cautions(test.num_seeds),
    )


def _kind(test: _Test, p_holm: float, delta: float | None, alpha: float) -> VerdictKind:
    """Return the verdict; equivalence takes precedence over a real but irrelevant difference."""
    if delta is not None and stats.is_equivalent(*test.interval_90, delta):
        return "equivalent"
    return "better" if p_holm < alpha else "cannot tell"


def _leading(test: _Test, metric: Metric) -> str | None:
    if test.difference == 0:
        return None
    a_is_ahead = (test.difference > 0) != (metric in LOWER_IS_BETTER)
    return test.names[0] if a_is_ahead else test.names[1]
