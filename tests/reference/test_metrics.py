"""Scores against scikit-learn and torchmetrics: someone else's implementation is the judge."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchmetrics.functional.classification as torch_scores
from numpy.typing import NDArray
from sklearn import metrics as sk

from neurovisionlab.core.metrics import Scores, calibration_bins, confusion, score

# (images, classes, classes that occur in the truth): few images leave classes unseen or unguessed
SHAPES = [(500, 10, 10), (40, 26, 26), (200, 12, 5), (7, 62, 3), (60, 2, 2), (1, 3, 1), (30, 4, 1)]


def drawn(num: int, num_classes: int, num_true: int) -> tuple[NDArray[np.float32], NDArray]:
    rng = np.random.default_rng(num * 100 + num_classes)
    labels_N = rng.integers(0, num_true, num)
    logits_NC = rng.normal(0, 2, (num, num_classes)).astype(np.float32)
    logits_NC[np.arange(num), labels_N] += 1.5
    return logits_NC, labels_N


@pytest.fixture(params=SHAPES, ids=str)
def case(request: pytest.FixtureRequest) -> tuple[NDArray[np.float32], NDArray, Scores]:
    logits_NC, labels_N = drawn(*request.param)
    return logits_NC, labels_N, score(logits_NC, labels_N)


def probabilities(logits_NC: NDArray) -> torch.Tensor:
    return torch.from_numpy(logits_NC).double().softmax(1)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_averages_against_scikit_learn(case, average: str) -> None:
    logits_NC, labels_N, ours = case
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        labels_N, logits_NC.argmax(1), average=average, zero_division=0
    )
    assert getattr(ours, f"{average}_precision_frac") == pytest.approx(precision, abs=1e-12)
    assert getattr(ours, f"{average}_recall_frac") == pytest.approx(recall, abs=1e-12)
    assert getattr(ours, f"{average}_f1_frac") == pytest.approx(f1, abs=1e-12)
    assert ours.accuracy_frac == sk.accuracy_score(labels_N, logits_NC.argmax(1))
    assert ours.num_images == len(labels_N)


def test_each_class_against_scikit_learn(case) -> None:
    logits_NC, labels_N, ours = case
    theirs = sk.precision_recall_fscore_support(
        labels_N, logits_NC.argmax(1), labels=range(logits_NC.shape[1]), zero_division=0
    )
    got = [
        [getattr(one, name) for one in ours.per_class]
        for name in ("precision_frac", "recall_frac", "f1_frac", "num_images")
    ]
    np.testing.assert_allclose(got, theirs, atol=1e-12)


def test_confusion_against_scikit_learn(case) -> None:
    logits_NC, labels_N, _ = case
    num_classes = logits_NC.shape[1]
    ours = confusion(logits_NC.argmax(1), labels_N, num_classes)
    theirs = sk.confusion_matrix(labels_N, logits_NC.argmax(1), labels=range(num_classes))
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == np.int64


def test_log_loss_against_scikit_learn(case) -> None:
    logits_NC, labels_N, ours = case
    theirs = sk.log_loss(labels_N, probabilities(logits_NC), labels=range(logits_NC.shape[1]))
    assert ours.nll == pytest.approx(theirs, rel=1e-9)


def test_log_loss_against_torch(case) -> None:
    logits_NC, labels_N, ours = case
    logits, labels = torch.from_numpy(logits_NC).double(), torch.from_numpy(labels_N)
    theirs = torch.nn.functional.cross_entropy(logits, labels)
    assert ours.nll == pytest.approx(float(theirs), rel=1e-9)


def test_brier_against_scikit_learn(case) -> None:
    logits_NC, labels_N, ours = case
    probs_NC = probabilities(logits_NC).numpy()
    # one class against the rest, unscaled: the squared distances of all classes add up
    theirs = sum(
        sk.brier_score_loss(labels_N == c, probs_NC[:, c], pos_label=True)
        for c in range(logits_NC.shape[1])
    )
    assert ours.brier == pytest.approx(theirs, rel=1e-9)


def test_calibration_error_against_torchmetrics(case) -> None:
    logits_NC, labels_N, ours = case
    theirs = torch_scores.multiclass_calibration_error(
        probabilities(logits_NC),
        torch.from_numpy(labels_N),
        num_classes=logits_NC.shape[1],
        n_bins=15,
        norm="l1",
    )
    assert ours.ece_frac == pytest.approx(float(theirs), abs=1e-6)  # theirs adds up in float32


def test_accuracy_and_f1_against_torchmetrics() -> None:
    logits_NC, labels_N = drawn(500, 10, 10)
    ours = score(logits_NC, labels_N)
    logits, labels = torch.from_numpy(logits_NC), torch.from_numpy(labels_N)
    accuracy = torch_scores.multiclass_accuracy(logits, labels, 10, average="micro")
    f1 = torch_scores.multiclass_f1_score(logits, labels, 10, average="macro")
    assert ours.accuracy_frac == pytest.approx(float(accuracy), abs=1e-6)
    assert ours.macro_f1_frac == pytest.approx(float(f1), abs=1e-6)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("label_kind", [np.int64, np.int32, np.uint8])
def test_any_float_and_whole_number_type_scores_alike(kind: type, label_kind: type) -> None:
    logits_NC = np.array([[2, 1, 0], [0, 3, 1], [0.5, 0.25, 4], [1, 0, 0]], np.float64)
    labels_N = np.array([0, 1, 2, 2])
    same = score(logits_NC.astype(kind), labels_N.astype(label_kind))
    assert same == score(logits_NC, labels_N)


def test_many_classes_do_not_overflow_byte_labels() -> None:
    labels_N = np.arange(200, dtype=np.uint8)
    assert score(np.eye(200) * 50, labels_N).accuracy_frac == 1


def test_all_wrong_and_certain_is_as_bad_as_can_be() -> None:
    worst = score(np.array([[1000.0, 0.0], [0.0, 1000.0]]), np.array([1, 0]))
    assert (worst.accuracy_frac, worst.ece_frac, worst.brier, worst.nll) == (0, 1, 2, 1000)
    assert worst.macro_f1_frac == worst.weighted_precision_frac == 0


def test_bins_hold_what_lies_above_their_lower_and_up_to_their_upper_edge() -> None:
    confidence_N = np.array([0.0, 1 / 15, 1 / 15 + 1e-9, 0.5, 1.0])
    bins = calibration_bins(confidence_N, np.array([True, False, True, False, True]))
    np.testing.assert_array_equal(np.flatnonzero(bins[:, 0]), [0, 1, 7, 14])
    assert bins[0, 0] == 2
    assert bins[:, 2].sum() == 3
    assert bins[:, 1].sum() == pytest.approx(confidence_N.sum())


@pytest.mark.parametrize(
    ("logits", "labels", "told"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), "expected logits \\[N, C\\]"),
        (np.zeros(3), np.zeros(3, int), "expected logits \\[N, C\\]"),
        (np.zeros((3, 2)), np.zeros(2, int), "expected logits \\[N, C\\]"),
        (np.zeros((3, 2)), np.zeros((3, 1), int), "expected logits \\[N, C\\]"),
        (np.zeros((2, 3)), np.array([0, 3]), "expected labels in 0..2, got 0..3"),
        (np.zeros((2, 3)), np.array([-1, 2]), "expected labels in 0..2, got -1..2"),
        (np.array([[0, np.nan]]), np.array([0]), "expected finite logits"),
        (np.array([[0, np.inf]]), np.array([0]), "expected finite logits"),
    ],
)
def test_what_cannot_be_scored_is_refused(logits: NDArray, labels: NDArray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        score(logits, labels)
