"""Rows of numbers as a section of docs/benchmarks.md and as one picture."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from document import table
from neurovisionlab.out.charts.drawing import PALETTE

Rows = Sequence[Mapping[str, Any]]
ROUND = [one * 10.0**power for power in range(-3, 5) for one in (1, 3)]
AXES = ("sizes", "classes", "images", "cells")
MARKS = ["circle", "square", "triangle-up", "diamond"]


def exponent(rows: Rows, cause: str, effect: str) -> float:
    """Return the power with which `effect` grew between the two largest values of `cause`."""
    before, after = sorted(rows, key=lambda row: row[cause])[-2:]
    return math.log(after[effect] / before[effect]) / math.log(after[cause] / before[cause])


def section(found: Mapping[str, Any]) -> str:
    """Return the Markdown of a whole run: settings, ceilings and the four axes."""
    return "\n\n".join([*_opening(found), *_steps(found), *_images(found), *_cells(found)]) + "\n"


def _opening(found: Mapping[str, Any]) -> Iterator[str]:
    machine, tops = found["machine"], found["ceilings"]
    yield "## Growth"
    yield (
        f"{machine['cpu']} ({machine['num_cores']} cores, {machine['num_threads']} threads), "
        f"torch {machine['versions']['torch']}, fp32, batch 64. Measured {found['begun_at']} at a "
        f"load of {machine['load_1min']:.2f}; others took at most {_busiest(found)} of the "
        "processors during a measurement. `make bench-growth`."
    )
    yield (
        "**What the machine can do at most**, measured in the same run: a product of matrices "
        f"{tops['matmul_gflops']:.0f} GFLOP/s; the best of four 3×3 convolutions, forward and "
        f"backward, {tops['conv_gflops']:.0f} GFLOP/s; copying {tops['copy_gbs']:.1f} GB/s; a call "
        f"of torch {tops['call_us']:.1f} µs. A step's bounds are its floating-point operations at "
        "the better of the first two, its bytes at the third, its calls at the fourth, each as if "
        "there were nothing else; *bound by* names the longest of them, and *distance* is how "
        "many times longer the step takes. Bytes are counted as if no cache kept any, so caches "
        "can get below that one; above 100 % of the best, a step outran all that was tried."
    )
    yield (
        "![Time and memory of a step by image size and by classes, of a cell by images, of the "
        "laboratory itself by cells](images/growth.png)"
    )


def _busiest(found: Mapping[str, Any]) -> str:
    """Return the largest share that others took, in words where one was not measured."""
    rows = itertools.chain.from_iterable(found[axis] for axis in AXES)
    shares = [row["contention_frac"] for row in rows]
    return f"{max(shares, default=0.0):.0%}" if None not in shares else "an unknown share"


def _steps(found: Mapping[str, Any]) -> Iterator[str]:
    head = ("ms", "× ms before", "peak MiB", "GFLOP/s", "of best", "bound by", "distance")
    for axis, cause, title in (
        ("sizes", "px", "**Image size** (26 classes; light stem)"),
        ("classes", "classes", "**Classes** (28 px; light stem)"),
    ):
        yield f"{title}: a training step of 64 images."
        yield table(("model", cause, *head), list(_step_rows(found, axis, cause)))


def _step_rows(found: Mapping[str, Any], axis: str, cause: str) -> Iterator[list[str]]:
    tops = found["ceilings"]
    best = max(tops["matmul_gflops"], tops["conv_gflops"])
    before: Mapping[str, Any] | None = None
    for row in found[axis]:
        is_next = before is not None and before["model"] == row["model"]
        yield [
            row["model"],
            f"{row[cause]:,}",
            f"{1000 * row['step_s']:.1f}",
            f"{row['step_s'] / before['step_s']:.2f}" if is_next and before else "",
            f"{row['peak_mib']:.0f}",
            f"{row['gflops']:.0f}",
            f"{row['gflops'] / best:.0%}",
            row["bound"],
            f"{row['step_s'] / row['floor_s']:.1f}",
        ]
        before = row


def _images(found: Mapping[str, Any]) -> Iterator[str]:
    rows = found["images"]
    yield "**Images**: a cell of `glyphnet`, one epoch, batch 256, seconds of each clock."
    clocks = ("setup", "staging", "training", "evaluation", "saving")
    lines = [
        [
            f"{row['images']:,}",
            *(f"{row[f'{name}_s']:.2f}" for name in clocks),
            f"{1e6 * row['training_s'] / row['images']:.0f}",
            f"{row['training_s'] / row['floor_s']:.1f}",
            f"{row['peak_mib'] - row['before_mib']:.0f}",
            f"{row['bytes_mib']:.0f}",
        ]
        for row in rows
    ]
    ends = ("µs of training an image", "distance", "MiB above the start", "of which images")
    yield table(("images", *clocks, *ends), lines)
    yield (
        f"Training grows with the power {exponent(rows, 'images', 'training_s'):.2f} of the images "
        f"between the last two lines; its steps are bound by {rows[-1]['bound']}, and *distance* "
        "is from that. Images are held twice, as bytes: where they are read and where they are "
        "staged."
    )


def _cells(found: Mapping[str, Any]) -> Iterator[str]:
    rows = found["cells"]
    yield (
        "**Cells**: seconds of the laboratory itself; nothing is trained (digits, 10 classes, 359 "
        "test images). *prepare* reads the data and expands the study, *store* writes every cell, "
        "*read* reads all records back, *tables* sums them up, *resume* prepares the finished run. "
        "Held against the files alone: written without being made, parsed without being checked. "
        "*processor* is the share of the time that Python computed and waited for no disk."
    )
    laps = ("prepare", "store", "read", "tables", "resume")
    lines = [
        [
            f"{row['cells']:,}",
            *(f"{row[f'{name}_s']:.2f}" for name in laps),
            f"{row['store_s'] / row['bare_store_s']:.1f}",
            f"{row['read_s'] / row['bare_read_s']:.1f}",
            f"{row['processor_s'] / sum(row[f'{name}_s'] for name in laps):.0%}",
            f"{row['peak_mib'] - row['before_mib']:.0f}",
        ]
        for row in rows
    ]
    ends = ("store ÷ files", "read ÷ files", "processor", "MiB above the start")
    yield table(("cells", *laps, *ends), lines)
    powers = ", ".join(f"{name} {exponent(rows, 'cells', f'{name}_s'):.2f}" for name in laps)
    yield f"Powers of the number of cells between the last two lines: {powers}."


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Write the picture: for each axis time and memory beside one another, logarithmic."""
    images, cells = (_grown(found[axis]) for axis in ("images", "cells"))
    held = ("grown", "images")
    rows = [
        _by_model(found["sizes"], ("px", "image size, px")),
        _by_model(found["classes"], ("classes", "classes")),
        (
            _by_part(images, ("images", "training images"), ("training", "setup", "staging")),
            _memory(images, ("images", "training images"), held),
        ),
        (
            _by_part(cells, ("cells", "cells"), ("prepare", "store", "read", "tables")),
            _memory(cells, ("cells", "cells"), held[:1]),
        ),
    ]
    own = {"color": "independent", "shape": "independent"}
    left, right = (alt.vconcat(*(row[i] for row in rows)).resolve_scale(**own) for i in (0, 1))
    both = alt.hconcat(left, right).resolve_scale(**own)
    path.parent.mkdir(parents=True, exist_ok=True)
    both.save(path, scale_factor=2)


