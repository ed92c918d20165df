"""Charts: records → data → a Vega-Lite chart → SVG, without a network and without a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import vl_convert

from neurovisionlab.core.records import CellRecord

Chart = Any  # an altair chart; its own methods are typed to return Any

# Okabe & Ito's palette: told apart by colour-blind readers, too
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
MAX_CONFUSION_CLASSES = 64


def to_svg(chart: Chart) -> str:
    """Return a chart as SVG text."""
    svg: str = vl_convert.vegalite_to_svg(roomy(chart).to_dict())
    return svg


def roomy(chart: Chart) -> Chart:
    """Return a chart with room for labels: a reader's font may be wider than the renderer's."""
    return chart.properties(padding={"left": 28, "right": 48, "top": 6, "bottom": 6})


def _colour(records: Sequence[CellRecord]) -> alt.Color:
    names = list(dict.fromkeys(record.cell.label for record in records))
    colours = [PALETTE[i % len(PALETTE)] for i in range(len(names))]
    return alt.Color("model:N", scale=alt.Scale(domain=names, range=colours), title=None)


def accuracy_chart(records: Sequence[CellRecord]) -> Chart | None:
    """Return test accuracy: a dot for each cell, a bar at the mean; None without results."""
    rows = [
        {
            "model": record.cell.label,
            "accuracy": 100 * record.test_scores.accuracy_frac,
            "seed": record.cell.seed,
        }
        for record in records
        if record.test_scores is not None
    ]
    if not rows:
        return None
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("model:N", title=None, sort="-x"), color=_colour(records).legend(None)
    )
    dots = base.mark_circle(size=70, opacity=0.7).encode(
        x=alt.X("accuracy:Q", title="test accuracy, %", scale=alt.Scale(zero=False))
    )
    means = base.mark_tick(thickness=3, size=26).encode(x="mean(accuracy):Q")
    return (dots + means).properties(width=460, height=alt.Step(44))


def interval_chart(rows: Sequence[dict[str, Any]]) -> Chart | None:
    """Return each model's score with its 95 % interval, a panel for each data set.

    Args:
        rows: {"dataset", "model", "value", "low", "high"}, in per cent.
    """
    if not rows:
        return None
    names = list(dict.fromkeys(row["model"] for row in rows))
    colours = [PALETTE[i % len(PALETTE)] for i in range(len(names))]
    base = alt.Chart().encode(
        y=alt.Y("model:N", title=None, sort=names),
        color=alt.Color("model:N", scale=alt.Scale(domain=names, range=colours), legend=None),
    )
    scale = alt.Scale(zero=False, domain=[min(r["low"] for r in rows), 100], nice=True)
    bars = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", title="test accuracy, %, with its 95 % interval", scale=scale),
        x2="high:Q",
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x="value:Q")
    panel = (bars + dots).properties(width=560, height=alt.Step(22))
    order = list(dict.fromkeys(row["dataset"] for row in rows))
    row = alt.Row(
        "dataset:N",
        title=None,
        sort=order,
        header=alt.Header(labelOrient="top", labelAnchor="start", labelFontWeight="bold"),
    )
    return panel.facet(row=row, data=alt.Data(values=list(rows)))


def recall_chart(rows: Sequence[dict[str, Any]]) -> Chart | None:
    """Return each class's recall by model with 95 % intervals; None beyond 64 classes.

    Args:
        rows: {"class", "model", "value", "low", "high"}, in per cent, classes in their order.
    """
    classes = list(dict.fromkeys(row["class"] for row in rows))
    if not 2 <= len(classes) <= MAX_CONFUSION_CLASSES:
        return None
    names = list(dict.fromkeys(row["model"] for row in rows))
    colours = [PALETTE[i % len(PALETTE)] for i in range(len(names))]
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X("class:N", sort=classes, title="class", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("model:N", sort=names),
        color=alt.Color("model:N", title=None, scale=alt.Scale(domain=names, range=colours)),
    )
    bars = base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(
        y=alt.Y("low:Q", title="recall, %, with its 95 % interval"), y2="high:Q"
    )
    dots = base.mark_point(filled=True, size=18, opacity=1).encode(y="value:Q")
    step = max(14, min(60, 760 // len(classes)))
    return (bars + dots).properties(width=step * len(classes), height=220)


def convergence_chart(records: Sequence[CellRecord]) -> Chart | None:
    """Return accuracy by epoch, a line per cell: validation solid, training dashed."""
    rows: list[dict[str, Any]] = []
    for record in records:
        for row in record.epochs:
            shared = {"model": record.cell.label, "cell": record.cell_id, "epoch": row.epoch}
            rows.append(shared | {"part": "training", "accuracy": 100 * row.train_accuracy_frac})
            rows.append(shared | {"part": "validation", "accuracy": 100 * row.val_accuracy_frac})
    if not rows:
        return None
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True, strokeWidth=1.6, opacity=0.8)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(values=_whole_ticks(rows), format="d")),
            y=alt.Y("accuracy:Q", title="accuracy, %", scale=alt.Scale(zero=False)),
            color=_colour(records),
            detail="cell:N",
            strokeDash=alt.StrokeDash(
                "part:N", title=None, scale=alt.Scale(domain=["validation", "training"])
            ),
        )
        .properties(width=460, height=260)
    )


def _whole_ticks(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Return at most about ten epochs to write below the axis."""
    last = max(row["epoch"] for row in rows)
    step = -(-last // 10)
    return list(range(step if step > 1 else 1, last + 1, step))


def confusion_chart(
    counts_CC: np.ndarray[Any, np.dtype[np.int64]], class_names: Sequence[str]
) -> Chart | None:
    """Return a confusion matrix, share of each true class; None beyond 64 classes or below two."""
    if not 2 <= len(class_names) <= MAX_CONFUSION_CLASSES:
        return None
    totals_C1 = np.maximum(counts_CC.sum(axis=1, keepdims=True), 1)
    shares_CC = counts_CC / totals_C1
    rows = [
        {
            "truth": class_names[i],
            "answer": class_names[j],
            "share": float(shares_CC[i, j]),
        }
        for i, j in np.ndindex(*counts_CC.shape)
    ]
    side = max(9, min(26, 520 // len(class_names)))
    order = list(class_names)
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_rect()
        .encode(
            x=alt.X("answer:N", sort=order, title="answer", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("truth:N", sort=order, title="truth"),
            # the square root lets rare confusions be seen beside the diagonal
            color=alt.Color(
                "share:Q",
                title="share of class",
                scale=alt.Scale(type="sqrt", domain=[0, 1], scheme="blues"),
            ),
        )
        .properties(width=side * len(order), height=side * len(order))
    )
