"""Accuracy by epoch over seeds, with the onset of overfitting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

import altair as alt

from neurovisionlab.core.records import CellRecord, EpochRow
from neurovisionlab.judge.dynamics import DynamicsOverSeeds
from neurovisionlab.out.charts.drawing import ACCURACY, MODEL, Chart, Row, colour, toggled, zoomable
from neurovisionlab.out.speech import Sentence

EPOCH = Sentence("epoch")
TRAINING, VALIDATION = Sentence("training"), Sentence("validation")
PART = Sentence("part")
LOWEST, HIGHEST = Sentence("lowest of the seeds"), Sentence("highest of the seeds")
OVERFITTING = Sentence("gap between training and validation stays open from here")


def convergence_chart(
    records: Sequence[CellRecord], dynamics: Sequence[DynamicsOverSeeds] = ()
) -> Chart | None:
    """Return accuracy by epoch: the mean over seeds with a band from lowest to highest.

    Validation is solid, training dashed; a diamond marks the epoch from which on the gap between
    them stays open (`judge.dynamics`), as the median over seeds. None without epochs.
    """
    rows = list(_rows(records))
    if not rows:
        return None
    names = [record.cell.label for record in records]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("epoch:Q", title=str(EPOCH), axis=alt.Axis(values=_whole_ticks(rows), format="d")),
        color=colour(names),
    )
    bands = (
        base.transform_filter(alt.datum.part == str(VALIDATION))
        .mark_area()
        .encode(y=alt.Y("low:Q", title=str(ACCURACY), scale=alt.Scale(zero=False)), y2="high:Q")
        .encode(fillOpacity=alt.value(0.18))
    )
    lines = base.mark_line(point=alt.OverlayMarkDef(size=24), strokeWidth=1.8).encode(
        y=alt.Y("mean:Q", title=str(ACCURACY), scale=alt.Scale(zero=False)),
        strokeDash=alt.StrokeDash(
            "part:N",
            title=None,
            scale=alt.Scale(domain=[str(VALIDATION), str(TRAINING)], range=[[1, 0], [4, 3]]),
        ),
        tooltip=_tooltip(),
    )
    layers = bands + lines
    marks = list(_marks(rows, dynamics))
    if marks:
        layers += _diamonds(marks, names)
    return zoomable(toggled(layers)).properties(width=520, height=280)


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("model:N", title=str(MODEL)),
        alt.Tooltip("part:N", title=str(PART)),
        alt.Tooltip("epoch:Q", title=str(EPOCH)),
        alt.Tooltip("mean:Q", title=str(ACCURACY), format=".2f"),
        alt.Tooltip("low:Q", title=str(LOWEST), format=".2f"),
        alt.Tooltip("high:Q", title=str(HIGHEST), format=".2f"),
    ]


def _rows(records: Sequence[CellRecord]) -> Iterator[Row]:
    groups: dict[tuple[str, int], list[EpochRow]] = {}
    for record in records:
        for row in record.epochs:
            groups.setdefault((record.cell.label, row.epoch), []).append(row)
    for (model, epoch), some in groups.items():
        for part, field in ((VALIDATION, "val_accuracy_frac"), (TRAINING, "train_accuracy_frac")):
            values = [100 * getattr(row, field) for row in some]
            yield {
                "model": model,
                "part": str(part),
                "epoch": epoch,
                "mean": round(fmean(values), 3),
                "low": round(min(values), 3),
                "high": round(max(values), 3),
            }


def _marks(rows: Sequence[Row], dynamics: Sequence[DynamicsOverSeeds]) -> Iterator[Row]:
    known = {(r["model"], r["epoch"]): r["mean"] for r in rows if r["part"] == str(VALIDATION)}
    for one in dynamics:
        if one.gap_opens_epoch is None:
            continue
        epoch = round(one.gap_opens_epoch.middle)
        if (one.model, epoch) in known:
            mean = known[one.model, epoch]
            yield {"model": one.model, "epoch": epoch, "mean": mean, "note": str(OVERFITTING)}


def _diamonds(marks: list[dict[str, Any]], names: Sequence[str]) -> Chart:
    return (
        alt.Chart(alt.Data(values=marks))
        .mark_point(shape="diamond", size=120, filled=True, stroke="white", strokeWidth=1)
        .encode(
            x="epoch:Q",
            y="mean:Q",
            color=colour(names),
            tooltip=[
                alt.Tooltip("model:N", title=str(MODEL)),
                alt.Tooltip("epoch:Q", title=str(EPOCH)),
                alt.Tooltip("note:N", title=" "),
            ],
        )
    )


def _whole_ticks(rows: Sequence[Row]) -> list[int]:
    """Return at most about ten epochs as labels of the axis."""
    last = max(row["epoch"] for row in rows)
    step = -(-last // 10)
    return list(range(step if step > 1 else 1, last + 1, step))
