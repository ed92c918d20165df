"""What it costs that a finished cell is on the disk, and that it is looked at when it is read.

Cells of 20,800 tested images of 26 classes, with weights of glyphnet's and of ResNet-18's size, are
stored with and without flushing in turn. Goal: flushing glyphnet's costs at most 20 ms a cell.
Reading looks at every stored number: its milliseconds a cell stand beside, against the mere
reading of the same files.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

import compare
from neurovisionlab.core.predictions import CellResult
from neurovisionlab.core.spec import CellSpec, DataInfo, Study
from neurovisionlab.lab.plan import Plan
from neurovisionlab.lab.store import Store
from report import MODELS, SETS, result

NUM_CELLS, ROUNDS = 12, 7
SIZES_MIB = {"glyphnet": 1.2, "ResNet-18": 42.7}
GOAL_MS = 20


def weights(size_mib: float) -> bytes:
    """Return a file of weights that holds one row of bytes."""
    num = int(size_mib * 2**20)
    head = f'{{"w":{{"dtype":"U8","shape":[{num}],"data_offsets":[0,{num}]}}}}'.encode()
    return len(head).to_bytes(8, "little") + head + bytes(num)


def cells() -> tuple[CellSpec, ...]:
    """Return the cells that are stored."""
    study = Study(name="storing", datasets=SETS[:1], models=MODELS[:1], seeds=tuple(range(12)))
    ((name, (ref, *_)),) = study.data_refs().items()
    info = DataInfo(
        name=name,
        digest="0" * 64,
        height_px=28,
        width_px=28,
        channels=1,
        class_names=tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        num_images={"train": 16_000, "test": 20_800},
        source="made up",
        licence="none",
    )
    return Plan(study=study, infos=((ref, info),)).cells()


def store_all(results: list[CellResult]) -> float:
    """Store cells in a new folder; return the milliseconds of each."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        store = Store(Path(folder) / "run")
        with store.writing():
            began_s = time.perf_counter()
            for one in results:
                store.put(one)
            return (time.perf_counter() - began_s) * 1000 / len(results)


def without_flush(results: list[CellResult]) -> float:
    """Store cells as if the disk were always as far as the system."""
    with mock.patch.object(os, "fsync", lambda number: None):
        return store_all(results)


def read_all(results: list[CellResult]) -> tuple[float, float]:
    """Return milliseconds of a cell: looked at by a store, and merely read."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        store = Store(Path(folder) / "run")
        with store.writing():
            for one in results:
                store.put(one)
        began_s = time.perf_counter()
        found = Store(store.root).stored_ids()
        looked_s = time.perf_counter() - began_s
        for name in found:
            for file in ("record.json", "predictions.npz"):
                (store.root / "cells" / name / file).read_bytes()
        read_s = time.perf_counter() - began_s - looked_s
    return looked_s * 1000 / len(found), read_s * 1000 / len(found)


def main() -> int:
    """Run the benchmark; exit code 1 if the goal is missed."""
    plain = [result(cell) for cell in cells()]
    extra: dict[str, float] = {}
    for name, size_mib in SIZES_MIB.items():
        results = [replace(one, weights=weights(size_mib)) for one in plain]
        pairs = [(store_all(results), without_flush(results)) for _ in range(ROUNDS)]
        flushed, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
        extra[name] = statistics.median(one - other for one, other in pairs)
        print(f"storing a cell with weights of {name}: {flushed:.1f} ms, not flushed {bare:.1f} ms")
    looked, read = (
        statistics.median(c) for c in zip(*(read_all(plain) for _ in range(3)), strict=True)
    )
    print(f"looking at a stored cell: {looked:.1f} ms; merely reading its files: {read:.1f} ms")
    what = f"flushing, ms a cell of glyphnet (of ResNet-18: {extra['ResNet-18']:.1f})"
    return 0 if compare.verdict(what, extra["glyphnet"], GOAL_MS, at_least=False) else 1


if __name__ == "__main__":
    sys.exit(main())
