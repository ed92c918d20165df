"""The store: complete or absent, one writer, damage is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lab.fakes import WEIGHTS, fake_plan, fake_result
from neurovisionlab.core.errors import StoreError
from neurovisionlab.core.records import Failure
from neurovisionlab.lab.plan import Plan
from neurovisionlab.lab.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store that is held for writing in no test but those that say so."""
    made = Store(tmp_path / "run")
    with made.writing():
        made.keep_plan(fake_plan())
    return made


def test_a_result_comes_back_as_it_was(store: Store) -> None:
    cell = fake_plan().cells()[0]
    result = fake_result(cell, weights=WEIGHTS)
    assert not store.has(cell.cell_id)
    store.put(result)
    assert store.has(cell.cell_id)
    assert store.get(cell.cell_id) == result.record
    for part in ("val", "test"):
        back = store.predictions(cell.cell_id, part)
        for name in ("logits_NC", "labels_N", "indices_N"):
            was, now = getattr(result.predictions[part], name), getattr(back, name)
            assert now.dtype == was.dtype
            np.testing.assert_array_equal(now, was)
    split = store.split(result.record.split_id)
    for name in ("train_N", "val_N", "test_N"):
        np.testing.assert_array_equal(getattr(split, name), getattr(result.split, name))
    weights = store.root / "cells" / cell.cell_id / "weights.safetensors"
    assert weights.read_bytes() == WEIGHTS


def test_a_diverged_cell_is_finished_without_arrays(store: Store) -> None:
    cell = fake_plan().cells()[0]
    store.put(fake_result(cell, diverged=True))
    assert store.get(cell.cell_id).status == "diverged"
    assert not store.has_weights(cell.cell_id)
    with pytest.raises(StoreError, match="stored predictions"):
        store.predictions(cell.cell_id, "test")


@pytest.mark.parametrize("broken", ["savez", "fsync", "rename"])
def test_a_crash_while_storing_leaves_nothing_that_counts(
    store: Store, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    first, second = fake_plan().cells()
    store.put(fake_result(first))

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        owners = {"savez": np, "fsync": os, "rename": Path}
        patch.setattr(owners[broken], broken, crash)
        with pytest.raises(KeyboardInterrupt):
            store.put(fake_result(second))
    assert store.stored_ids() == {first.cell_id}
    assert not store.has(second.cell_id)
    with pytest.raises(StoreError, match="finished cell"):
        store.get(second.cell_id)
    assert (store.root / "unfinished").is_dir()
    with store.writing():
        assert not (store.root / "unfinished").exists()
        store.put(fake_result(second))
    assert store.stored_ids() == {first.cell_id, second.cell_id}


def test_a_cell_whose_record_was_deleted_can_be_stored_anew(store: Store) -> None:
    cell = fake_plan().cells()[0]
    store.put(fake_result(cell))
    (store.root / "cells" / cell.cell_id / "record.json").unlink()
    assert not store.has(cell.cell_id)
    store.put(fake_result(cell, weights=WEIGHTS))
    assert store.has(cell.cell_id)


def test_a_plan_comes_back_with_the_same_cells(store: Store) -> None:
    plan = fake_plan(
        seeds=(0, 5), models=("resnet18", "vit-tiny"), vary={"learning_rate": (0.001, 0.01)}
    )
    store.keep_plan(plan)
    back = Store.existing(store.root).plan()
    assert back == plan
    assert [c.cell_id for c in back.cells()] == [c.cell_id for c in plan.cells()]
    assert len(back.cells()) == 8
    # the wording of before is kept aside
    kept = [Plan.model_validate_json(p.read_bytes()) for p in (store.root / "studies").iterdir()]
    assert len(kept) == 2
    assert fake_plan() in kept


def test_two_writers_are_one_too_many(store: Store) -> None:
    with (
        store.writing(),
        pytest.raises(StoreError, match="another run is writing"),
        Store(store.root).writing(),
    ):
        pass
    with store.writing():  # and the lock is free again
        pass


def test_a_writer_in_another_process_is_noticed(store: Store) -> None:
    code = (
        "import sys; from pathlib import Path; from neurovisionlab.lab.store import Store\n"
        "with Store(Path(sys.argv[1])).writing(): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(store.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline().strip() == "held"
        with pytest.raises(StoreError, match="another run"), store.writing():
            pass
        other.stdin.close()
        assert other.wait(20) == 0
    with store.writing():
        pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    file = tmp_path / "a-file"
    file.write_text("no folder")
    wanted = r"can write to.*try --out DIR"
    with pytest.raises(StoreError, match=wanted), Store(file / "run").writing():
        pass
    with pytest.raises(StoreError, match="can write to"), Store(file).writing():
        pass


def test_a_folder_without_permission_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))  # tests may run as root

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        wanted = r"can write to.*Permission denied"
        with pytest.raises(StoreError, match=wanted), Store(tmp_path / "run").writing():
            pass


def test_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"expected a run \(study.json\)"):
        Store.existing(tmp_path)


def test_failures_come_back_and_a_torn_line_is_no_harm(store: Store) -> None:
    assert store.failures() == []
    failure = Failure(
        cell_id="x",
        kind="Killed",
        message='a "quoted"\nmessage, Ї',
        traceback="",
        is_user_error=False,
        failed_at="2026-01-01T00:00:00+00:00",
    )
    store.put_failure(failure)
    store.put_failure(failure)
    assert store.failures() == [failure, failure]
    with (store.root / "failures.jsonl").open("a") as file:
        file.write('{"cell_id": "y", "ki')  # the power went
    assert store.failures() == [failure, failure]
    store.put_failure(failure)  # behind the torn line, not within it
    assert Store(store.root).failures() == [failure, failure, failure]


def test_a_page_is_written_whole(store: Store) -> None:
    path = store.write_text("report.html", "Ї き")
    assert path.read_text(encoding="utf-8") == "Ї き"
    assert not list(store.root.glob(".report*"))


def test_a_run_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writing():
        store.keep_plan(fake_plan())
    path = tmp_path / "study.json"
    path.write_text(path.read_text().replace('"schema_version": 2', '"schema_version": 99'))
    with pytest.raises(StoreError, match="99, of a newer version"):
        store.plan()
