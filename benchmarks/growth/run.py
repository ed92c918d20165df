"""Growth: time and memory against image size, classes, images and cells, and what bounds each.

    make bench-growth                  # or GROWTH="--write" make bench-growth

Prints a Markdown section; `--write` puts it into docs/benchmarks.md, with its picture.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import neurovisionlab.learn  # noqa: F401  before torch: it says how threads wait

# isort: split
import document
from growth import axes, ceilings, section
from neurovisionlab.learn.clock import now_iso
from neurovisionlab.learn.device import choose, describe_machine

PICTURE = document.DOCUMENT.parent / "images" / "growth.png"

AXES = {
    "sizes": axes.sizes,
    "classes": axes.classes,
    "images": lambda tops, seconds: axes.images(tops),
    "cells": lambda tops, seconds: axes.cells(),  # held against its own files, written alone
}


def measure(seconds: float) -> dict[str, Any]:
    """Measure what the machine can do at most, then every axis; prints each row as it comes."""
    os.environ["NVL_DEVICE"] = "cpu"  # whose ceilings are measured
    machine = describe_machine(choose())
    tops = ceilings.measure()
    print(tops, flush=True)
    opening = {
        "machine": machine.model_dump(mode="json"),
        "begun_at": now_iso(),
        "ceilings": tops._asdict(),
    }
    return opening | {axis: rows_of(axis, tops, seconds) for axis in AXES}


def rows_of(axis: str, tops: ceilings.Ceilings, seconds: float) -> list[axes.Row]:
    """Return the rows of one axis."""
    rows = []
    for row in AXES[axis](tops, seconds):
        print(axis, row, flush=True)
        rows.append(row)
    return rows


def main() -> None:
    """Run the benchmark, or draw again what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/growth"), help="folder for numbers")
    parser.add_argument("--again", action="store_true", help="write the numbers in --out anew")
    parser.add_argument("--write", action="store_true", help="put the section into the document")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each timing")
    given = parser.parse_args()
    path = given.out / "growth.json"
    if given.again:
        found = json.loads(path.read_text())
    else:
        found = measure(given.seconds)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1))
    text = section.section(found)
    print(text)
    section.draw(found, PICTURE if given.write else given.out / "growth.png")
    if given.write:
        document.write("growth", text)


if __name__ == "__main__":
    main()