def _grown(rows: Rows) -> list[dict[str, Any]]:
    """Return rows with the memory that was added since the start, in MiB."""
    return [
        {
            **row,
            "grown_mib": row["peak_mib"] - row["before_mib"],
            "images_mib": row.get("bytes_mib"),
        }
        for row in rows
    ]


def _by_model(rows: Rows, cause: tuple[str, str]) -> tuple[alt.LayerChart, alt.Chart]:
    """Return a step's time, with its bound, and its memory."""
    values = [
        {
            "x": row[cause[0]],
            "y": 1000 * row["step_s"],
            "floor": 1000 * row["floor_s"],
            "mib": row["peak_mib"],
            "what": row["model"],
        }
        for row in rows
    ]
    measured = _lines(values, cause[1], "a training step, ms (dashed: its bound)")
    floor = measured.mark_line(strokeDash=[4, 3], opacity=0.7).encode(y="floor:Q")
    memory = _lines(
        [{**value, "y": value["mib"]} for value in values], cause[1], "most memory of a step, MiB"
    )
    return alt.layer(measured, floor), memory


def _by_part(rows: Rows, cause: tuple[str, str], parts: Sequence[str]) -> alt.Chart:
    values = [
        {"x": row[cause[0]], "y": max(row[f"{part}_s"], 1e-3), "what": part}
        for row in rows
        for part in parts
    ]
    return _lines(values, cause[1], "seconds")


def _memory(rows: Rows, cause: tuple[str, str], parts: Sequence[str]) -> alt.Chart:
    says = {"grown": "above the start", "images": "of which images"}
    values = [
        {"x": row[cause[0]], "y": max(row[f"{part}_mib"], 0.1), "what": says[part]}
        for row in rows
        for part in parts
    ]
    return _lines(values, cause[1], "memory, MiB")


def _lines(values: list[dict[str, Any]], x_title: str, y_title: str) -> alt.Chart:
    names = list(dict.fromkeys(value["what"] for value in values))
    scale = alt.Scale(domain=names, range=PALETTE[: len(names)])
    marks = alt.Scale(domain=names, range=MARKS[: len(names)])
    ticks = sorted({value["x"] for value in values})
    return (
        alt.Chart(alt.Data(values=values), width=300, height=220)
        .mark_line(point=alt.OverlayMarkDef(size=45, filled=True))
        .encode(
            x=alt.X(
                "x:Q",
                title=x_title,
                scale=alt.Scale(type="log", nice=False),
                axis=alt.Axis(values=ticks, grid=False, format="~s" if ticks[-1] > 999 else "d"),
            ),
            y=alt.Y(
                "y:Q",
                title=y_title,
                scale=alt.Scale(type="log"),
                axis=alt.Axis(values=ROUND, gridOpacity=0.5, format="~r"),
            ),
            color=alt.Color("what:N", title=None, scale=scale),
            shape=alt.Shape("what:N", title=None, scale=marks),
        )
    )
