"""Accuracy against each cost: which models does no other beat?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from neurovisionlab.core.pareto import non_dominated
from neurovisionlab.out.figures import PALETTE, Chart
from neurovisionlab.out.resources import Axis
from neurovisionlab.out.tables import Row

# what a chart holds accuracy against: smaller is better in each
CHARTED = (
    Axis("weights_mib", "weights, MiB", 1, False),
    Axis("train_s", "training, seconds (all epochs)", 0, True),
    Axis("train_peak_mib", "training peak memory, MiB", 0, False),
    Axis("latency_p50_ms", "latency of one image, ms", 2, True),
)


def cost_charts(rows: Sequence[Row]) -> list[Chart]:
    """Return accuracy against each cost, the Pareto front marked."""
    return [chart for axis in CHARTED if (chart := _cost_chart(rows, axis)) is not None]


def _cost_chart(rows: Sequence[Row], axis: Axis) -> Chart | None:
    known = [r for r in rows if r["accuracy_frac"] is not None and r.get(axis.field)]
    if len(known) < 2:
        return None
    ranked = [row for row in known if row["is_for_ranking"] or not axis.is_timed]
    points = [(row["accuracy_frac"], row[axis.field]) for row in ranked]
    front = non_dominated(points, ("larger", "smaller"))
    on_front = {row["label"] for row, is_on in zip(ranked, front, strict=True) if is_on}
    values = [
        {
            "model": row["label"],
            "accuracy": 100 * row["accuracy_frac"],
            "cost": row[axis.field],
            "front": "on the Pareto front" if row["label"] in on_front else _why_not(row, ranked),
        }
        for row in known
    ]
    return _scatter(values, axis.title)


def _why_not(row: Row, ranked: Sequence[Row]) -> str:
    return "dominated" if row in ranked else "noisy: not ranked"


_SHAPES = {
    "on the Pareto front": "circle",
    "dominated": "cross",
    "noisy: not ranked": "triangle-up",
}


def _scatter(values: list[dict[str, Any]], title: str) -> Chart:
    names = list(dict.fromkeys(value["model"] for value in values))
    colours = [PALETTE[i % len(PALETTE)] for i in range(len(names))]
    kinds = [kind for kind in _SHAPES if any(value["front"] == kind for value in values)]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("cost:Q", title=title, scale=alt.Scale(type="log", nice=False, padding=30)),
        y=alt.Y("accuracy:Q", title="test accuracy, %", scale=alt.Scale(zero=False, padding=20)),
        color=alt.Color("model:N", scale=alt.Scale(domain=names, range=colours), legend=None),
    )
    line = (
        base.transform_filter("datum.front == 'on the Pareto front'")
        .mark_line(color="#999", strokeDash=[4, 3])
        .encode(color=alt.value("#999"), order="cost:Q")
    )
    shape = alt.Shape(
        "front:N",
        title=None,
        legend=alt.Legend(orient="bottom"),
        scale=alt.Scale(domain=kinds, range=[_SHAPES[kind] for kind in kinds]),
    )
    dots = base.mark_point(size=110, filled=True, opacity=1).encode(shape=shape)
    labels = base.mark_text(dy=-13, fontSize=11).encode(text="model:N")
    return (line + dots + labels).properties(width=330, height=220)
