"""What models cost, as a table for each data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from neurovisionlab.lab.resources import resource_rows
from neurovisionlab.lab.store import Store
from neurovisionlab.out.tables import Row, Table


class Axis(NamedTuple):
    """A cost: its field, what it is called, and its digits in a table."""

    field: str
    title: str
    digits: int
    is_timed: bool


AXES = (
    Axis("num_parameters", "parameters", 0, False),
    Axis("weights_mib", "size MiB", 1, False),
    Axis("macs_m", "M MACs", 1, False),
    Axis("train_images_per_s", "train images/s", 0, True),
    Axis("train_peak_mib", "train MiB", 0, False),
    Axis("infer_peak_mib", "infer MiB", 0, False),
    Axis("latency_p50_ms", "p50 ms", 2, True),
    Axis("latency_p99_ms", "p99 ms", 2, True),
    Axis("throughput_images_per_s", "images/s", 0, True),
    Axis("energy_j_per_image", "J/image", 4, True),
)


def resource_tables(store: Store, target_frac: float | None = None) -> list[Table]:
    """Return a table of costs for each data set of a run that has any.

    `target_frac` is the validation accuracy whose time is told, see `resource_rows`.
    """
    rows = resource_rows(store, store.plan().cells(), target_frac)
    by_set = [[r for r in rows if r["dataset"] == name] for name in _datasets(rows)]
    return [table for some in by_set if (table := resource_table(some)) is not None]


def _datasets(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row["dataset"] for row in rows))


def resource_table(rows: Sequence[Row]) -> Table | None:
    """Return one data set's costs as people read them; None where nothing was measured."""
    if all(row["energy_note"] is None for row in rows):  # told of all that was measured
        return None
    target = rows[0]["target_frac"]
    level = "target" if target is None else f"{100 * target:.0f} %"
    shown = [axis for axis in AXES if any(row[axis.field] is not None for row in rows)]
    columns = ("model", *(axis.title for axis in shown), f"s to {level}")
    body = tuple(
        (row["label"], *(_text(row, axis) for axis in shown), _reached(row)) for row in rows
    )
    return Table(
        title=f"{rows[0]['dataset']}: costs", columns=columns, rows=body, notes=tuple(_notes(rows))
    )


def _text(row: Row, axis: Axis) -> str:
    value = row[axis.field]
    if value is None:
        return "does not fit" if row["does_not_fit"] else "–"
    mark = "*" if axis.is_timed and not row["is_for_ranking"] else ""
    return f"{value:,.{axis.digits}f}{mark}"


def _reached(row: Row) -> str:
    if row["seconds_to_target"] is not None:
        mark = "" if row["is_for_ranking"] else "*"
        return f"{row['seconds_to_target']:,.1f}{mark}"
    return "–" if row["train_s"] is None else "not reached"


def _notes(rows: Sequence[Row]) -> Iterable[str]:
    yield (
        "measured alone, each part in a process of its own, on random images of this shape; "
        "one MAC is two FLOPs"
    )
    yield (
        "size: fp32 weights; train, infer MiB: peak memory above the process's baseline; p50, p99: "
        "latency of one image; images/s: at the best batch; s to …: training seconds until that "
        "validation accuracy (0.9 times the best model's unless you named one)"
    )
    for row in rows:
        if row["does_not_fit"]:
            yield f"{row['label']} does not fit: {row['does_not_fit']}"
    if any(row["num_processes"] == 1 for row in rows):
        yield "one process for each part: another may differ by a fifth; nvl measure takes three"
    disturbed = [row["label"] for row in rows if row["is_for_ranking"] is False]
    if disturbed:
        yield (
            f"* {', '.join(disturbed)}: measured beside other processes or on a noisy machine: "
            "slower than alone, not ranked; try nvl measure when the machine is idle"
        )
    notes = dict.fromkeys(row["energy_note"] for row in rows if row["energy_note"])
    yield from (f"energy: {note}" for note in notes)
