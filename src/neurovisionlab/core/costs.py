"""What a model costs: size, time, memory, energy, each with its conditions."""

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
from neurovisionlab.core.spec import SCHEMA_VERSION, CellSpec, ThisVersion, slug
from neurovisionlab.core.statements import Note, Notes

CONTENTION_LIMIT = 0.05  # share of all cores; above it a time is an upper bound, not for ranking
SPREAD_LIMIT = 0.10  # between rounds of one measurement; above it the machine is too noisy

# settings of the protocol that cannot change what a step costs
_COSTS_NOTHING = frozenset(
    (
        "val_frac",
        "split_seed",
        "learning_rate",
        "schedule",
        "epochs",
        "label_smoothing",
        "unaugmented_frac",  # a step is measured with augmentation, the dearer one
        "keep_epoch",
        "mean",
        "std",
    )
)


class CostSpec(Identified):
    """What is measured: a model, the images it sees, and the settings that change its cost.

    Attributes:
        model: its name, as in a study.
        model_digest: what identifies the model beyond its name, as in `CellSpec`.
        image_px, channels, num_classes: shape of what goes in and comes out.
        source_px: side of the stored images; resizing them is part of a training step.
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
        """Readable name and the hash of everything that can change the cost."""
        content = self.identity(without={"protocol"})
        content["protocol"] = self.protocol.identity(without=_COSTS_NOTHING)
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:12]
        return f"{slug(self.model)}-{self.image_px}px-{digest}"


def cost_spec(cell: CellSpec) -> CostSpec:
    """Return what to measure for a cell; cells that differ in their seed share it."""
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
    """Conditions of one measurement, taken in a process of its own.

    Attributes:
        window_s: how long it took.
        contention_frac: share of all cores' time that other processes took meanwhile; null where
            the system does not tell.
        num_warm_up, num_repeats: calls before and within the measurement.
        num_processes: fresh processes whose median counts; one cannot see what differs between
            processes.
        spread_frac: what its repeats differ by: the interquartile range of rounds within a process,
            or the range between processes if that is more, ÷ the median; null for memory.
        memory_spread_mib: range of peak memory between processes, where it is too wide to trust
            the peak (`memory_differs`); else null.
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
        """Return whether others took so much that times would be shorter alone."""
        return self.contention_frac is not None and self.contention_frac > CONTENTION_LIMIT

    @property
    def is_noisy(self) -> bool:
        """Return whether the measurement's own rounds disagree."""
        return self.spread_frac is not None and self.spread_frac > SPREAD_LIMIT


CostPart = Literal["training", "inference memory", "speed"]
PARTS: tuple[CostPart, ...] = ("training", "inference memory", "speed")
TIMED: tuple[CostPart, ...] = ("training", "speed")  # memory does not mind company


class Request(Frozen):
    """One part to measure; `seconds` is about how long each of its timings takes."""

    spec: CostSpec
    part: CostPart
    seconds: float = 1.0


class Measurements(Frozen):
    """What one part measured: fields of `Costs` and of `Conditions`. Unset: not of this part."""

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
    throughput_by_batch: dict[Count, Measure] = Field(default_factory=dict)
    energy_j_per_image: Measure | None = None
    energy_note: Note | None = None
    memory_method: Words | None = None
    gpu_temperature_c: Magnitude | None = None
    gpu_clock_mhz: Measure | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """What this part measured, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class PartResult(Frozen):
    """What one part measured, and its conditions.

    `does_not_fit_mib` is the memory that did not suffice; null where it did. `machine` is null
    for a process that was killed.
    """

    measured: Measurements = Measurements()
    window: Window | None = None
    machine: Machine | None = None
    driver: str | None = None
    does_not_fit_mib: float | None = None


def memory_differs(spread_mib: float, middle_mib: float) -> bool:
    """Return whether peaks of several processes lie too far apart: over 4 MiB and over 3 %."""
    return spread_mib > max(4.0, 0.03 * middle_mib)


class Conditions(Frozen):
    """Under which conditions a model's costs were measured. Unknown is null.

    Attributes:
        machine: device, processor, threads, versions.
        driver: of the GPU.
        windows: {"training", "inference memory", "speed"}: each in a process of its own.
        training_batch: images a step in training memory and images/s.
        memory_method: how peak memory was read.
        gpu_temperature_c, gpu_clock_mhz: at the end of the speed measurement.
        warnings: what a reader must know before using a number.
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


class Costs(Frozen):
    """What one model costs on one machine. Null: not measured or not measurable, never 0.

    Attributes:
        weights_mib: file of fp32 weights and buffers.
        macs: multiply-accumulates of matrix products and convolutions for one image; 2 FLOPs each.
        train_images_per_s: median over rounds, batch preparation included.
        train_peak_mib: peak of training above the process's baseline; on a GPU what the
            allocator had handed out at most.
        train_reserved_mib, train_process_mib: on a GPU all that the allocator held, and by how
            much the driver's count of the process grew above the baseline.
        infer_peak_mib: the same for weights and one image at a time, nothing else alive.
        latency_*_ms: percentiles over single images.
        throughput_images_per_s: at the best batch, `best_batch`; `throughput_by_batch` has all.
        energy_j_per_image: at the best batch; `energy_note` says by which counter, or why not.
        does_not_fit: how much memory did not suffice.
    """

    schema_version: ThisVersion = SCHEMA_VERSION
    spec: CostSpec
    num_parameters: Amount | None
    weights_mib: Measure | None
    macs: Amount | None
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
    energy_note: Note
    does_not_fit: Note | None = None
    conditions: Conditions

    @property
    def is_for_ranking(self) -> bool:
        """Return whether its times may be held against another model's."""
        timed = [w for part, w in self.conditions.windows.items() if part in TIMED]
        return not any(window.is_contended or window.is_noisy for window in timed)


def seconds_to(
    rows: Sequence[EpochRow], accuracy_frac: float, epoch_s: float | None = None
) -> float | None:
    """Return training seconds until validation accuracy first reached a level; None: never.

    Args:
        rows: epochs in order.
        accuracy_frac: the level, 0..1.
        epoch_s: seconds of an epoch measured alone; without it the cell's own clocks are added
            up, which hold whatever else the machine did.
    """
    spent_s = 0.0
    for row in rows:
        spent_s += row.train_s if epoch_s is None else epoch_s
        if row.val_accuracy_frac >= accuracy_frac:
            return spent_s
    return None


def distinct(specs: Iterable[CostSpec]) -> tuple[CostSpec, ...]:
    """Return each cost once, in order."""
    return tuple({spec.cost_id: spec for spec in specs}.values())
