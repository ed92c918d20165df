"""Costs of a model: size, time, memory, energy, and the conditions of each measurement."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from neurovisionlab.core.bounds import (
    MOST_CLASSES,
    Amount,
    Measure,
    ModelName,
    Moment,
    Pixels,
    Words,
)
from neurovisionlab.core.frozen import Frozen, Identified
from neurovisionlab.core.protocol import Count, Fraction, Magnitude, Protocol
from neurovisionlab.core.records import EpochRow, Machine
from neurovisionlab.core.spec import FILE_VERSION, CellSpec, FileVersion, slug
from neurovisionlab.core.statements import Note, Notes

CONTENTION_LIMIT = 0.05  # share of all cores; above it, times are upper bounds and not ranked
SPREAD_LIMIT = 0.10  # relative spread of rounds; above it the machine is too noisy

# protocol settings that cannot change the cost of a step
_COSTS_NOTHING = frozenset(
    (
        "val_frac",
        "split_seed",
        "learning_rate",
        "schedule",
        "epochs",
        "label_smoothing",
        "unaugmented_frac",  # a step is measured with augmentation, the more expensive kind
        "keep_epoch",
        "mean",
        "std",
    )
)


class CostSpec(Identified):
    """What is measured: a model, the shape of its images, and the settings that affect its cost.

    Attributes:
        model: its name, as in a study.
        model_digest: identifies the model beyond its name, as in `CellSpec`.
        image_px, channels, num_classes: side and channels of the input, size of the output.
        source_px: side of the stored images in pixels; a training step includes resizing them.
        protocol: with image size and colour resolved.
    """

    model: ModelName
    model_digest: Words | None = None
    image_px: Pixels
    channels: Annotated[int, Field(ge=1, le=3)]
    num_classes: Annotated[int, Field(ge=1, le=MOST_CLASSES)]
    source_px: Pixels
    protocol: Protocol

    @property
    def cost_id(self) -> str:
        """Readable name plus a hash of everything that can change the cost."""
        content = self.identity(without={"protocol"})
        content["protocol"] = self.protocol.identity(without=_COSTS_NOTHING)
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:12]
        return f"{slug(self.model)}-{self.image_px}px-{digest}"


def cost_spec(cell: CellSpec) -> CostSpec:
    """Return the cost specification of a cell; cells that differ only in their seed share it."""
    return CostSpec(
        model=cell.model,
        model_digest=cell.model_digest,
        image_px=cell.image_px,
        channels=cell.channels,
        num_classes=cell.num_classes,
        source_px=cell.data.height_px,
        protocol=cell.protocol,
    )


class Window(Frozen):
    """Conditions of one measurement, taken in a separate process.

    Attributes:
        window_s: duration in seconds.
        contention_frac: share of all cores' time used by other processes meanwhile, 0..1; null
            where the system does not report it.
        num_warm_up, num_repeats: calls before and within the measurement.
        num_processes: number of fresh processes whose median counts; a single process cannot show
            variation between processes.
        spread_frac: interquartile range of the rounds within a process, or the range between
            processes if larger, ÷ the median; null for memory.
        memory_spread_mib: range of peak memory between processes, in MiB, where it is too wide to
            trust the peak (`memory_differs`); else null.
    """

    window_s: Measure
    contention_frac: Fraction | None
    num_warm_up: Amount
    num_repeats: Amount
    num_processes: Amount = 1
    spread_frac: Measure | None = None
    memory_spread_mib: Measure | None = None

    @property
    def is_contended(self) -> bool:
        """Return whether other processes used so much that times alone would be shorter."""
        return self.contention_frac is not None and self.contention_frac > CONTENTION_LIMIT

    @property
    def is_noisy(self) -> bool:
        """Return whether the rounds of the measurement disagree."""
        return self.spread_frac is not None and self.spread_frac > SPREAD_LIMIT


CostPart = Literal["training", "inference memory", "speed"]
PARTS: tuple[CostPart, ...] = ("training", "inference memory", "speed")
TIMED: tuple[CostPart, ...] = ("training", "speed")  # memory is not affected by other processes


class Request(Frozen):
    """One part to measure; `seconds` is the approximate duration of each of its timings."""

    spec: CostSpec
    part: CostPart
    seconds: float = 1.0


class ModelNumbers(Frozen):
    """What can be measured of a model. Null means not measured or not measurable, never 0.

    Attributes:
        weights_mib: size of the file of fp32 weights and buffers.
        macs: multiply-accumulates of matrix products and convolutions for one image; 2 FLOPs each.
        train_images_per_s: median over rounds, batch preparation included.
        train_peak_mib: peak of training above the process's baseline; on a GPU, peak memory
            allocated by the caching allocator.
        train_reserved_mib, train_process_mib: on a GPU, memory reserved by the allocator, and
            growth of the process's memory above the baseline as reported by the driver.
        infer_peak_mib: as `train_peak_mib`, for the weights and a batch of one image alone.
        latency_*_ms: percentiles over single images.
        throughput_images_per_s: at the best batch size, `best_batch`; `throughput_by_batch` has
            all.
        energy_j_per_image: at the best batch size.
    """

    num_parameters: Amount | None = None
    weights_mib: Measure | None = None
    macs: Amount | None = None
    train_images_per_s: Measure | None = None
    train_peak_mib: Magnitude | None = None
    train_reserved_mib: Magnitude | None = None
    train_process_mib: Magnitude | None = None
    infer_peak_mib: Magnitude | None = None
    latency_p50_ms: Measure | None = None
    latency_p95_ms: Measure | None = None
    latency_p99_ms: Measure | None = None
    throughput_images_per_s: Measure | None = None
    best_batch: Count | None = None
    throughput_by_batch: Annotated[dict[Count, Measure], Field(max_length=1000)] = Field(
        default_factory=dict
    )
    energy_j_per_image: Measure | None = None


class Measurements(ModelNumbers):
    """Results of one measured part, for `Costs` and `Conditions`. Unset: not of this part."""

    energy_note: Note | None = None
    memory_method: Words | None = None
    gpu_temperature_c: Magnitude | None = None
    gpu_clock_mhz: Measure | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The values that this part measured: {field: value}."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class PartResult(Frozen):
    """Measurements of one part, and their conditions.

    `does_not_fit_mib` is the memory, in MiB, that did not suffice; null if it sufficed. `machine`
    is null if the process was killed.
    """

    measured: Measurements = Measurements()
    window: Window | None = None
    machine: Machine | None = None
    driver: str | None = None
    does_not_fit_mib: float | None = None


def memory_differs(spread_mib: float, middle_mib: float) -> bool:
    """Return whether peaks of several processes differ by more than 4 MiB and more than 3 %."""
    return spread_mib > max(4.0, 0.03 * middle_mib)


class Conditions(Frozen):
    """Conditions under which a model's costs were measured. Unknown is null.

    Attributes:
        machine: device, processor, threads, versions.
        driver: version of the GPU driver.
        windows: {"training", "inference memory", "speed"}: each from a separate process.
        training_batch: images per training step, for training memory and images/s.
        memory_method: how peak memory was read.
        gpu_temperature_c, gpu_clock_mhz: at the end of the speed measurement.
        warnings: restrictions on the use of the numbers.
        measured_at: UTC, ISO 8601.
    """

    machine: Machine | None
    driver: Words | None = None
    windows: dict[CostPart, Window]
    training_batch: Count
    memory_method: Words
    gpu_temperature_c: Magnitude | None = None
    gpu_clock_mhz: Measure | None = None
    warnings: Notes = ()
    measured_at: Moment


class Costs(ModelNumbers):
    """Costs of one model on one machine.

    Attributes:
        energy_note: the counter of energy, or the reason for a missing value.
        does_not_fit: note on the amount of memory that did not suffice; null if it did.
    """

    schema_version: FileVersion = FILE_VERSION
    spec: CostSpec
    energy_note: Note
    does_not_fit: Note | None = None
    conditions: Conditions

    @property
    def is_for_ranking(self) -> bool:
        """Return whether the times are reliable enough to rank the model against others."""
        timed = [w for part, w in self.conditions.windows.items() if part in TIMED]
        return not any(window.is_contended or window.is_noisy for window in timed)


def seconds_to(
    rows: Sequence[EpochRow], accuracy_frac: float, epoch_s: float | None = None
) -> float | None:
    """Return the training seconds until validation accuracy first reached a level; None if never.

    Args:
        rows: epochs in order.
        accuracy_frac: the level, 0..1.
        epoch_s: seconds per epoch, measured alone; by default the cell's own clocks are summed,
            which include the effect of other load on the machine.
    """
    spent_s = 0.0
    for row in rows:
        spent_s += row.train_s if epoch_s is None else epoch_s
        if row.val_accuracy_frac >= accuracy_frac:
            return spent_s
    return None


def distinct(specs: Iterable[CostSpec]) -> tuple[CostSpec, ...]:
    """Return the specifications without repeated costs, in order."""
    return tuple({spec.cost_id: spec for spec in specs}.values())
