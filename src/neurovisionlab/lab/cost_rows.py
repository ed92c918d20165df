"""Quality and costs of each model of a run: one row per data set, model and variant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from neurovisionlab.core.costs import Costs, cost_spec, seconds_to
from neurovisionlab.core.records import CellRecord
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.core.statements import Note
from neurovisionlab.lab.results import Results

# share of the best model's final validation accuracy that `seconds_to_target` refers to
TARGET_SHARE = 0.9

_MEASURED = (
    "num_parameters",
    "weights_mib",
    "train_images_per_s",
    "train_peak_mib",
    "infer_peak_mib",
    "latency_p50_ms",
    "latency_p99_ms",
    "throughput_images_per_s",
    "energy_j_per_image",
    "does_not_fit",
    "energy_note",
)


@dataclass(frozen=True)
class CostRow:
    """Accuracy and costs of a model on one data set under one variant; unknown is None.

    Attributes:
        label: the model's name with its variant.
        num_cells: number of the study's cells for this row.
        num_diverged: number of finished cells that diverged.
        macs_m: multiply-accumulates for one image, in millions.
        is_for_ranking: whether the times were measured without disturbance
            (`Costs.is_for_ranking`).
        num_processes: smallest number of processes behind a measured part.
        target_frac: validation accuracy, 0..1, of `seconds_to_target`.
        train_s: seconds of all epochs at the training speed measured alone.
        seconds_to_target: seconds until validation accuracy reached `target_frac`, averaged over
            seeds; None if a seed did not reach it.
    """

    dataset: str
    variant: str
    model: str
    label: str
    num_cells: int
    num_diverged: int
    accuracy_frac: float | None = None
    val_accuracy_frac: float | None = None
    num_parameters: int | None = None
    weights_mib: float | None = None
    macs_m: float | None = None
    train_images_per_s: float | None = None
    train_peak_mib: float | None = None
    infer_peak_mib: float | None = None
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    throughput_images_per_s: float | None = None
    energy_j_per_image: float | None = None
    does_not_fit: Note | None = None
    is_for_ranking: bool | None = None
    energy_note: Note | None = None
    num_processes: int | None = None
    target_frac: float | None = None
    train_s: float | None = None
    seconds_to_target: float | None = None

    def cost(self, field: str) -> float | None:
        """Return the cost in a field of this name."""
        value: float | None = getattr(self, field)
        return value


def cost_rows(results: Results, target_frac: float | None = None) -> list[CostRow]:
    """Return a row per data set, model and variant.

    Args:
        results: results of the run.
        target_frac: validation accuracy for `seconds_to_target`, 0..1; by default 0.9 times the
            best model's.
    """
    records = {record.cell_id: record for record in results.records}
    groups: dict[tuple[str, str, str], list[CellSpec]] = {}
    for cell in results.cells:
        groups.setdefault((cell.data.name, cell.variant, cell.model), []).append(cell)
    rows: list[tuple[CostRow, list[CellRecord]]] = []
    for group in groups.values():
        done = [records[cell.cell_id] for cell in group if cell.cell_id in records]
        rows.append((_row(group, done, results.costs(cost_spec(group[0]))), done))
    by_set: dict[str, list[CostRow]] = {}
    for row, _ in rows:
        by_set.setdefault(row.dataset, []).append(row)
    targets = {
        name: _target(same_set) if target_frac is None else target_frac
        for name, same_set in by_set.items()
    }
    return [_with_times(row, done, targets[row.dataset]) for row, done in rows]


def _row(group: Sequence[CellSpec], records: Sequence[CellRecord], costs: Costs | None) -> CostRow:
    """Return a model's row without times; `records` are those of its finished cells."""
    tested = [r.test_scores.accuracy_frac for r in records if r.test_scores is not None]
    valid = [r.val_scores.accuracy_frac for r in records if r.val_scores is not None]
    first = group[0]
    row = CostRow(
        dataset=first.data.name,
        variant=first.variant,
        model=first.model,
        label=first.label,
        num_cells=len(group),
        num_diverged=sum(record.status == "diverged" for record in records),
        accuracy_frac=fmean(tested) if tested else None,
        val_accuracy_frac=fmean(valid) if valid else None,
    )
    return _with_costs(row, costs, records)


def _with_costs(row: CostRow, costs: Costs | None, records: Sequence[CellRecord]) -> CostRow:
    if costs is None:
        for record in records[:1]:  # its size is known from training
            used = record.resources
            return replace(row, num_parameters=used.num_parameters, weights_mib=used.weights_mib)
        return row
    return replace(
        row,
        **{name: getattr(costs, name) for name in _MEASURED},
        macs_m=None if costs.macs is None else costs.macs / 1e6,
        is_for_ranking=costs.is_for_ranking,
        num_processes=min(
            (w.num_processes for w in costs.conditions.windows.values()), default=None
        ),
    )


def _target(rows: Iterable[CostRow]) -> float | None:
    known = [row.val_accuracy_frac for row in rows if row.val_accuracy_frac is not None]
    return TARGET_SHARE * max(known) if known else None


def _with_times(row: CostRow, records: Sequence[CellRecord], target_frac: float | None) -> CostRow:
    row, speed = replace(row, target_frac=target_frac), row.train_images_per_s
    records = [record for record in records if record.status == "done"]
    if not records or not speed:
        return row
    epoch_s = records[0].num_train / speed
    reached = [seconds_to(record.epochs, target_frac or 2.0, epoch_s) for record in records]
    known = [seconds for seconds in reached if seconds is not None]
    return replace(
        row,
        train_s=fmean(epoch_s * len(record.epochs) for record in records),
        seconds_to_target=fmean(known) if len(known) == len(reached) else None,
    )
