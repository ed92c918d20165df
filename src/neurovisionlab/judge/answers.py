"""Predictions of one model's networks on one test set, validated once for all analyses.

Shape suffixes: S seeds, N images, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.metrics import Floats
from neurovisionlab.core.predictions import Predictions


@dataclass(frozen=True)
class Answers:
    """Predictions and losses of a model's networks, one row per network in the order of seeds.

    Attributes:
        model: its name, as printed in sentences.
        seeds: seeds of the networks, ascending.
        predicted_SN: predicted class, int64, 0..C-1.
        nll_SN: negative log-likelihood of the true class in nats, float64.
        brier_SN: squared distance between the probabilities and the one-hot label, float64, 0 to 2.
        labels_N: true class, int64, 0..C-1.
        indices_N: positions of the images in the data set, int64.
        num_classes: C.
    """

    model: str
    seeds: tuple[int, ...]
    predicted_SN: NDArray[np.int64]
    nll_SN: Floats
    brier_SN: Floats
    labels_N: NDArray[np.int64]
    indices_N: NDArray[np.int64]
    num_classes: int

    def right(self) -> NDArray[np.bool_]:
        """Return [S, N] bool: whether network s is right on image n."""
        right_SN: NDArray[np.bool_] = self.predicted_SN == self.labels_N
        return right_SN


def answers_of(model: str, predictions: Mapping[int, Predictions | None]) -> Answers:
    """Compute predicted classes and losses of a model's networks from their logits.

    Args:
        model: its name.
        predictions: test predictions by seed; None for a seed without any.

    Raises:
        DataError: predictions are missing, of different images, not finite, or the test images are
            all of one class.
    """
    if not predictions:
        raise _trouble(model, "stored test predictions", "none", "to run the study again")
    first: Predictions | None = None
    rows = []
    for seed, given in sorted(predictions.items(), key=lambda item: item[0]):
        where = f"{model}, seed {seed}"
        if given is None:
            raise _trouble(where, "stored test predictions", "none", "to run the cell again")
        _check(given, where)
        first = first or given
        if not _same_images(given, first):
            raise _trouble(where, "the test images of the other seeds", "others", SAME_SPLIT)
        rows.append(_row(given))
    assert first is not None
    predicted, nll, brier = (np.stack(column) for column in zip(*rows, strict=True))
    labels_N = first.labels_N.astype(np.int64)
    seeds = tuple(sorted(predictions))
    num_classes = first.logits_NC.shape[1]
    return Answers(model, seeds, predicted, nll, brier, labels_N, first.indices_N, num_classes)


SAME_SPLIT = "one data set, split_seed and subset for all"


def check_comparable(answers: Sequence[Answers]) -> None:
    """Check that models were tested on the same images.

    Raises:
        DataError: two models' test sets differ, or two models have the same name.
    """
    for one in answers[1:]:
        if one.num_classes != answers[0].num_classes or not _same_images(one, answers[0]):
            expected = f"the test images of {answers[0].model}"
            raise _trouble(one.model, expected, "others", SAME_SPLIT)
    names = [one.model for one in answers]
    for name in names:
        if names.count(name) > 1:
            raise _trouble(name, "each model once", "it twice", "to name the variants apart")


def _trouble(where: str, expected: str, got: str, remedy: str) -> DataError:
    return DataError(mould(where, expected, got, remedy))


def _same_images(a: Predictions | Answers, b: Predictions | Answers) -> bool:
    return np.array_equal(a.labels_N, b.labels_N) and np.array_equal(a.indices_N, b.indices_N)


def _check(given: Predictions, where: str) -> None:
    shape = given.logits_NC.shape
    labels_N = given.labels_N
    if len(shape) != 2 or labels_N.shape != shape[:1] or given.indices_N.shape != shape[:1]:
        got = f"logits {shape}, labels {labels_N.shape}, indices {given.indices_N.shape}"
        expected = "logits [N, C], N labels and N indices"
        raise _trouble(where, expected, got, "to run the cell again")
    if len(np.unique(labels_N)) < 2:
        got = f"{len(np.unique(labels_N))} among {len(labels_N)} images"
        raise _trouble(where, "test images of at least 2 classes", got, "a larger test set")
    if labels_N.min() < 0 or labels_N.max() >= shape[1]:
        got = f"{labels_N.min()}..{labels_N.max()}"
        raise _trouble(where, f"labels in 0..{shape[1] - 1}", got, "to run the cell again")
    num_finite = int(np.isfinite(given.logits_NC).all(axis=1).sum())
    if num_finite < len(labels_N):
        got = f"NaN or infinity for {len(labels_N) - num_finite} of {len(labels_N)} images"
        raise _trouble(where, "finite logits", got, "a lower learning rate")


def _row(given: Predictions) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return predicted class, NLL and Brier score of each image, each [N]."""
    log_probs_NC = log_softmax(given.logits_NC.astype(np.float64), axis=1)
    truth_N = log_probs_NC[np.arange(len(given.labels_N)), given.labels_N]
    probs_NC = np.exp(log_probs_NC, out=log_probs_NC)
    brier_N = np.einsum("nc,nc->n", probs_NC, probs_NC) - 2 * np.exp(truth_N) + 1
    return given.logits_NC.argmax(axis=1), -truth_N, np.maximum(brier_N, 0)
