"""What each model of a run is worth and what it costs: one row per data set, model and variant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from neurovisionlab.core.costs import Costs, cost_spec, seconds_to
from neurovisionlab.core.records import CellRecord
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.lab.results import Results

Row = dict[str, Any]

# of the best model's final validation accuracy: the level whose time is told
TARGET_SHARE = 0.9

_COSTS = (
    "num_parameters",
    "weights_mib",
    "macs_m",
    "train_images_per_s",
    "train_peak_mib",
    "infer_peak_mib",
    "latency_p50_ms",
    "latency_p99_ms",
    "throughput_images_per_s",
    "energy_j_per_image",
)


def resource_rows(results: Results, target_frac: float | None = None) -> list[Row]:
    """Return a row per data set, model and variant: accuracy and costs; unknown is None.

    Args:
        results: of the run.
        target_frac: validation accuracy whose time is told; else 0.9 times the best model's.

    `train_s` is the seconds of all epochs at the speed measured alone; `seconds_to_target` those
    until validation accuracy reached `target_frac`, averaged over the seeds that reached it, and
    None if one did not.
    """
    records = {record.cell_id: record for record in results.records}
    groups: dict[tuple[str, str, str], list[CellSpec]] = {}
    for cell in results.cells:
        groups.setdefault((cell.data.name, cell.variant, cell.model), []).append(cell)
    rows = []
    for (dataset, variant, model), group in groups.items():
        done = [records[cell.cell_id] for cell in group if cell.cell_id in records]
        costs = results.costs(cost_spec(group[0]))
        row: Row = {"dataset": dataset, "variant": variant, "model": model}
        row["label"] = group[0].label
        row["num_cells"] = len(group)
        row["num_diverged"] = sum(record.status == "diverged" for record in done)
        rows.append(row | _accuracy(done) | _costs(costs, done) | {"records": done})
    by_set: dict[str, list[Row]] = {}
    for row in rows:
        by_set.setdefault(row["dataset"], []).append(row)
    for same_set in by_set.values():
        target = _target(same_set) if target_frac is None else target_frac
        for row in same_set:
            row["target_frac"] = target
    return [row | _times(row.pop("records"), row) for row in rows]


def _accuracy(records: Sequence[CellRecord]) -> Row:
    tested = [r.test_scores.accuracy_frac for r in records if r.test_scores is not None]
    valid = [r.val_scores.accuracy_frac for r in records if r.val_scores is not None]
    return {
        "accuracy_frac": fmean(tested) if tested else None,
        "val_accuracy_frac": fmean(valid) if valid else None,
    }


def _costs(costs: Costs | None, records: Sequence[CellRecord]) -> Row:
    row: Row = dict.fromkeys(_COSTS)
    row |= {"does_not_fit": None, "is_for_ranking": None, "energy_note": None}
    row["num_processes"] = None
    if costs is None:
        for record in records[:1]:  # its size is known from training it
            row["num_parameters"] = record.resources.num_parameters
            row["weights_mib"] = record.resources.weights_mib
        return row
    row |= costs.model_dump(include=set(row))
    row["macs_m"] = None if costs.macs is None else costs.macs / 1e6
    row["is_for_ranking"] = costs.is_for_ranking
    row["num_processes"] = min(
        (w.num_processes for w in costs.conditions.windows.values()), default=None
    )
    return row


def _target(rows: Iterable[Row]) -> float | None:
    known = [row["val_accuracy_frac"] for row in rows if row["val_accuracy_frac"] is not None]
    return TARGET_SHARE * max(known) if known else None


def _times(records: Sequence[CellRecord], row: Row) -> Row:
    speed = row["train_images_per_s"]
    records = [record for record in records if record.status == "done"]
    if not records or not speed:
        return {"train_s": None, "seconds_to_target": None}
    epoch_s = records[0].num_train / speed
    reached = [seconds_to(record.epochs, row["target_frac"] or 2.0, epoch_s) for record in records]
    known = [seconds for seconds in reached if seconds is not None]
    return {
        "train_s": fmean(epoch_s * len(record.epochs) for record in records),
        "seconds_to_target": fmean(known) if len(known) == len(reached) else None,
    }
