"""Results as immutable, JSON-serialisable records. Field names carry units; unknown is null."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from neurovisionlab.core.bounds import (
    Amount,
    Epoch,
    FailureText,
    FileName,
    Hex,
    Loss,
    Measure,
    Moment,
    Words,
)
from neurovisionlab.core.errors import DataError, SpecError, mould
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.metrics import Scores
from neurovisionlab.core.protocol import Fraction, Magnitude
from neurovisionlab.core.spec import SCHEMA_VERSION, CellSpec, ThisVersion, hash_of

# the parts with stored predictions
Part = Literal["val", "test"]


class Progress(Frozen):
    """Progress within an epoch; never stored."""

    epoch: int
    num_images: int
    num_images_total: int
    images_per_s: float


class EpochRow(Frozen):
    """One pass over the training images, followed by one evaluation on the validation images.

    Training loss and accuracy are averages *during* the epoch, while the weights change and with
    augmentation and dropout on; validation is measured after it. `train_s` excludes evaluation. A
    loss that is not finite is null.
    """

    epoch: Epoch
    learning_rate: Magnitude
    train_loss: Loss | None
    train_accuracy_frac: Fraction
    val_loss: Loss | None
    val_accuracy_frac: Fraction
    train_s: Measure
    eval_s: Measure


class Machine(Frozen):
    """The machine on which a cell ran. Unknown is null."""

    device: Words
    cpu: Words | None
    num_cores: Amount
    num_threads: Amount
    memory_mib: Amount
    os: Words
    python: Words
    versions: Annotated[dict[Words, Words], Field(max_length=1000)]
    load_1min: Measure | None = None
    tf32: bool | None = None  # null where the device has no TF32


class Clocks(Frozen):
    """Wall time of a cell by phase, in seconds; the phases do not overlap."""

    setup_s: Measure = 0.0
    staging_s: Measure = 0.0
    training_s: Measure = 0.0
    evaluation_s: Measure = 0.0
    saving_s: Measure = 0.0
    wall_s: Measure = 0.0


class ResourceUse(Frozen):
    """Resources used by a cell. `train_time_s` is training alone: no loading, no evaluation.

    `contention_frac` is the share of the machine's processors used by other processes during the
    cell, 0..1: above 0.05 its times are upper bounds and unsuitable for ranking.
    """

    num_parameters: Amount
    weights_mib: Measure
    train_time_s: Measure
    train_images_per_s: Measure | None
    clocks: Clocks
    contention_frac: Fraction | None = None


MemoryFormat = Literal["channels_last", "contiguous"]


class Execution(Frozen):
    """How a model was executed in training: choices that change only the last digits of results.

    Attributes:
        memory_format: memory layout of the images, by torch's names.
        compiled: whether the model ran under `torch.compile`.
        tried_step_s: {way: seconds per step} for each way of execution that was tried; empty if
            training was too short for trials.
        compile_s: seconds of compilation, part of the setup clock and not of `train_time_s`; null
            if compilation was not tried or not possible.
    """

    memory_format: MemoryFormat
    compiled: bool = False
    tried_step_s: Annotated[dict[Words, Measure], Field(max_length=100)] = Field(
        default_factory=dict
    )
    compile_s: Measure | None = None


class CellRecord(Frozen):
    """The stored result of one cell, apart from its arrays.

    `diverged` cells have no scores: a loss that is not finite, or far above that of guessing, is an
    outcome of the protocol and not a result. `tested_epoch` counts from 1. `weights_source` is the
    origin of the pretrained weights, null without any; `execution` is null in records older than
    the field.
    """

    schema_version: ThisVersion = SCHEMA_VERSION
    cell_id: FileName
    cell: CellSpec
    status: Literal["done", "diverged"]
    epochs: Annotated[tuple[EpochRow, ...], Field(min_length=1, max_length=1_000_000)]
    diverged_epoch: Epoch | None = None
    tested_epoch: Epoch | None = None
    split_id: Hex
    num_train: Amount
    num_val: Amount
    num_test: Amount
    val_scores: Scores | None = None
    test_scores: Scores | None = None
    resources: ResourceUse
    machine: Machine
    weights_source: Words | None = None
    execution: Execution | None = None
    finished_at: Moment

    @model_validator(mode="after")
    def _is_of_its_cell(self) -> CellRecord:
        """Refuse a record with the id of another cell; only the data set's name may differ."""
        own = self.cell.cell_id
        if hash_of(self.cell_id) != hash_of(own):
            raise ValueError(f"cell_id: expected {own}, got {self.cell_id}; try the cell's own")
        return self

    @model_validator(mode="after")
    def _epochs_are_counted(self) -> CellRecord:
        numbers = [row.epoch for row in self.epochs]
        most = self.cell.protocol.epochs
        if numbers != list(range(1, len(numbers) + 1)) or len(numbers) > most:
            got = f"{len(numbers)}, from {numbers[0]} to {numbers[-1]}"
            raise ValueError(f"epochs: expected 1 to {most} at most, got {got}; try each once")
        for name in ("diverged_epoch", "tested_epoch"):
            if (getattr(self, name) or 1) > len(numbers):
                got = f"{getattr(self, name)} of {len(numbers)}"
                raise ValueError(f"{name}: expected one of the epochs, got {got}; try the last")
        return self

    @model_validator(mode="after")
    def _scores_are_of_its_images(self) -> CellRecord:
        for part, scores in (("val", self.val_scores), ("test", self.test_scores)):
            if scores is None:
                continue
            wanted = getattr(self, f"num_{part}"), self.cell.num_classes
            got = scores.num_images, len(scores.per_class)
            if got != wanted:
                said = "{} images, {} classes"
                expected = f"expected scores of {said.format(*wanted)}"
                raise ValueError(f"{part}_scores: {expected}, got {said.format(*got)}; try its own")
        return self


