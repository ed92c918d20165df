"""Differences between models: per class, per kind of mistake, per image.

Shape suffixes: S seeds, N images, C classes, K classes that occur.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.metrics import Floats, confusion
from neurovisionlab.core.protocol import Fraction, PositiveInt
from neurovisionlab.judge import stats
from neurovisionlab.judge.answers import Answers, check_comparable


class Confused(Frozen):
    """Images of class `truth` predicted as class `answer` (class numbers).

    `num_images` is a mean over seeds; `share_frac` is its share of the images of class `truth`.
    """

    truth: int
    answer: int
    num_images: float
    share_frac: Fraction


class ClassRecall(Frozen):
    """Recall of one class by one model, 0..1, with a 95 % interval (`stats.share_interval`)."""

    class_number: int
    recall_frac: Fraction
    low: Fraction
    high: Fraction
    num_images: PositiveInt


class Suspect(Frozen):
    """An image that every network of every model gets wrong: hard, or wrongly labelled.

    `index` is its position in the whole data set. `answer` is the most frequent prediction,
    `agreeing_frac` the share of networks with that prediction: the closer to 1, the more doubtful
    the label.
    """

    index: int
    label: int
    answer: int
    agreeing_frac: Fraction


class MistakeGap(Frozen):
    """A mistake, class `truth` predicted as `answer`, that `a` makes more often than `b`.

    `num_images` is the difference of the two means over seeds, above 0.
    """

    a: str
    b: str
    truth: int
    answer: int
    num_images: float


class Differences(Frozen):
    """Differences between the models of one data set.

    `alone` gives, for each model, the images that all its networks get right and no network of any
    other model does; indices are positions in the whole data set.
    """

    alone: dict[str, tuple[int, ...]]
    suspects: tuple[Suspect, ...]
    confused: dict[str, tuple[Confused, ...]]
    recalls: dict[str, tuple[ClassRecall, ...]]
    gaps: tuple[MistakeGap, ...] = ()


def mean_confusion(answers: Answers) -> Floats:
    """Return float64 [C, C] images by (true class, predicted class), a mean over seeds."""
    labels_N, num_classes = answers.labels_N, answers.num_classes
    counts = [confusion(row_N, labels_N, num_classes) for row_N in answers.predicted_SN]
    mean_CC: Floats = np.mean(counts, axis=0, dtype=np.float64)
    return mean_CC


def _among_seen(*answers: Answers) -> tuple[tuple[Answers, ...], NDArray[np.int64]]:
    """Return answers renumbered to the classes that occur, and these classes [K].

    Memory then depends on the number of classes that occur, not on the square of all classes.
    """
    given = [numbers for one in answers for numbers in (one.labels_N, one.predicted_SN.ravel())]
    classes_K = np.unique(np.concatenate(given))
    few = (
        replace(
            one,
            predicted_SN=np.searchsorted(classes_K, one.predicted_SN),
            labels_N=np.searchsorted(classes_K, one.labels_N),
            num_classes=len(classes_K),
        )
        for one in answers
    )
    return tuple(few), classes_K


def confusion_difference(a: Answers, b: Answers) -> Floats:
    """Return float64 [C, C]: confusion of a minus confusion of b, each a mean over seeds.

    Values above 0 off the diagonal are mistakes that a makes more often.

    Raises:
        DataError: the models were tested on different images.
    """
    check_comparable([a, b])
    return mean_confusion(a) - mean_confusion(b)


def mistake_gaps(a: Answers, b: Answers, count: int = 3) -> tuple[MistakeGap, ...]:
    """Return the mistakes in which two models differ most, at most `count`, largest first.

    Raises:
        DataError: the models were tested on different images.
    """
    check_comparable([a, b])
    (few_a, few_b), classes_K = _among_seen(a, b)
    more_KK = confusion_difference(few_a, few_b)
    np.fill_diagonal(more_KK, 0)
    order = np.argsort(-np.abs(more_KK), axis=None, kind="stable")[:count]
    found = []
    for place in order:
        size = float(more_KK.flat[place])
        truth, answer = (int(classes_K[one]) for one in divmod(int(place), len(classes_K)))
        if size:
            more, less = (a, b) if size > 0 else (b, a)
            found.append(
                MistakeGap(
                    a=more.model, b=less.model, truth=truth, answer=answer, num_images=abs(size)
                )
            )
    return tuple(found)


def most_confused(answers: Answers, count: int = 10) -> tuple[Confused, ...]:
    """Return the `count` most frequent mistakes (fewer if there are fewer), most frequent first."""
    (few,), classes_K = _among_seen(answers)
    counts_KK = mean_confusion(few)
    num_truth_K = counts_KK.sum(axis=1)
    mistakes_KK = counts_KK - np.diag(np.diag(counts_KK))
    # a stable sort keeps equal counts in the order of classes
    order = np.argsort(-mistakes_KK, axis=None, kind="stable")[:count]
    places = [divmod(int(place), len(classes_K)) for place in order]
    return tuple(
        Confused(
            truth=int(classes_K[truth]),
            answer=int(classes_K[answer]),
            num_images=float(mistakes_KK[truth, answer]),
            share_frac=float(mistakes_KK[truth, answer] / num_truth_K[truth]),
        )
        for truth, answer in places
        if mistakes_KK[truth, answer] > 0
    )


def class_recalls(answers: Answers) -> tuple[ClassRecall, ...]:
    """Return the recall of each class that has test images."""
    right_SN = answers.right()
    found = []
    for number in np.unique(answers.labels_N):
        of_class_SN = right_SN[:, answers.labels_N == number]
        low, high = stats.share_interval(of_class_SN)
        found.append(
            ClassRecall(
                class_number=int(number),
                recall_frac=float(of_class_SN.mean()),
                low=low,
                high=high,
                num_images=of_class_SN.shape[1],
            )
        )
    return tuple(found)


def right_alone(answers: Sequence[Answers]) -> dict[str, tuple[int, ...]]:
    """Return {model: images right by all its networks and by no network of another model}.

    Raises:
        DataError: the models were tested on different images.
    """
    check_comparable(answers)
    always = [one.right().all(axis=0) for one in answers]
    ever = [one.right().any(axis=0) for one in answers]
    num_ever_N = np.sum(ever, axis=0)
    return {
        one.model: tuple(one.indices_N[always_N & (num_ever_N == 1)].tolist())
        for one, always_N in zip(answers, always, strict=True)
    }


def suspects(answers: Sequence[Answers]) -> tuple[Suspect, ...]:
    """Return the images that no network gets right, highest agreement first.

    Raises:
        DataError: the models were tested on different images.
    """
    check_comparable(answers)
    first = answers[0]
    rows_RN = np.concatenate([one.predicted_SN for one in answers])
    found = []
    for place in np.flatnonzero((rows_RN != first.labels_N).all(axis=0)):
        counts_C = np.bincount(rows_RN[:, place], minlength=first.num_classes)
        found.append(
            Suspect(
                index=int(first.indices_N[place]),
                label=int(first.labels_N[place]),
                answer=int(counts_C.argmax()),
                agreeing_frac=float(counts_C.max() / len(rows_RN)),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.agreeing_frac, one.index)))


def differences(answers: Sequence[Answers], num_confused: int = 10) -> Differences:
    """Return the differences between models on one data set.

    Raises:
        DataError: the models were tested on different images.
    """
    return Differences(
        alone=right_alone(answers),
        suspects=suspects(answers),
        confused={one.model: most_confused(one, num_confused) for one in answers},
        recalls={one.model: class_recalls(one) for one in answers},
        gaps=tuple(gap for a, b in combinations(answers, 2) for gap in mistake_gaps(a, b)),
    )
