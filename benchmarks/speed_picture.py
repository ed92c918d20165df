"""The picture of docs/speed.md: test accuracy on EMNIST letters against seconds of training.

    python benchmarks/speed_picture.py [RUN ...]

Runs are folders of `nvl run` on the complete letters' test images; the published models stand as
`publications/tretiakov-2025.toml` has them. What was measured lies beside this script
(`speed_points.json`) and is drawn again, until a run measures it anew. Accuracies on one test set,
training times on machines that are named: the picture compares ways to get there, not machines.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt

from neurovisionlab.core.records import CellRecord
from neurovisionlab.lab.named_files import read_publication
from neurovisionlab.lab.store import Store
from neurovisionlab.out.charts.drawing import PALETTE

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "speed.png"
KEPT = Path(__file__).with_name("speed_points.json")
Point = dict[str, Any]
# Vega's expression for a tick
_IN_UNITS = (
    "datum.value < 60 ? datum.value + ' s' : "
    "datum.value < 3600 ? datum.value / 60 + ' min' : datum.value / 3600 + ' h'"
)


def published() -> Iterator[Point]:
    """Yield the published models: one training each, at 224 px with pretrained weights."""
    publication = read_publication("tretiakov-2025")
    printed = publication.printed()
    for model in ("ResNet", "MobileNet", "ViT"):
        yield {
            "what": f"{model}, published",
            "machine": f"{publication.device}, 224 px, pretrained, one training",
            "s": float(printed["EMNIST", model, "train_time_s"]),
            "accuracy": float(printed["EMNIST", model, "accuracy"]),
        }


def measured(folder: Path) -> Iterator[Point]:
    """Yield the models of a run: means over seeds, with the lowest and the highest."""
    store = Store.existing(folder)
    plan = store.plan()
    records = store.finished(plan.cells())
    for model in dict.fromkeys(record.cell.model for record in records):
        seeds = [one for one in records if one.cell.model == model and one.test_scores]
        if not seeds:  # all diverged
            continue
        some = f", {seeds[0].num_train:,} images" if plan.study.subset.train_images else ""
        what = f"{model}{some}, {len(seeds[0].epochs)} epochs"
        yield {
            "study": plan.study.name,
            "model": model,
            "what": what,
            "measured_at": seeds[0].finished_at[:10],
            **_point(seeds),
        }


def kept_with(new: list[Point]) -> list[Point]:
    """Return the points of before and now, and keep them for next time.

    A model measured again in the same study, on the same machine, replaces its point of before.
    """
    before = json.loads(KEPT.read_text()) if KEPT.exists() else []
    points = {(one["study"], one["model"], one["machine"]): one for one in [*before, *new]}
    kept = sorted(points.values(), key=lambda point: float(point["s"]))
    KEPT.write_text(json.dumps(kept, indent=2) + "\n")
    return kept


def _point(seeds: list[CellRecord]) -> Point:
    scores = [100 * one.test_scores.accuracy_frac for one in seeds if one.test_scores]
    machine = seeds[0].machine
    on_cpu = f"{machine.cpu}, {machine.num_cores} cores"
    return {
        "machine": f"{on_cpu if machine.device == 'cpu' else machine.device}, 28 px, from scratch",
        "s": statistics.mean(one.resources.train_time_s for one in seeds),
        "accuracy": statistics.mean(scores),
        "low": min(scores),
        "high": max(scores),
    }


def draw(points: list[Point], lowest: float) -> alt.LayerChart:
    """Return the chart; what lies below `lowest` per cent is named under it."""
    shown = [
        {**point, "below": _is_crowded(point, points)}
        for point in points
        if point["accuracy"] >= lowest
    ]
    machines = list(dict.fromkeys(point["machine"] for point in points))
    x = alt.X(
        "s:Q",
        title="training (logarithmic)",
        scale=alt.Scale(type="log", domain=[6, 100_000]),
        axis=alt.Axis(values=[10, 60, 300, 1800, 3600, 18_000], labelExpr=_IN_UNITS),
    )
    y = alt.Y(
        "accuracy:Q",
        title="test accuracy on EMNIST letters, %",
        scale=alt.Scale(domain=[lowest, 96.5], zero=False),
    )
    colour = alt.Color(
        "machine:N",
        title=None,
        scale=alt.Scale(domain=machines, range=PALETTE[: len(machines)]),
        legend=alt.Legend(orient="top", direction="vertical", labelLimit=600, symbolSize=120),
    )
    base = alt.Chart(alt.Data(values=shown), width=620, height=300).encode(x=x, color=colour)
    ranges = base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q")
    dots = base.mark_point(filled=True, size=130, opacity=1).encode(y=y, shape=_shape(machines))
    names = [
        base.transform_filter(f"datum.below == {str(below).lower()}")
        .mark_text(align="left", dx=10, dy=12 if below else -8, fontSize=12)
        .encode(y=y, text="what:N")
        for below in (False, True)
    ]
    chart = alt.layer(ranges.transform_filter("isValid(datum.low)"), dots, *names)
    left_out = [point for point in points if point["accuracy"] < lowest]
    if not left_out:
        return chart
    lines = [f"Below {lowest:.0f} %, not shown:", *map(_in_words, left_out)]
    style = {"fontSize": 11, "fontWeight": "normal", "color": "#444"}
    note = alt.TitleParams(lines, orient="bottom", anchor="start", **style)
    return chart.properties(title=note)


def _in_words(point: Point) -> str:
    seconds = point["s"]
    time = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
    return f"{point['what']}: {point['accuracy']:.1f} % after {time}"


def _is_crowded(point: Point, others: list[Point]) -> bool:
    """Return whether another point stands where this one's words would, right above it."""
    return any(
        0 < one["accuracy"] - point["accuracy"] < 0.8 and 1 <= one["s"] / point["s"] < 10
        for one in others
    )


def _shape(machines: list[str]) -> alt.Shape:
    shapes = ["circle", "diamond", "square"][: len(machines)]
    return alt.Shape("machine:N", title=None, scale=alt.Scale(domain=machines, range=shapes))


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--out", type=Path, default=PICTURE)
    parser.add_argument("--lowest", type=float, default=88.0, help="%%: the axis begins here")
    given = parser.parse_args()
    points = [*published(), *kept_with([one for run in given.runs for one in measured(run)])]
    for point in points:
        print(point)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    draw(points, given.lowest).save(given.out, scale_factor=2)


if __name__ == "__main__":
    main()
