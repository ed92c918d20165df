"""The four axes: each yields rows of numbers; models work in processes of their own."""

from __future__ import annotations

import functools
import itertools
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from growth.ceilings import Ceilings
from growth.counts import Counts, count, floors
from neurovisionlab import Protocol, Study, api
from neurovisionlab.core.costs import CostSpec, Request
from neurovisionlab.core.predictions import CellResult
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.home import DataHome
from neurovisionlab.lab.conduct import conduct
from neurovisionlab.lab.executors import Done, execute_here, local
from neurovisionlab.learn.clock import Contention
from neurovisionlab.learn.device import choose
from neurovisionlab.learn.measure import measure_part
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.named_models import source_of
from neurovisionlab.learn.pace import put_into_usual_form
from neurovisionlab.learn.run import run_cell
from neurovisionlab.learn.zoo import build
from neurovisionlab.out.tables import result_rows, summary_tables

MODELS = ("glyphnet", "mobilenetv2", "resnet18", "vit-tiny")
BATCH, CLASSES, PX = 64, 26, 28
SIZES = (16, 28, 40, 64, 96, 128)
CLASS_COUNTS = (10, 100, 1_000, 10_000)
IMAGE_COUNTS = (2_000, 8_000, 32_000, 128_000)
CELL_COUNTS = (10, 100, 1_000)

Row = dict[str, Any]


def step_row(model: str, px: int, classes: int, ceilings: Ceilings, seconds: float) -> Row:
    """Return what a training step takes, and what it would take at the machine's best."""
    protocol = Protocol(image_px=px, color="grey", batch_size=BATCH, stem="light")
    spec = CostSpec(
        model=model,
        model_digest=source_of(model).digest(),
        image_px=px,
        channels=1,
        num_classes=classes,
        source_px=px,
        protocol=protocol,
    )
    request = Request(spec=spec, part="training", seconds=seconds)
    (outcome,) = [end for _, end in local(api.WORKERS)([request], measure_part)]
    assert isinstance(outcome, Done), outcome
    measured, window = outcome.result.measured, outcome.result.window
    counts = _counts(model, ModelShape(px, 1, classes), protocol)
    least = floors(counts, ceilings)
    step_s = BATCH / measured.train_images_per_s
    return {
        "model": model,
        "px": px,
        "classes": classes,
        "step_s": step_s,
        "peak_mib": measured.train_peak_mib,
        **counts._asdict(),
        "gflops": counts.gflop / step_s,
        "bound": least.highest,
        "floor_s": getattr(least, least.highest),
        **{f"{name}_floor_s": value for name, value in least._asdict().items()},
        "contention_frac": window.contention_frac,
    }


def _counts(model: str, shape: ModelShape, protocol: Protocol) -> Counts:
    network = build(model, shape, protocol)
    put_into_usual_form(network, choose())
    batch, px = protocol.batch_size, shape.image_px
    labels_B = torch.arange(batch) % shape.num_classes
    return count(network, torch.rand(batch, shape.channels, px, px), labels_B)


def sizes(ceilings: Ceilings, seconds: float) -> Iterator[Row]:
    """Yield a row for each model and image size."""
    for model in MODELS:
        yield from (step_row(model, px, CLASSES, ceilings, seconds) for px in SIZES)


def classes(ceilings: Ceilings, seconds: float) -> Iterator[Row]:
    """Yield a row for each model and number of classes."""
    for model in MODELS:
        yield from (step_row(model, PX, num, ceilings, seconds) for num in CLASS_COUNTS)


def _watched_cell(cell: CellSpec, say: Callable[[Any], None]) -> dict[str, float | None]:
    """Run a cell; return where its time went, and the most memory that its process had."""
    before_mib = _most_mib()
    resources = run_cell(cell, lambda _: None, DataHome.find(None)).record.resources
    return {
        **resources.clocks.model_dump(),
        "before_mib": before_mib,
        "peak_mib": _most_mib(),
        "contention_frac": resources.contention_frac,
    }


def _most_mib() -> float:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most / 2**20 if sys.platform == "darwin" else most / 2**10)


