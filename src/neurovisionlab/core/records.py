"""Results as immutable, JSON-serialisable records. Field names carry units; unknown is null."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

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
    PartName,
    Pixels,
    Words,
)
from neurovisionlab.core.errors import SpecError, mould
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.metrics import Scores
from neurovisionlab.core.protocol import Fraction, Magnitude
from neurovisionlab.core.spec import FILE_VERSION, CellSpec, FileVersion, hash_of

# the evaluations that a cell brings along, by the parts of its data set: what chooses among epochs
# and settings, and what is looked at once, after all choices
VALIDATION, TEST = "val", "test"
EVALUATED = (VALIDATION, TEST)


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


class Preprocessing(Frozen):
    """From stored bytes [H, W, 1 or 3] to what a model sees [channels, image_px, image_px].

    In this order: colour to luma (ITU-R BT.601) where the model sees one channel, resizing
    (bilinear, antialiased) where the sides differ, (byte / 255 - mean) / std, one channel
    repeated where the model sees three.

    Attributes:
        image_px: side of the square, in pixels.
        channels: 1 or 3.
        mean, std: of the training images, or as the protocol says; one for each channel that the
            training images had, on the 0..1 scale; 0 and 1 where bytes are only divided by 255.
    """

    image_px: Pixels
    channels: Annotated[int, Field(ge=1, le=3)]
    mean: Annotated[tuple[Magnitude, ...], Field(min_length=1, max_length=16)]
    std: Annotated[tuple[Magnitude, ...], Field(min_length=1, max_length=16)]


# fields of records of 0.1, each of one evaluation: {field: (the table it is in now, its key)}
_FORMER = {
    "num_train": ("num_images", "train"),
    "num_val": ("num_images", VALIDATION),
    "num_test": ("num_images", TEST),
    "val_scores": ("scores", VALIDATION),
    "test_scores": ("scores", TEST),
}


class CellRecord(Frozen):
    """The stored result of one cell, apart from its arrays.

    `diverged` cells have no scores: a loss that is not finite, or that left its starting level
    far behind, is an outcome of the protocol and no result. `tested_epoch` counts from 1.

    Attributes:
        num_images: {"train": images trained on, evaluation: images it asked about}.
        scores: {evaluation: what came out}; those of `EVALUATED`, or none.
        weights_source: whose pretrained weights the model began with; null for none.
        execution, preprocessing: null in records from before they were kept.
    """

    schema_version: FileVersion = FILE_VERSION
    cell_id: FileName
    cell: CellSpec
    status: Literal["done", "diverged"]
    epochs: Annotated[tuple[EpochRow, ...], Field(min_length=1, max_length=1_000_000)]
    diverged_epoch: Epoch | None = None
    tested_epoch: Epoch | None = None
    split_id: Hex
    num_images: dict[PartName, Amount]
    scores: dict[PartName, Scores] = Field(default_factory=dict)
    resources: ResourceUse
    machine: Machine
    weights_source: Words | None = None
    execution: Execution | None = None
    preprocessing: Preprocessing | None = None
    finished_at: Moment

    @model_validator(mode="before")
    @classmethod
    def _take_former_fields(cls, content: object) -> object:
        """Read what 0.1 wrote, which had a field for each evaluation."""
        if not isinstance(content, dict) or not content.keys() & _FORMER.keys():
            return content
        fields = {name: value for name, value in content.items() if name not in _FORMER}
        for name, (table, key) in _FORMER.items():
            if content.get(name) is not None:
                known = fields.get(table, {})
                if not isinstance(known, dict):  # neither form: refused as such
                    return content
                fields[table] = known | {key: content[name]}
        return fields

    @property
    def num_train(self) -> int:
        """How many images trained the model."""
        return self.num_images["train"]

    @property
    def num_val(self) -> int:
        """How many images chose among its epochs."""
        return self.num_images[VALIDATION]

    @property
    def num_test(self) -> int:
        """How many images tested it."""
        return self.num_images[TEST]

    @property
    def val_scores(self) -> Scores | None:
        """Its scores on validation; None where it diverged."""
        return self.scores.get(VALIDATION)

    @property
    def test_scores(self) -> Scores | None:
        """Its scores on test; None where it diverged."""
        return self.scores.get(TEST)

    @model_validator(mode="after")
    def _is_of_its_cell(self) -> CellRecord:
        """Refuse a record with the id of another cell; only the data set's name may differ."""
        own = self.cell.cell_id
        if hash_of(self.cell_id) != hash_of(own):
            raise ValueError(f"cell_id: expected {own}, got {self.cell_id}; try the cell's own")
        return self

    @model_validator(mode="after")
    def _preprocessing_is_of_its_cell(self) -> CellRecord:
        if self.preprocessing is None:
            return self
        wanted = self.cell.image_px, self.cell.channels
        got = self.preprocessing.image_px, self.preprocessing.channels
        lengths = {len(self.preprocessing.mean), len(self.preprocessing.std)}
        if got != wanted or lengths not in ({1}, {3}):
            expected = f"images of {wanted[0]} px, {wanted[1]} channels, 1 or 3 constants"
            said = f"{got[0]} px, {got[1]} channels, {sorted(lengths)} constants"
            raise ValueError(f"preprocessing: expected {expected}, got {said}; try its cell's own")
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
        if not {"train", *EVALUATED} <= self.num_images.keys():
            got = ", ".join(sorted(self.num_images)) or "none"
            raise ValueError(f"num_images: expected train, val and test, got {got}; try all three")
        for evaluation, scores in self.scores.items():
            wanted = self.num_images[evaluation], self.cell.num_classes
            counts = scores.num_images, len(scores.per_class)
            if counts != wanted:
                said = "{} images, {} classes"
                expected = f"scores.{evaluation}: expected scores of {said.format(*wanted)}"
                raise ValueError(f"{expected}, got {said.format(*counts)}; try its own")
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


class Failure(Frozen):
    """A cell that ended in an exception: stored beside the results, never among them."""

    cell_id: FileName
    kind: FailureText
    message: FailureText
    traceback: FailureText
    is_user_error: bool
    failed_at: Moment
