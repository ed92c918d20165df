"""What happened: frozen, JSON-able records. Units stand in the field names; unknown is null."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from neurovisionlab.core.errors import SpecError, mould
from neurovisionlab.core.metrics import Scores
from neurovisionlab.core.protocol import Frozen
from neurovisionlab.core.spec import SCHEMA_VERSION, CellSpec, ThisVersion


class Progress(Frozen):
    """A sign of life from inside an epoch; never stored."""

    epoch: int
    num_images: int
    num_images_total: int
    images_per_s: float


class EpochRow(Frozen):
    """One pass over the training images, then one look at the validation images.

    Training loss and accuracy are averages *during* the epoch, while the weights moved and with
    augmentation and dropout on; validation is measured after it. `train_s` excludes evaluation.
    A loss that is not finite is null.
    """

    epoch: int
    learning_rate: float
    train_loss: float | None
    train_accuracy_frac: float
    val_loss: float | None
    val_accuracy_frac: float
    train_s: float
    eval_s: float


class Machine(Frozen):
    """Where a cell ran. Unknown is null."""

    device: str
    cpu: str | None
    num_cores: int
    num_threads: int
    memory_mib: int
    os: str
    python: str
    versions: dict[str, str]
    load_1min: float | None = None
    tf32: bool | None = None  # null where the device has no such thing


class Clocks(Frozen):
    """Where the wall time of a cell went, in seconds; the parts exclude each other."""

    setup_s: float = 0.0
    staging_s: float = 0.0
    training_s: float = 0.0
    evaluation_s: float = 0.0
    saving_s: float = 0.0
    wall_s: float = 0.0


class ResourceUse(Frozen):
    """What a cell took. `train_time_s` is the training clock alone: no loading, no evaluation.

    `contention_frac` is the share of the machine's processors that other processes took while
    the cell ran: above 0.05 its times are upper bounds, and no ground for ranking.
    """

    num_parameters: int
    weights_mib: float
    train_time_s: float
    train_images_per_s: float | None
    clocks: Clocks
    contention_frac: float | None = None


MemoryFormat = Literal["channels_last", "contiguous"]


class Execution(Frozen):
    """How a model was computed in training: choices that change no more than last digits.

    Attributes:
        memory_format: order of an image's numbers in memory, by torch's names.
        compiled: whether torch compiled the model.
        tried_step_s: seconds of a step in each way that was tried before; empty where the
            training was too short for trials.
        compile_s: seconds that compiling took, on the setup clock, so no part of
            `train_time_s`; null where it was not tried, or not possible.
    """

    memory_format: MemoryFormat
    compiled: bool = False
    tried_step_s: dict[str, float] = Field(default_factory=dict)
    compile_s: float | None = None


class CellRecord(Frozen):
    """All that is kept of one cell beside its arrays.

    `diverged` cells have no scores: a loss that is not finite, or that left its starting level
    far behind, is an outcome of the protocol and no result. `tested_epoch` counts from 1.
    `weights_source` says whose pretrained weights the model began with, null for none;
    `execution` is null in records from before it was kept.
    """

    schema_version: ThisVersion = SCHEMA_VERSION
    cell_id: str
    cell: CellSpec
    status: Literal["done", "diverged"]
    epochs: tuple[EpochRow, ...]
    diverged_epoch: int | None = None
    tested_epoch: int | None = None
    split_id: str
    num_train: int
    num_val: int
    num_test: int
    val_scores: Scores | None = None
    test_scores: Scores | None = None
    resources: ResourceUse
    machine: Machine
    weights_source: str | None = None
    execution: Execution | None = None
    finished_at: str


def check_readable(record: CellRecord) -> None:
    """Refuse a record that could be written and never read again.

    Raises:
        SpecError: what is wrong with it, and in which field.
    """
    try:
        CellRecord.model_validate_json(record.model_dump_json())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(key) for key in first["loc"])
        got = f"{first['input']!r} ({first['msg']})"
        what, expected = f"{record.cell_id}, its record", f"a {field} that can be read again"
        raise SpecError(mould(what, expected, got, f"another {field}")) from None
    except ValueError as error:  # text that is no Unicode, numbers of thousands of digits
        got = str(error).splitlines()[0]
        expected = "a record that can be written"
        raise SpecError(mould(record.cell_id, expected, got, "other names or numbers")) from None


def best_on_validation(records: Iterable[CellRecord]) -> CellRecord | None:
    """Return the cell with the highest validation accuracy, the first of equals; None: no scores.

    The test images choose nothing: what is shown of one network, or kept of its weights, is this.
    """
    scored = {
        record.cell_id: (record.val_scores.accuracy_frac, record)
        for record in records
        if record.val_scores is not None
    }
    return max(scored.values(), key=lambda pair: pair[0])[1] if scored else None


@dataclass(frozen=True)
class Predictions:
    """Raw outputs for one part of a data set: every score can be recomputed from them.

    `indices_N` count within the whole loaded set, training part first.
    """

    logits_NC: NDArray[np.float32]
    labels_N: NDArray[np.int64]
    indices_N: NDArray[np.int64]


@dataclass(frozen=True)
class SplitIndices:
    """Which images of a loaded set train, choose and test: int64 indices, no image twice."""

    train_N: NDArray[np.int64]
    val_N: NDArray[np.int64]
    test_N: NDArray[np.int64]


@dataclass(frozen=True)
class CellResult:
    """A record and its arrays, as they travel from the process that trained to the store."""

    record: CellRecord
    split: SplitIndices
    predictions: dict[Literal["val", "test"], Predictions] = field(default_factory=dict)
    weights: bytes | None = None  # a safetensors file


class Failure(Frozen):
    """A cell that ended in an exception: written beside the results, never among them."""

    cell_id: str
    kind: str
    message: str
    traceback: str
    is_user_error: bool
    failed_at: str