def images(ceilings: Ceilings) -> Iterator[Row]:
    """Yield what a cell of `glyphnet` takes for one epoch, for each number of training images."""
    protocol = Protocol(image_px=PX, color="grey", epochs=1, batch_size=256, keep_weights="none")
    least = floors(_counts("glyphnet", ModelShape(PX, 1, CLASSES), protocol), ceilings)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for num in IMAGE_COUNTS:
            data = Path(folder) / str(num)
            data.mkdir()
            for part, count_of in (("train", num), ("val", 500), ("test", 500)):
                pixels = rng.integers(0, 256, (count_of, PX, PX), dtype=np.uint8)
                np.savez(data / f"{part}.npz", images=pixels, labels=np.arange(count_of) % CLASSES)
            study = Study(
                name="growth",
                datasets=(f"npz:{data}",),
                models=("glyphnet",),
                protocol=protocol,
            )
            run = api.prepare(study, out_dir=data / "run")
            (end,) = [end for _, end in local(api.WORKERS)(run.cells, _watched_cell)]
            assert isinstance(end, Done), end
            yield {
                "images": num,
                **end.result,
                "bound": least.highest,
                "floor_s": getattr(least, least.highest) * num / protocol.batch_size,
                "bytes_mib": 2 * num * PX**2 / 2**20,  # held where they are read, and staged
            }


def cells() -> Iterator[Row]:
    """Yield what the laboratory itself takes for each number of cells.

    One cell is trained, in a process of its own; all others are kept with its result.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = api.prepare(_digits(1), out_dir=Path(folder) / "one")
        (real,) = [end for _, end in local(api.WORKERS)(run.cells, _real_cell)]
        assert isinstance(real, Done), real
        work = [(num, real.result) for num in CELL_COUNTS]
        for (num, _), end in local(api.WORKERS)(work, _bookkeeping):
            assert isinstance(end, Done), end
            yield {"cells": num, **end.result}


def _digits(num_seeds: int) -> Study:
    return Study(
        name="growth",
        datasets=("digits",),
        models=("glyphnet",),
        seeds=tuple(range(num_seeds)),
        protocol=Protocol(keep_weights="none"),
    )


def _real_cell(cell: CellSpec, say: Callable[[Any], None]) -> CellResult:
    return run_cell(cell, lambda _: None, DataHome.find(None))


def _bookkeeping(work: tuple[int, CellResult], say: Callable[[Any], None]) -> Row:
    """Return the seconds of each thing that is done once per cell, and this process's memory."""
    with tempfile.TemporaryDirectory() as folder:
        return _kept(*work, Path(folder))


def _kept(num: int, real: CellResult, folder: Path) -> Row:
    study = _digits(num)

    def work(cell: CellSpec, say: Callable[[Any], None]) -> CellResult:
        return replace(
            real, record=real.record.model_copy(update={"cell": cell, "cell_id": cell.cell_id})
        )

    _begin_once(folder)
    before_mib, seconds = _most_mib(), dict[str, float]()
    timed = functools.partial(_timed, seconds)
    others, busy = Contention(), time.process_time()
    run = timed("prepare", lambda: api.prepare(study, out_dir=folder / "run"))
    timed("store", lambda: list(conduct(run.cells, run.store, work, execute_here)))
    records = timed("read", lambda: run.store.finished(run.cells))
    timed("tables", lambda: summary_tables(result_rows(run.cells, records, ())))
    again = timed("resume", lambda: api.prepare(study, out_dir=folder / "run"))
    assert not again.pending
    row = {
        **seconds,
        "processor_s": time.process_time() - busy,
        "contention_frac": others.frac(),
        "before_mib": before_mib,
        "peak_mib": _most_mib(),
    }
    contents = {path: path.read_bytes() for path in (folder / "run" / "cells").glob("*/*")}
    timed("bare_store", lambda: _write_alone(contents, folder / "bare"))
    timed("bare_read", lambda: _read_alone(folder / "run"))
    return row | {name: seconds[name] for name in ("bare_store_s", "bare_read_s")}


def _begin_once(folder: Path) -> None:
    """Do what a process does once, whatever the number of cells, and wait until it is done.

    Preparing a run imports what reads the data, and starts the server of processes, which goes on
    importing beside it.
    """
    api.prepare(_digits(1), out_dir=folder / "first")
    assert [end for _, end in local(api.WORKERS)([0], _nothing)] == [Done(None)]


def _nothing(cell: int, say: Callable[[Any], None]) -> None:
    """Do nothing, in a process that has everything imported."""


def _write_alone(contents: dict[Path, bytes], folder: Path) -> None:
    """Write the files of all cells and nothing else, each cell renamed into place."""
    for number, (_, paths) in enumerate(itertools.groupby(contents, lambda path: path.parent)):
        draft = folder / f"draft{number}"
        draft.mkdir(parents=True)
        for path in paths:
            (draft / path.name).write_bytes(contents[path])
        draft.rename(folder / str(number))


def _read_alone(run: Path) -> None:
    """Read the records of all cells and parse them, unchecked."""
    for path in (run / "cells").glob("*/record.json"):
        json.loads(path.read_bytes())


Found = TypeVar("Found")


def _timed(seconds: dict[str, float], name: str, call: Callable[[], Found]) -> Found:
    begun = time.perf_counter()
    found = call()
    seconds[f"{name}_s"] = time.perf_counter() - begun
    return found
