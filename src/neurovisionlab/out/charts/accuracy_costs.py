"""Charts of accuracy against each cost, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from neurovisionlab.judge.pareto import non_dominated
from neurovisionlab.lab.cost_rows import CostRow
from neurovisionlab.out.charts.drawing import MODEL, TEST_ACCURACY, Chart, colour, zoomable
from neurovisionlab.out.cost_tables import Axis
from neurovisionlab.out.speech import Sentence

# costs on the x axis; smaller is better for each
CHARTED = (
    Axis("weights_mib", Sentence("weights, MiB"), 1, False),
    Axis("train_s", Sentence("training, seconds (all epochs)"), 0, True),
    Axis("train_peak_mib", Sentence("training peak memory, MiB"), 0, False),
    Axis("latency_p50_ms", Sentence("latency of one image, ms"), 2, True),
)


def cost_charts(rows: Sequence[CostRow]) -> dict[str, Chart]:
    """Return {title of a cost: chart of accuracy against it, with the Pareto front}."""
    charts = {str(axis.title): _cost_chart(rows, axis) for axis in CHARTED}
    return {title: chart for title, chart in charts.items() if chart is not None}


def _cost_chart(rows: Sequence[CostRow], axis: Axis) -> Chart | None:
    known = [
        (row, row.accuracy_frac, cost)
        for row in rows
        if row.accuracy_frac is not None and (cost := row.cost(axis.field))
    ]
    if len(known) < 2:
        return None
    ranked = [one for one in known if one[0].is_for_ranking or not axis.is_timed]
    points = [(accuracy_frac, cost) for _, accuracy_frac, cost in ranked]
    front = non_dominated(points, ("larger", "smaller"))
    on_front = {one[0].label for one, is_on in zip(ranked, front, strict=True) if is_on}
    others = {one[0].label: DOMINATED for one in ranked}
    values = [
        {
            "model": row.label,
            "accuracy": round(100 * accuracy_frac, 3),
            "cost": cost,
            "front": str(ON_FRONT if row.label in on_front else others.get(row.label, NOISY)),
        }
        for row, accuracy_frac, cost in known
    ]
    # colours from all models, so that they stay the same where a model has no such cost
    return _scatter(values, str(axis.title), [row.label for row in rows])


ON_FRONT = Sentence("on the Pareto front")
DOMINATED = Sentence("dominated")
NOISY = Sentence("noisy: not ranked")
_SHAPES = {ON_FRONT: "circle", DOMINATED: "cross", NOISY: "triangle-up"}


def _scatter(values: list[dict[str, Any]], title: str, models: Sequence[str]) -> Chart:
    kinds = {
        str(kind): shape
        for kind, shape in _SHAPES.items()
        if any(value["front"] == str(kind) for value in values)
    }
    # half of the longest name beside a dot at the edge, at about 6 px per letter
    room = min(90, 10 + 3 * max(len(value["model"]) for value in values))
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("cost:Q", title=title, scale=alt.Scale(type="log", nice=False, padding=room)),
        y=alt.Y("accuracy:Q", title=str(TEST_ACCURACY), scale=alt.Scale(zero=False, padding=20)),
        color=colour(models, has_legend=False),
    )
    line = (
        base.transform_filter(alt.datum.front == str(ON_FRONT))
        .mark_line(color="#999", strokeDash=[4, 3])
        .encode(color=alt.value("#999"), order="cost:Q")
    )
    shape = alt.Shape(
        "front:N",
        title=None,
        legend=alt.Legend(orient="bottom"),
        scale=alt.Scale(domain=list(kinds), range=list(kinds.values())),
    )
    dots = base.mark_point(size=110, filled=True, opacity=1).encode(
        shape=shape,
        tooltip=[
            alt.Tooltip("model:N", title=str(MODEL)),
            alt.Tooltip("accuracy:Q", title=str(TEST_ACCURACY), format=".2f"),
            alt.Tooltip("cost:Q", title=title, format=",.4~g"),
        ],
    )
    labels = base.mark_text(dy=-13, fontSize=11).encode(text="model:N")
    return (line + zoomable(dots) + labels).properties(width=330, height=220)
