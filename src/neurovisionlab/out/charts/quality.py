"""Charts of quality: scores with intervals, of cells, of classes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import altair as alt

from neurovisionlab.core.records import CellRecord
from neurovisionlab.judge.ranks import Overall
from neurovisionlab.out.charts.drawing import (
    MODEL,
    TEST_ACCURACY,
    Chart,
    Row,
    colour,
    toggled,
    zoomable,
)
from neurovisionlab.out.speech import Sentence

MAX_CLASSES = 64  # labels of more classes are not legible

WITH_INTERVAL = Sentence("test accuracy, %, with its 95 % interval")
RECALL = Sentence("recall, %, with its 95 % interval")
CLASS, SEED = Sentence("class"), Sentence("seed")
MEAN_RANK = Sentence("mean rank, 1 is best")
FROM, TO = Sentence("from"), Sentence("to")


def interval_chart(rows: Sequence[Row]) -> Chart | None:
    """Return each model's score with its 95 % interval, a panel per data set; None without rows.

    Args:
        rows: {"dataset", "model", "value", "low", "high"}, in per cent.
    """
    if not rows:
        return None
    names = list(dict.fromkeys(row["model"] for row in rows))
    low = min(row["low"] for row in rows)
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    panels = [
        _panel(
            [row for row in rows if row["dataset"] == dataset],
            names,
            alt.X("low:Q", scale=alt.Scale(zero=False, domain=[low, 100], nice=True)).title(
                str(WITH_INTERVAL) if dataset == datasets[-1] else None  # once, below all panels
            ),
        )
        for dataset in datasets
    ]
    return alt.vconcat(*panels, spacing=8)


def _panel(rows: list[Row], names: list[str], x: alt.X) -> Chart:
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("model:N", title=None, sort=names),
        color=colour(names, has_legend=False),
        tooltip=_tooltip(str(TEST_ACCURACY)),
    )
    bars = base.mark_rule(strokeWidth=3).encode(x=x, x2="high:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x="value:Q")
    title = alt.Title(rows[0]["dataset"], anchor="start", fontSize=12)
    return (bars + dots).properties(width=400, height=alt.Step(22), title=title)


def _tooltip(value: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("model:N", title=str(MODEL)),
        alt.Tooltip("value:Q", title=value, format=".2f"),
        alt.Tooltip("low:Q", title=str(FROM), format=".2f"),
        alt.Tooltip("high:Q", title=str(TO), format=".2f"),
    ]


def rank_chart(found: Overall, models: Sequence[str]) -> Chart | None:
    """Return a critical-difference diagram; None if it was refused.

    The bar at each mean rank is as long as Nemenyi's critical difference: two models differ if
    their bars do not overlap (Demšar 2006). `models` are in the order that determines colours.
    """
    if found.critical is None:
        return None
    half = found.critical.critical_difference / 2
    rows = [
        {
            "model": one.model,
            "rank": round(one.mean_rank, 3),
            "low": round(one.mean_rank - half, 3),
            "high": round(one.mean_rank + half, 3),
        }
        for one in found.standings
        if one.mean_rank is not None
    ]
    names = [str(row["model"]) for row in rows]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("model:N", title=None, sort=names),
        color=colour(models, has_legend=False),
        tooltip=[
            alt.Tooltip("model:N", title=str(MODEL)),
            alt.Tooltip("rank:Q", title=str(MEAN_RANK), format=".2f"),
        ],
    )
    scale = alt.Scale(zero=False)
    bars = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", title=str(MEAN_RANK), scale=scale), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x="rank:Q")
    return (bars + dots).properties(width=400, height=alt.Step(22))


def accuracy_chart(records: Sequence[CellRecord]) -> Chart | None:
    """Return test accuracy: a dot per cell, a bar at the mean; None without results."""
    rows: list[Row] = [
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
    names = list(dict.fromkeys(record.cell.label for record in records))
    values = {name: [row["accuracy"] for row in rows if row["model"] == name] for name in names}
    best_first = sorted(names, key=lambda name: -fmean(values[name] or [0]))
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("model:N", title=None, sort=best_first), color=colour(names, has_legend=False)
    )
    dots = base.mark_circle(size=70, opacity=0.7).encode(
        x=alt.X("accuracy:Q", title=str(TEST_ACCURACY), scale=alt.Scale(zero=False)),
        tooltip=[
            alt.Tooltip("model:N", title=str(MODEL)),
            alt.Tooltip("seed:Q", title=str(SEED)),
            alt.Tooltip("accuracy:Q", title=str(TEST_ACCURACY), format=".2f"),
        ],
    )
    means = base.mark_tick(thickness=3, size=26).encode(x="mean(accuracy):Q")
    return (zoomable(dots, ["x"]) + means).properties(width=460, height=alt.Step(44))


def recall_chart(rows: Sequence[Row]) -> Chart | None:
    """Return the recall of each class by model with 95 % intervals; None for over 64 classes.

    Args:
        rows: {"class", "model", "value", "low", "high"}, in per cent, sorted by class.
    """
    classes = list(dict.fromkeys(row["class"] for row in rows))
    if not 2 <= len(classes) <= MAX_CLASSES:
        return None
    names = list(dict.fromkeys(row["model"] for row in rows))
    is_long = max(map(len, classes)) > 3
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X(
            "class:N",
            sort=classes,
            title=str(CLASS),
            axis=alt.Axis(labelAngle=-90 if is_long else 0, labelLimit=160),
        ),
        xOffset=alt.XOffset("model:N", sort=names),
        color=colour(names),
        tooltip=[alt.Tooltip("class:N", title=str(CLASS)), *_tooltip(str(RECALL))],
    )
    bars = base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q", title=str(RECALL)), y2="high:Q")
    dots = base.mark_point(filled=True, size=18).encode(y="value:Q")
    step = max(14, min(60, 760 // len(classes)))
    return toggled(bars + dots).properties(width=step * len(classes), height=220)
