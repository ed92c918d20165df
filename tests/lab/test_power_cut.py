"""A store on a disk whose power is cut, that is full, or that cannot be written to."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

import disks
from lab.fakes import fake_costs, fake_plan, fake_result
from neurovisionlab.core.errors import StoreError
from neurovisionlab.core.records import CellRecord
from neurovisionlab.lab.conduct import conduct, pending
from neurovisionlab.lab.executors import execute_here
from neurovisionlab.lab.store import Store

PLAN = fake_plan(seeds=tuple(range(4)))
CELLS = PLAN.cells()
pytestmark = pytest.mark.loopdevice


def _run(root: Path, tell: list[str] | None = None) -> list[str]:
    """Do all that is missing; return the ids of the cells that ran."""
    store = Store(root, (tell if tell is not None else []).append)
    with store.writing():
        store.keep_plan(PLAN)
    events = conduct(CELLS, store, lambda cell, say: fake_result(cell), execute_here)
    return [event.cell_id for _, event in events if isinstance(event, CellRecord)]


def test_what_is_done_is_done_when_the_power_goes(tmp_path: Path) -> None:
    image = disks.new_disk(tmp_path, size_mib=32)
    with disks.mounted(image) as disk:
        root = disk / "runs" / "new"
        assert len(_run(root)) == len(CELLS)
        store = Store(root)
        store.put_costs(fake_costs(CELLS[0]))
        store.write_text("report.html", "<!doctype html>" * 100)
        (disk / "not-flushed").write_text("lost")
        copy = disks.without_power(image)
    with disks.mounted(copy) as disk:
        found = (path for path in disk.rglob("*") if path.is_file())
        files = {str(path.relative_to(disk)): path.stat().st_size for path in found}
        assert files.pop("not-flushed", 0) == 0  # the power was really cut
        files.pop("runs/new/.lock", 0)
        assert len(files) > 3 * len(CELLS)
        assert min(files.values()) > 0, files
        told: list[str] = []
        assert _run(disk / "runs" / "new", told) == []
        assert told == []


@pytest.mark.parametrize("kept", range(0, 160, 16))
def test_a_full_disk_is_one_error_and_nothing_of_it_stays(tmp_path: Path, kept: int) -> None:
    """Leave so many KiB free, run, free the rest, and go on."""
    image = disks.new_disk(tmp_path, size_mib=2)
    with disks.mounted(image) as disk:
        root, filler = disk / "run", disk / "filler"
        store = Store(root)
        with store.writing():
            store.keep_plan(PLAN)
            store.put(fake_result(CELLS[0]))
        _fill(filler, kept)
        with pytest.raises(StoreError, match="free space; finished cells are kept"):
            _run(root)
            raise StoreError("it all fitted: free space; finished cells are kept")
        strays = [path for path in root.rglob(".*") if path.name != ".lock"]
        assert strays == []
        assert list((root / "unfinished").glob("*")) == []
        done = len(CELLS) - len(pending(CELLS, Store(root)))
        assert done >= 1
        filler.unlink()
        assert len(_run(root)) == len(CELLS) - done


def _fill(filler: Path, kept_kib: int) -> None:
    """Fill the disk but for so many KiB."""
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 1024)
    with filler.open("r+b") as file:
        file.truncate(max(0, filler.stat().st_size - kept_kib * 1024))


def test_a_disk_that_cannot_be_written_to_is_read_all_the_same(tmp_path: Path) -> None:
    image = disks.new_disk(tmp_path, size_mib=8)
    with disks.mounted(image) as disk:
        _run(disk / "run")
    with disks.mounted(image, "ro") as disk:
        store = Store(disk / "run")
        assert len(store.finished(CELLS)) == len(CELLS)
        with pytest.raises(StoreError, match="Read-only file system"):
            store.write_text("report.html", "page")
        with pytest.raises(StoreError, match=r"Read-only file system.*try --out DIR"):
            _run(disk / "run")
