"""Trained networks as they would answer, without training any."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.predictions import Predictions
from neurovisionlab.core.records import EpochRow
from neurovisionlab.judge.answers import Answers, answers_of
from neurovisionlab.judge.samples import DEFAULT_RULES, Metric, Rules
from neurovisionlab.judge.verdicts import ModelEstimate, PairVerdict, verdicts_of_dataset


def predictions(
    predicted_N: NDArray[np.integer], labels_N: NDArray[np.integer], num_classes: int = 4
) -> Predictions:
    """Return the logits of a network that is rather sure of what it answers."""
    logits_NC = np.zeros((len(labels_N), num_classes), np.float32)
    logits_NC[np.arange(len(labels_N)), predicted_N] = 3
    return Predictions(logits_NC, np.asarray(labels_N, np.int64), np.arange(len(labels_N)) + 100)


def answers(
    right_SN: NDArray[np.bool_], model: str = "a", labels_N: NDArray[np.integer] | None = None
) -> Answers:
    """Return the answers of networks that are right where `right_SN` says, else one class off."""
    right_SN = np.asarray(right_SN, dtype=bool)
    if labels_N is None:
        labels_N = np.arange(right_SN.shape[1]) % 4
    rows = [np.where(right_N, labels_N, (labels_N + 1) % 4) for right_N in right_SN]
    return answers_of(model, {s: predictions(row_N, labels_N) for s, row_N in enumerate(rows)})


def drawn_right(num_seeds: int, num_images: int, share: float, seed: int = 0) -> NDArray[np.bool_]:
    """Draw answers to images of differing difficulty; `share` of them right, about."""
    rng = np.random.default_rng(seed)
    ease_N = np.random.default_rng(99).normal(0, 1, num_images)
    noise_SN = rng.normal(0, 0.5, (num_seeds, num_images))
    return ease_N + noise_SN < np.quantile(ease_N, share)


def curve(train: list[float], val: list[float]) -> tuple[EpochRow, ...]:
    """Return the epochs of a training with these accuracies."""
    return tuple(
        EpochRow(
            epoch=number,
            learning_rate=1e-3,
            train_loss=1.0,
            train_accuracy_frac=seen,
            val_loss=1.0,
            val_accuracy_frac=unseen,
            train_s=1.0,
            eval_s=0.1,
        )
        for number, (seen, unseen) in enumerate(zip(train, val, strict=True), 1)
    )


def estimate(model: Answers, metric: Metric, rules: Rules = DEFAULT_RULES) -> ModelEstimate:
    """Return one score of one model with its 95 % interval."""
    only = rules.model_copy(update={"metrics": (metric,)})
    return verdicts_of_dataset("", [model], only).estimates[0]


def compare(a: Answers, b: Answers, metric: Metric, rules: Rules = DEFAULT_RULES) -> PairVerdict:
    """Judge two models alone, without a correction for other pairs."""
    only = rules.model_copy(update={"metrics": (metric,)})
    return verdicts_of_dataset("", [a, b], only).pairs[0]
