"""The scores under test, and the samples of each model for the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from neurovisionlab.core.frozen import Frozen
from neurovisionlab.judge import stats
from neurovisionlab.judge.answers import Answers, check_comparable
from neurovisionlab.judge.bootstrap import MACRO_SCORES, macro_samples, patterns_of
from neurovisionlab.judge.stats import Sample

Metric = Literal["accuracy", "macro_f1", "macro_recall", "macro_precision", "nll", "brier"]
METRICS: tuple[Metric, ...] = (
    "accuracy",
    "macro_f1",
    "macro_recall",
    "macro_precision",
    "nll",
    "brier",
)
LOWER_IS_BETTER: frozenset[Metric] = frozenset({"nll", "brier"})


class Rules(Frozen):
    """Criteria of verdicts.

    Attributes:
        delta_frac: largest difference of shares (accuracy, recall, F1) that does not matter: 0.005
            is half a point. NLL and Brier score have no such bound, so no "equivalent".
        alpha: probability of a wrong "better" among all pairs of a data set, for each score.
        num_draws: resampled test sets for scores that are not means over images.
        draw_seed: seed of these draws.
        metrics: the scores under test.
    """

    delta_frac: Annotated[float, Field(gt=0, lt=1)] = 0.005
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    num_draws: Annotated[int, Field(ge=100)] = 10_000
    draw_seed: Annotated[int, Field(ge=0)] = 0
    metrics: tuple[Metric, ...] = METRICS

    def delta(self, metric: Metric) -> float | None:
        """Return the difference that does not matter; None for scores without such a bound."""
        return None if metric in LOWER_IS_BETTER else self.delta_frac


DEFAULT_RULES = Rules()


Samples = Mapping[Metric, Sample]


def samples_of(answers: Sequence[Answers], rules: Rules = DEFAULT_RULES) -> dict[str, Samples]:
    """Return {model: {score: its sample}}; all models share the resampled test sets.

    Raises:
        DataError: the models were tested on different images.
    """
    check_comparable(answers)
    found: dict[str, dict[Metric, Sample]] = {
        one.model: {
            "accuracy": stats.sample_of_means(one.right()),
            "nll": stats.sample_of_means(one.nll_SN),
            "brier": stats.sample_of_means(one.brier_SN),
        }
        for one in answers
    }
    if set(rules.metrics) & set(MACRO_SCORES):
        _add_macro_samples(found, answers, rules)
    return dict(found)


def _add_macro_samples(
    found: dict[str, dict[Metric, Sample]], answers: Sequence[Answers], rules: Rules
) -> None:
    # in the order of names: the order of the arguments changes no draw
    ordered = sorted(answers, key=lambda one: one.model)
    rows_RN = np.concatenate([one.predicted_SN for one in ordered])
    patterns = patterns_of(rows_RN, ordered[0].labels_N)
    drawn = macro_samples(patterns, ordered[0].num_classes, rules.num_draws, rules.draw_seed)
    num_images, first = len(ordered[0].labels_N), 0
    for one in ordered:
        rows = slice(first, first := first + len(one.seeds))
        for metric in METRICS:
            if metric in drawn:
                score_R, around_RB = drawn[metric]
                sample = Sample(score_R[rows], around_RB[rows], num_images, is_resampled=True)
                found[one.model][metric] = sample
