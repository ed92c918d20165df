"""Scores from logits with numpy alone, so that reading results needs no torch.

Shape suffixes: N images, C classes, B bins.
Conventions follow scikit-learn (a class that is never predicted has precision 0) and are checked
against scikit-learn and torchmetrics in tests/reference.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from neurovisionlab.core.bounds import MOST_CLASSES, Amount, Loss
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.protocol import Fraction

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NUM_ECE_BINS = 15  # Guo et al. 2017, "On Calibration of Modern Neural Networks"


class ClassScores(Frozen):
    """Scores of one class, shares in 0..1. A class without images has recall and F1 of 0."""

    num_images: Amount
    precision_frac: Fraction
    recall_frac: Fraction
    f1_frac: Fraction


class Scores(Frozen):
    """Scores of a set of predictions; shares are in 0..1.

    `nll` is the mean negative log-likelihood in nats, `brier` the mean squared distance between the
    probabilities and the one-hot label (0 to 2; Brier 1950), `ece_frac` the expected calibration
    error over 15 equal-width bins (Guo et al. 2017).
    """

    num_images: Amount
    accuracy_frac: Fraction
    macro_precision_frac: Fraction
    macro_recall_frac: Fraction
    macro_f1_frac: Fraction
    weighted_precision_frac: Fraction
    weighted_recall_frac: Fraction
    weighted_f1_frac: Fraction
    nll: Loss
    brier: Annotated[float, Field(ge=0, le=2.01)]  # 2 plus rounding error
    ece_frac: Fraction
    per_class: Annotated[tuple[ClassScores, ...], Field(min_length=1, max_length=MOST_CLASSES)]

    @model_validator(mode="after")
    def _classes_hold_the_images(self) -> Scores:
        total = sum(one.num_images for one in self.per_class)
        if total != self.num_images:
            expected = f"{self.num_images} images in all classes"
            raise ValueError(f"per_class: expected {expected}, got {total}; try to count again")
        return self


def confusion(predicted_N: Ints, labels_N: Ints, num_classes: int) -> Ints:
    """Count images by (true class, predicted class): int64 [C, C], rows are true classes.

    Args:
        predicted_N, labels_N: class numbers, 0..C-1.
        num_classes: C.
    """
    cells = np.bincount(labels_N * num_classes + predicted_N, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes).astype(np.int64)


def calibration_bins(confidence_N: Floats, right_N: NDArray[np.bool_]) -> Floats:
    """Return [B, 3]: images, summed confidence, correct answers in 15 equal-width bins (lo, hi].

    Args:
        confidence_N: probability of the predicted class, 0..1.
        right_N: whether the prediction is correct.
    """
    edges = np.linspace(0, 1, NUM_ECE_BINS + 1)
    bins = np.clip(np.searchsorted(edges, confidence_N, side="left") - 1, 0, NUM_ECE_BINS - 1)
    columns = [None, confidence_N, right_N.astype(np.float64)]
    return np.stack([np.bincount(bins, column, NUM_ECE_BINS) for column in columns], axis=1)


def score(logits_NC: NDArray[np.floating], labels_N: NDArray[np.integer]) -> Scores:
    """Score logits against labels.

    Args:
        logits_NC: finite, of any float type; scored in float64.
        labels_N: integers in 0..C-1.

    Raises:
        ValueError: no images, shapes that do not match, a label outside the classes, or a logit
            that is not finite.
    """
    from scipy.special import log_softmax  # slow to import, and not needed to read records

    _check(logits_NC, labels_N)
    labels = labels_N.astype(np.int64)
    log_probs_NC = log_softmax(logits_NC.astype(np.float64), axis=1)
    probs_NC = np.exp(log_probs_NC)
    predicted_N = logits_NC.argmax(axis=1)
    right_N = predicted_N == labels
    bins = calibration_bins(probs_NC.max(axis=1), right_N)
    num = len(labels)
    truth_prob_N = probs_NC[np.arange(num), labels]
    brier_N = (probs_NC**2).sum(axis=1) - 2 * truth_prob_N + 1
    return Scores(
        **_class_averages(confusion(predicted_N, labels, logits_NC.shape[1])),
        nll=float(-log_probs_NC[np.arange(num), labels].mean()),
        brier=float(np.maximum(brier_N, 0).mean()),
        ece_frac=float(np.abs(bins[:, 1] - bins[:, 2]).sum() / num),
    )


def _class_averages(counts_CC: Ints) -> dict[str, Any]:
    """Return the scores that count images, averaged over classes among labels or predictions."""
    hits_C = np.diag(counts_CC).astype(np.float64)
    truth_C = counts_CC.sum(axis=1)
    guess_C = counts_CC.sum(axis=0)
    recall_C = _ratio(hits_C, truth_C)
    precision_C = _ratio(hits_C, guess_C)
    f1_C = _ratio(2 * hits_C, truth_C + guess_C)
    seen_C = (truth_C + guess_C) > 0
    averages: dict[str, Any] = {
        "num_images": int(truth_C.sum()),
        "accuracy_frac": float(hits_C.sum() / truth_C.sum()),
        "per_class": tuple(
            ClassScores(num_images=int(n), precision_frac=p, recall_frac=r, f1_frac=f)
            for n, p, r, f in zip(truth_C, precision_C, recall_C, f1_C, strict=True)
        ),
    }
    for name, values_C in (("precision", precision_C), ("recall", recall_C), ("f1", f1_C)):
        averages[f"macro_{name}_frac"] = float(values_C[seen_C].mean())
        # min: a weighted mean of ones may exceed 1 by a rounding error
        averages[f"weighted_{name}_frac"] = min(1.0, float(np.average(values_C, weights=truth_C)))
    return averages


def _ratio(top: Floats, bottom: NDArray[np.integer]) -> Floats:
    ratio: Floats = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    return ratio


def _check(logits_NC: NDArray[np.floating], labels_N: NDArray[np.integer]) -> None:
    if logits_NC.ndim != 2 or labels_N.shape != logits_NC.shape[:1] or len(labels_N) == 0:
        raise ValueError(
            f"expected logits [N, C] and labels [N] with N >= 1, "
            f"got {logits_NC.shape} and {labels_N.shape}; try one row of logits per label"
        )
    if labels_N.min() < 0 or labels_N.max() >= logits_NC.shape[1]:
        raise ValueError(
            f"expected labels in 0..{logits_NC.shape[1] - 1}, "
            f"got {labels_N.min()}..{labels_N.max()}; try to check the class names"
        )
    if not np.isfinite(logits_NC).all():
        raise ValueError("expected finite logits, got NaN or infinity; try a lower learning rate")
