"""Costs of models as tables and lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from neurovisionlab.core.costs import Costs
from neurovisionlab.lab.cost_rows import CostRow, cost_rows
from neurovisionlab.lab.results import Results
from neurovisionlab.out.said import json_of, note_text
from neurovisionlab.out.speech import Sentence, number
from neurovisionlab.out.tables import MODEL, Table

_NOT_SHOWN = frozenset(("spec", "schema_version"))


class Axis(NamedTuple):
    """A cost: its field, title, and number of decimals in a table; whether it depends on time."""

    field: str
    title: Sentence
    digits: int
    is_timed: bool


AXES = (
    Axis("num_parameters", Sentence("parameters"), 0, False),
    Axis("weights_mib", Sentence("size MiB"), 1, False),
    Axis("macs_m", Sentence("M MACs"), 1, False),
    Axis("train_images_per_s", Sentence("train images/s"), 0, True),
    Axis("train_peak_mib", Sentence("train MiB"), 0, False),
    Axis("infer_peak_mib", Sentence("infer MiB"), 0, False),
    Axis("latency_p50_ms", Sentence("p50 ms"), 2, True),
    Axis("latency_p99_ms", Sentence("p99 ms"), 2, True),
    Axis("throughput_images_per_s", Sentence("images/s"), 0, True),
    Axis("energy_j_per_image", Sentence("J/image"), 4, True),
)


def cost_tables(results: Results, target_frac: float | None = None) -> list[Table]:
    """Return a table of costs for each data set of a run with measured costs.

    `target_frac` is the validation accuracy, 0..1, for training seconds: see `cost_rows`.
    """
    rows = cost_rows(results, target_frac)
    by_set: dict[str, list[CostRow]] = {}
    for row in rows:
        by_set.setdefault(row.dataset, []).append(row)
    return [table for some in by_set.values() if (table := cost_table(some)) is not None]


def cost_table(rows: Sequence[CostRow]) -> Table | None:
    """Return one data set's costs as a table to print; None if nothing was measured."""
    if all(row.energy_note is None for row in rows):  # every measurement has this note
        return None
    target = rows[0].target_frac
    shown = [axis for axis in AXES if any(row.cost(axis.field) is not None for row in rows)]
    until = str(TO_TARGET) if target is None else TO_LEVEL.format(level=100 * target)
    body = tuple((row.label, *(_text(row, axis) for axis in shown), _reached(row)) for row in rows)
    return Table(
        title=COSTS.format(dataset=rows[0].dataset),
        columns=(str(MODEL), *(str(axis.title) for axis in shown), until),
        rows=body,
        notes=tuple(_notes(rows)),
    )


COSTS = Sentence("{dataset}: costs")
TO_TARGET, TO_LEVEL = Sentence("s to target"), Sentence("s to {level:.0f} %")
DOES_NOT_FIT, NOT_REACHED = Sentence("does not fit"), Sentence("not reached")
ALONE = Sentence(
    "measured alone, each part in a process of its own, on random images of this shape; "
    "one MAC is two FLOPs"
)
LEGEND = Sentence(
    "size: fp32 weights; train, infer MiB: peak memory above the process's baseline; p50, p99: "
    "latency of one image; images/s: at the best batch; s to …: training seconds until that "
    "validation accuracy (0.9 times the best model's unless you named one)"
)
WHY_NO_FIT = Sentence("{model} does not fit: {why}")
ONE_PROCESS = Sentence(
    "one process for each part: another may differ by a fifth; nvl measure takes three"
)
DISTURBED = Sentence(
    "* {models}: measured beside other processes or on a noisy machine: slower than alone, not "
    "ranked; try nvl measure when the machine is idle"
)
ENERGY = Sentence("energy: {note}")


def costs_json(costs: Costs) -> dict[str, object]:
    """Return one model's costs as JSON-compatible values, notes in the current language."""
    spec = costs.spec
    shape = spec.model_dump(include={"image_px", "channels", "num_classes"})
    kept = json_of(costs)
    return {"model": spec.model} | shape | {k: kept[k] for k in kept if k not in _NOT_SHOWN}


def costs_lines(costs: Costs) -> list[str]:
    """Return one model's costs as lines to print."""
    spec = costs.spec
    image = f"{spec.image_px}×{spec.image_px}×{spec.channels}, {spec.num_classes} classes"
    note = note_text(costs.energy_note)
    batch = costs.conditions.training_batch
    rows = [
        ("size", f"{_n(costs.num_parameters)} parameters, {_n(costs.weights_mib, 1)} MiB"),
        ("arithmetic", f"{_n(None if costs.macs is None else costs.macs / 1e6, 1)} million MACs"),
        ("training", f"{_n(costs.train_images_per_s)} images/s at batch {batch}"),
        (
            "memory",
            f"training {_n(costs.train_peak_mib)} MiB, inference "
            f"{_n(costs.infer_peak_mib)} MiB above the baseline",
        ),
        (
            "latency",
            f"p50 {_n(costs.latency_p50_ms, 2)} ms, p95 {_n(costs.latency_p95_ms, 2)} ms, "
            f"p99 {_n(costs.latency_p99_ms, 2)} ms for one image",
        ),
        (
            "throughput",
            f"{_n(costs.throughput_images_per_s)} images/s at batch {_n(costs.best_batch)}",
        ),
        (
            "energy",
            note
            if costs.energy_j_per_image is None
            else f"{costs.energy_j_per_image:.4g} J an image ({note})",
        ),
    ]
    head = f"{spec.model} · {image}"
    if costs.does_not_fit:
        head += f" · does not fit: {note_text(costs.does_not_fit)}"
    text = [head, *(f"  {name:11} {value}" for name, value in rows)]
    return text + [f"  warning: {note_text(warning)}" for warning in costs.conditions.warnings]


def _n(value: float | None, digits: int = 0) -> str:
    return "unknown" if value is None else f"{value:,.{digits}f}"


def _text(row: CostRow, axis: Axis) -> str:
    value = row.cost(axis.field)
    if value is None:
        return str(DOES_NOT_FIT) if row.does_not_fit else "–"
    mark = "*" if axis.is_timed and not row.is_for_ranking else ""
    return number(value, f",.{axis.digits}f") + mark


def _reached(row: CostRow) -> str:
    if row.seconds_to_target is not None:
        mark = "" if row.is_for_ranking else "*"
        return number(row.seconds_to_target, ",.1f") + mark
    return "–" if row.train_s is None else str(NOT_REACHED)


def _notes(rows: Sequence[CostRow]) -> Iterable[str]:
    yield str(ALONE)
    yield str(LEGEND)
    for row in rows:
        if row.does_not_fit:
            yield WHY_NO_FIT.format(model=row.label, why=note_text(row.does_not_fit))
    if any(row.num_processes == 1 for row in rows):
        yield str(ONE_PROCESS)
    disturbed = [row.label for row in rows if row.is_for_ranking is False]
    if disturbed:
        yield DISTURBED.format(models=", ".join(disturbed))
    notes = dict.fromkeys(row.energy_note for row in rows if row.energy_note)
    yield from (ENERGY.format(note=note_text(note)) for note in notes)
