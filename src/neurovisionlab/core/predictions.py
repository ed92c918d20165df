"""The arrays of a cell: its division of a data set, and its answers, checked against its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.bounds import PartName
from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.records import TEST, VALIDATION, CellRecord


@dataclass(frozen=True)
class Predictions:
    """Logits and labels for one part of a data set: every score can be recomputed from them.

    Attributes:
        logits_NC: float32, finite.
        labels_N: int64, 0..C-1.
        indices_N: int64, positions within the whole loaded data set, training part first.
    """

    logits_NC: NDArray[np.float32]
    labels_N: NDArray[np.int64]
    indices_N: NDArray[np.int64]


PredictionsByPart = dict[PartName, Predictions]


def check_predictions(record: CellRecord, part: PartName, predictions: Predictions) -> None:
    """Make sure that stored arrays are what the record's cell predicted for a part.

    Expected are finite float32 logits [N, C], int64 labels [N] below C and distinct int64 indices
    [N] within the data set; N and C are the record's.

    Raises:
        DataError: they are not.
    """
    shape = record.num_images[part], record.cell.num_classes
    problem = _wrong_shape(predictions, shape)
    num_images = sum(record.cell.data.num_images.values())
    problem = problem or _wrong_numbers(predictions, num_images)
    if problem is not None:
        expected, got = problem
        what, remedy = f"{record.cell_id}, {part} predictions", "to run the cell again"
        raise DataError(mould(what, expected, got, remedy))


def check_answers(answers: Predictions, name: str, num_images: int) -> None:
    """Make sure that stored arrays can be answers about a set of so many images.

    Raises:
        DataError: they cannot.
    """
    problem = _wrong_numbers(answers, num_images)
    if problem is not None:
        expected, got = problem
        raise DataError(mould(f"{name}, its predictions", expected, got, "to ask again"))


def _wrong_shape(given: Predictions, shape: tuple[int, int]) -> tuple[str, str] | None:
    """Return what types and shapes were expected, and what they are; None if they are so."""
    num, num_classes = shape
    arrays = (given.logits_NC, given.labels_N, given.indices_N)
    shapes = (num, num_classes), (num,), (num,)
    names = ("float32", "int64", "int64")
    wanted, got = (
        ", ".join(f"{name} {list(shape)}" for name, shape in some)
        for some in (
            zip(names, shapes, strict=True),
            ((array.dtype.name, array.shape) for array in arrays),
        )
    )
    return None if got == wanted else (wanted, got)


def _wrong_numbers(given: Predictions, num_images: int) -> tuple[str, str] | None:
    """Return what was expected of the numbers, and what they are; None if nothing is wrong."""
    num, num_classes = given.logits_NC.shape
    if not np.isfinite(given.logits_NC).all():
        return "finite logits", "NaN or infinity"
    if _outside(given.labels_N, num_classes):
        return f"labels in 0..{num_classes - 1}", _range(given.labels_N)
    if _outside(given.indices_N, num_images):
        return f"images in 0..{num_images - 1}", _range(given.indices_N)
    if len(np.unique(given.indices_N)) < num:
        return "each image once", "some twice"
    return None


def _outside(numbers_N: NDArray[np.int64], end: int) -> bool:
    return bool(len(numbers_N)) and not 0 <= numbers_N.min() <= numbers_N.max() < end


def _range(numbers_N: NDArray[np.int64]) -> str:
    return f"{numbers_N.min()}..{numbers_N.max()}"


@dataclass(frozen=True)
class SplitIndices:
    """Which images of a loaded set train, and which each evaluation asks about, no image twice.

    Attributes:
        train_N: int64 indices.
        evaluated: {evaluation: int64 indices [N]}; those of `EVALUATED`.
    """

    train_N: NDArray[np.int64]
    evaluated: Mapping[PartName, NDArray[np.int64]]

    @classmethod
    def of(
        cls, train_N: NDArray[np.int64], val_N: NDArray[np.int64], test_N: NDArray[np.int64]
    ) -> SplitIndices:
        """Return the division into training, validation and test images."""
        return cls(train_N, {VALIDATION: val_N, TEST: test_N})

    @property
    def val_N(self) -> NDArray[np.int64]:  # noqa: N802 - a shape suffix
        """Indices of the images that choose."""
        return self.evaluated[VALIDATION]

    @property
    def test_N(self) -> NDArray[np.int64]:  # noqa: N802
        """Indices of the images that test."""
        return self.evaluated[TEST]

    @property
    def by_part(self) -> dict[PartName, NDArray[np.int64]]:
        """{"train", then each evaluation: indices}."""
        return {"train": self.train_N, **self.evaluated}


@dataclass(frozen=True)
class CellResult:
    """A record and its arrays, passed from the training process to the store."""

    record: CellRecord
    split: SplitIndices
    predictions: PredictionsByPart = field(default_factory=dict)
    weights: bytes | None = None  # a safetensors file