def check_readable(record: CellRecord) -> None:
    """Refuse a record that could be written but not read back.

    Raises:
        SpecError: names the problem and its field.
    """
    try:
        CellRecord.model_validate_json(record.model_dump_json())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(key) for key in first["loc"])
        got = f"{first['input']!r} ({first['msg']})"
        what, expected = f"{record.cell_id}, its record", f"a {field} that can be read again"
        raise SpecError(mould(what, expected, got, f"another {field}")) from None
    except ValueError as error:  # text that is not valid Unicode, integers of thousands of digits
        got = str(error).splitlines()[0]
        expected = "a record that can be written"
        raise SpecError(mould(record.cell_id, expected, got, "other names or numbers")) from None


def best_on_validation(records: Iterable[CellRecord]) -> CellRecord | None:
    """Return the cell with the highest validation accuracy, the first of equals; None if unscored.

    Test images play no part in the choice. Used wherever a single network is shown or its weights
    are kept.
    """
    scored = {
        record.cell_id: (record.val_scores.accuracy_frac, record)
        for record in records
        if record.val_scores is not None
    }
    return max(scored.values(), key=lambda pair: pair[0])[1] if scored else None


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


PredictionsByPart = dict[Part, Predictions]


def check_predictions(record: CellRecord, part: Part, predictions: Predictions) -> None:
    """Check that stored arrays are what the record's cell predicted for a part.

    Expected are finite float32 logits [N, C], int64 labels [N] below C and distinct int64 indices
    [N] within the data set; N and C are the record's.

    Raises:
        DataError: they are not.
    """
    problem = _problem_of(record, part, predictions)
    if problem is not None:
        expected, got = problem
        what, remedy = f"{record.cell_id}, {part} predictions", "to run the cell again"
        raise DataError(mould(what, expected, got, remedy))


def _problem_of(record: CellRecord, part: Part, given: Predictions) -> tuple[str, str] | None:
    """Return the expected and actual form of predictions that are wrong; None if they are right."""
    num, num_classes = getattr(record, f"num_{part}"), record.cell.num_classes
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
    if got != wanted:
        return wanted, got
    if not np.isfinite(given.logits_NC).all():
        return "finite logits", "NaN or infinity"
    if _outside(given.labels_N, num_classes):
        return f"labels in 0..{num_classes - 1}", _range(given.labels_N)
    num_images = sum(record.cell.data.num_images.values())
    if _outside(given.indices_N, num_images):
        return f"images in 0..{num_images - 1}", _range(given.indices_N)
    if num and np.bincount(given.indices_N).max() > 1:
        return "each image once", "some twice"
    return None


def _outside(numbers_N: NDArray[np.int64], end: int) -> bool:
    return bool(len(numbers_N)) and not 0 <= numbers_N.min() <= numbers_N.max() < end


def _range(numbers_N: NDArray[np.int64]) -> str:
    return f"{numbers_N.min()}..{numbers_N.max()}"


@dataclass(frozen=True)
class SplitIndices:
    """Indices of training, validation and test images: int64, disjoint, within the loaded set."""

    train_N: NDArray[np.int64]
    val_N: NDArray[np.int64]
    test_N: NDArray[np.int64]


@dataclass(frozen=True)
class CellResult:
    """A record and its arrays, passed from the training process to the store."""

    record: CellRecord
    split: SplitIndices
    predictions: dict[Part, Predictions] = field(default_factory=dict)
    weights: bytes | None = None  # in the safetensors format


class Failure(Frozen):
    """A cell that ended in an exception: stored beside the results, never among them."""

    cell_id: FileName
    kind: FailureText
    message: FailureText
    traceback: FailureText
    is_user_error: bool
    failed_at: Moment
