"""Run folders that a power cut emptied, a bad disk changed or a stranger made."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path

import numpy as np
import pytest

from lab.fakes import WEIGHTS, fake_costs, fake_plan, fake_result
from neurovisionlab.core.costs import cost_spec
from neurovisionlab.core.errors import StoreError
from neurovisionlab.core.records import CellRecord, Failure
from neurovisionlab.core.spec import FILE_VERSION, CellSpec
from neurovisionlab.data import files
from neurovisionlab.data.audit import Audit, audit
from neurovisionlab.data.images import ImageSet, Provenance
from neurovisionlab.lab.conduct import conduct, pending
from neurovisionlab.lab.executors import execute_here
from neurovisionlab.lab.store import Store

CELLS = fake_plan(seeds=(0, 1, 2)).cells()
LOST = CELLS[1].cell_id
OF_A_CELL = ("record.json", "predictions.npz")


def _made(folder: Path) -> Path:
    """Finish a run of three cells, and return its folder."""
    store = Store(folder / "run")
    with store.writing():
        store.keep_plan(fake_plan(seeds=(0, 1, 2)))
        for cell in CELLS:
            store.put(fake_result(cell))
    return store.root


def _opened(root: Path) -> tuple[Store, list[str]]:
    told: list[str] = []
    return Store(root, told.append), told


def _cut_to(share: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(len(content) * share)]


def _flipped(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[len(content) // 3] ^= 0x10
    return bytes(changed)


DAMAGES = {
    "empty": _cut_to(0),
    "half": _cut_to(0.5),
    "at a third": _cut_to(0.34),
    "without its end": _cut_to(0.999),
    "one bit": _flipped,
    "zeros": lambda content: b"\0" * len(content),
    "something else": lambda content: b"PK\x03\x04 no archive",
}


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", OF_A_CELL)
def test_damage_costs_one_cell_and_is_said_once(tmp_path: Path, file: str, how: str) -> None:
    root = _made(tmp_path)
    path = root / "cells" / LOST / file
    path.write_bytes(DAMAGES[how](path.read_bytes()))
    store, told = _opened(root)
    if how == "one bit" and file == "record.json" and store.has(LOST):
        return  # a digit that became another: nobody can see it
    assert store.stored_ids() == {cell.cell_id for cell in CELLS} - {LOST}
    assert pending(CELLS, store) == [CELLS[1]]
    assert [record.cell_id for record in store.finished(CELLS)] == [
        cell.cell_id for cell in CELLS if cell.cell_id != LOST
    ]
    assert len(told) == 1
    assert str(path) in told[0]
    assert "allow_pickle" not in told[0]
    # and the next run mends it
    ran = [
        cell.cell_id
        for cell, event in conduct(CELLS, store, lambda cell, say: fake_result(cell), execute_here)
        if isinstance(event, CellRecord)
    ]
    assert ran == [LOST]
    whole, told = _opened(root)
    assert pending(CELLS, whole) == []
    assert told == []
    assert list((root / "unfinished").glob("*")) == []


def test_every_cut_of_predictions_is_noticed(tmp_path: Path) -> None:
    root = _made(tmp_path)
    path = root / "cells" / LOST / "predictions.npz"
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for end in rng.choice(len(content), 60, replace=False):
        path.write_bytes(content[:end])
        assert not _opened(root)[0].has(LOST), end


def test_every_changed_byte_of_predictions_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    root = _made(tmp_path)
    path = root / "cells" / LOST / "predictions.npz"
    content = path.read_bytes()
    whole = Store(root).predictions(LOST, "test")
    rng = np.random.default_rng(1)
    for place in rng.choice(len(content), 200, replace=False):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        store, _ = _opened(root)
        if store.has(LOST):  # names and times in the archive's directory decide nothing
            np.testing.assert_array_equal(
                store.predictions(LOST, "test").logits_NC, whole.logits_NC
            )


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_weights_are_no_weights_and_the_cell_stays(tmp_path: Path, how: str) -> None:
    root = _made(tmp_path)
    path = root / "cells" / LOST / "weights.safetensors"
    path.write_bytes(DAMAGES[how](WEIGHTS))
    store, told = _opened(root)
    assert store.has(LOST)
    assert not store.has_weights(LOST)
    assert len(told) == 1


@pytest.mark.parametrize("how", [how for how in DAMAGES if how != "one bit"])
def test_a_damaged_study_comes_back_from_its_last_wording(tmp_path: Path, how: str) -> None:
    root = _made(tmp_path)
    path = root / "study.json"
    path.write_bytes(DAMAGES[how](path.read_bytes()))
    store, told = _opened(root)
    assert store.plan() == fake_plan(seeds=(0, 1, 2))
    assert "study.json" in told[0]


def test_a_study_damaged_in_all_its_wordings_is_said_and_written_anew(tmp_path: Path) -> None:
    root = _made(tmp_path)
    for path in (root / "study.json", *(root / "studies").iterdir()):
        path.write_bytes(b"")
    store, told = _opened(root)
    with pytest.raises(StoreError, match=r"study\.json: expected a study of schema 2"):
        store.plan()
    assert len(told) == 2
    assert store.known_plan() is None
    with store.writing():
        store.keep_plan(fake_plan(seeds=(0, 1, 2)))
    assert _opened(root)[0].plan() == fake_plan(seeds=(0, 1, 2))


def test_a_damaged_division_is_written_anew(tmp_path: Path) -> None:
    root = _made(tmp_path)
    (path,) = (root / "splits").iterdir()
    content = path.read_bytes()
    for damage in DAMAGES.values():
        path.write_bytes(damage(content))
        store, told = _opened(root)
        if damage is _flipped and store._split(path.stem) is not None:
            continue  # a bit that decides nothing, such as a time
        with pytest.raises(StoreError, match="expected a stored division"):
            store.split(path.stem)
        with store.writing():
            store.put(fake_result(CELLS[0]))
        assert len(told) == 1
        assert path.read_bytes() == content


@pytest.mark.parametrize("folder", ["audits", "costs"])
def test_damaged_audits_and_costs_are_looked_for_anew(tmp_path: Path, folder: str) -> None:
    root = _made(tmp_path)
    (root / folder).mkdir()
    spec = cost_spec(CELLS[0])
    name = "0" * 16 if folder == "audits" else spec.cost_id
    (root / folder / f"{name}.json").write_bytes(b"")
    store, told = _opened(root)
    assert (store.audit("0" * 64) if folder == "audits" else store.costs(spec)) is None
    assert len(told) == 1


# ── of a newer version ───────────────────────────────────────────────────────────────────────


def _newer(path: Path) -> bytes:
    content = json.loads(path.read_bytes())
    content["schema_version"] = FILE_VERSION + 1
    content["a_new_field"] = "kept"
    path.write_text(json.dumps(content))
    return path.read_bytes()


@pytest.mark.parametrize("file", ["study.json", f"cells/{LOST}/record.json"])
def test_what_a_newer_version_wrote_is_refused_and_never_overwritten(
    tmp_path: Path, file: str
) -> None:
    root = _made(tmp_path)
    newer = _newer(root / file)
    store, told = _opened(root)
    with pytest.raises(StoreError, match="3, of a newer version of this program"):
        list(conduct(CELLS, store, lambda cell, say: fake_result(cell), execute_here))
        store.plan()
    assert (root / file).read_bytes() == newer
    assert told == []


# ── of strangers ─────────────────────────────────────────────────────────────────────────────


def _renamed(root: Path, new_id: str) -> None:
    path = root / "cells" / LOST / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"cell_id": new_id}))


def _best_of(cell: CellSpec) -> CellSpec:
    return cell.model_copy(
        update={"protocol": cell.protocol.model_copy(update={"keep_weights": "best"})}
    )


RENAMED = f"other-{LOST.removeprefix('digits-')}"  # of another data set's name, with its hash


@pytest.mark.parametrize(
    "new_id", ["../../victim", "/victim", "..", "", ".", CELLS[2].cell_id, RENAMED]
)
def test_a_record_of_another_id_deletes_nothing(tmp_path: Path, new_id: str) -> None:
    victim = tmp_path / "victim" / "weights.safetensors"
    victim.parent.mkdir()
    victim.write_bytes(b"mine")
    root = _made(tmp_path)
    _renamed(root, new_id)
    store, told = _opened(root)
    assert not store.has(LOST)
    assert ("its id is" if new_id == RENAMED else "cell_id: ") in told[0]
    cells = [_best_of(cell) for cell in CELLS]
    for _ in conduct(cells, store, lambda cell, say: fake_result(cell), execute_here):
        pass
    assert victim.read_bytes() == b"mine"


def _everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


@pytest.mark.parametrize(
    "name",
    ["cells", f"cells/{LOST}", "unfinished", "splits", "studies", "audits", "costs", ".lock"],
)
def test_nothing_is_written_or_deleted_through_a_link(tmp_path: Path, name: str) -> None:
    root = _made(tmp_path)
    outside = tmp_path / "outside"
    if name == ".lock":
        outside.write_text("mine")
    else:
        outside.mkdir()
        for file in ("study.json", "record.json", f"{LOST}/record.json", "0.npz"):
            (outside / file).parent.mkdir(exist_ok=True)
            (outside / file).write_text("mine")
    place = root / name
    if place.is_dir():
        place.rename(tmp_path / "aside")
    else:
        place.unlink(missing_ok=True)
    place.symlink_to(outside)
    before = _everything(tmp_path / "outside") if outside.is_dir() else outside.read_text()
    store, _ = _opened(root)
    with pytest.raises(StoreError, match="a link, which is not followed"), store.writing():
        store.keep_plan(fake_plan())
        for cell in CELLS:
            store.put(fake_result(cell))
        store.drop_weights(LOST)
        store.put_audit(_an_audit())
        store.put_costs(fake_costs(CELLS[0]))
    now = _everything(tmp_path / "outside") if outside.is_dir() else outside.read_text()
    assert now == before


def _an_audit() -> Audit:
    rng = np.random.default_rng(0)
    images = ImageSet(
        name="made up",
        images_NHWC=rng.integers(0, 256, (12, 8, 8, 1), dtype=np.uint8),
        labels_N=np.arange(12) % 2,
        class_names=("a", "b"),
        parts={"train": (0, 12)},
        provenance=Provenance("made up", "none"),
    )
    return audit(images)


def test_a_link_is_not_read_through_either(tmp_path: Path) -> None:
    root, elsewhere = _made(tmp_path), tmp_path / "elsewhere"
    (root / "cells" / LOST).rename(elsewhere)
    (root / "cells" / LOST).symlink_to(elsewhere)
    store, told = _opened(root)
    assert store.stored_ids() == {cell.cell_id for cell in CELLS} - {LOST}
    assert "a link, which is not followed" in told[0]


def test_files_that_are_links_are_replaced_and_not_written_through(tmp_path: Path) -> None:
    root = _made(tmp_path)
    victim = tmp_path / "victim"
    for name in ("study.json", "report.html", "page.json", "results.csv"):
        victim.write_text("mine")
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(victim)
    store, _ = _opened(root)
    with pytest.raises(StoreError, match="a link"):
        store.write_text("report.html", "page")
    with pytest.raises(StoreError, match="a link"):
        store.keep_plan(fake_plan())
    assert victim.read_text() == "mine"


def test_failures_are_not_written_through_a_link(tmp_path: Path) -> None:
    root, victim = _made(tmp_path), tmp_path / "victim"
    victim.write_text("mine\n")
    (root / "failures.jsonl").symlink_to(victim)
    store, told = _opened(root)
    failure = Failure(
        cell_id="x", kind="Killed", message="", traceback="", is_user_error=False,
        failed_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    with pytest.raises(StoreError, match="a link"):
        store.put_failure(failure)
    assert store.failures() == []
    assert victim.read_text() == "mine\n"
    assert len(told) == 1


@pytest.mark.parametrize(
    "name",
    ["study.json", "page.json", "failures.jsonl", *(f"cells/{LOST}/{file}" for file in OF_A_CELL)],
)
def test_a_pipe_in_a_run_holds_nobody_up(tmp_path: Path, name: str) -> None:
    root = _made(tmp_path)
    (root / name).unlink(missing_ok=True)
    os.mkfifo(root / name)
    store, told = _opened(root)

    def read() -> None:
        assert store.plan() == fake_plan(seeds=(0, 1, 2))
        store.language()
        store.failures()
        found.append(len(store.finished(CELLS)))

    found: list[int] = []
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(30)
    assert not reader.is_alive()
    assert found == [2 if "cells" in name else 3]
    assert len(told) == (0 if name == "page.json" else 1)


def test_predictions_that_claim_to_be_huge_cost_no_memory(tmp_path: Path) -> None:
    root = _made(tmp_path)
    path = root / "cells" / LOST / "predictions.npz"
    with np.load(path) as arrays:
        content = dict(arrays)
    for shape in ((1 << 20, 3), (12, 1 << 20), (0, 3), (12,), (12, 3, 1)):
        content["test_logits"] = np.zeros(shape, np.float32)
        np.savez_compressed(path, **content)
        assert not _opened(root)[0].has(LOST)
    for kind in (np.float64, np.int64, object):
        content["test_logits"] = np.zeros((12, 3), kind)
        np.savez(path, allow_pickle=True, **content)
        store, told = _opened(root)
        assert not store.has(LOST)
        assert "allow_pickle" not in told[0]


# ── disks that are full or cannot be written to ──────────────────────────────────────────────


@pytest.mark.parametrize("place", range(1, 12))
def test_a_full_disk_at_any_flush_leaves_the_former_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    root = _made(tmp_path)
    extra = fake_plan(seeds=(0, 1, 2, 3)).cells()[3]
    before = _everything(root)
    flush, count = os.fsync, 0

    def full(number: int) -> None:
        nonlocal count
        count += 1
        if count == place:
            raise OSError(28, "No space left on device")
        flush(number)

    store, _ = _opened(root)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        try:
            with store.writing():
                store.put(fake_result(extra))
        except StoreError as error:
            assert "free space; finished cells are kept" in str(error)
        else:
            assert count < place  # more places than flushes
    added = _everything(root).keys() - before.keys()
    assert {name.split("/")[0] for name in added} <= {"cells"}
    assert all(_everything(root)[name] == content for name, content in before.items())
    again, told = _opened(root)
    assert again.has(extra.cell_id) == bool(added)
    assert told == []


# ── what is no damage ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("file", OF_A_CELL)
@pytest.mark.parametrize(
    "shortage",
    [OSError(errno.EMFILE, "Too many open files"), MemoryError()],
    ids=["files", "memory"],
)
def test_a_machine_short_of_something_trains_no_cell_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, shortage: Exception
) -> None:
    root = _made(tmp_path)
    before = _everything(root)
    opened = files.opened

    @contextlib.contextmanager
    def short(path: Path) -> Iterator[BufferedReader]:
        if path.name == file and LOST in path.parts:
            raise shortage
        with opened(path) as found:
            yield found

    store, told = _opened(root)
    with monkeypatch.context() as patch:
        patch.setattr(files, "opened", short)
        with pytest.raises(StoreError, match="again when less runs beside it"):
            list(conduct(CELLS, store, lambda cell, say: fake_result(cell), execute_here))
    assert told == []
    assert _everything(root) == before
    assert pending(CELLS, Store(root)) == []


def test_memory_that_fails_while_numbers_are_read_is_no_damage_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _made(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise MemoryError

    store, told = _opened(root)
    with monkeypatch.context() as patch:
        patch.setattr("neurovisionlab.lab.damage.check_predictions", full)
        with pytest.raises(StoreError, match="no memory for it"):
            store.has(LOST)
    assert told == []


@pytest.mark.parametrize("kind", ["costs", "audits"])
def test_costs_and_audits_of_a_newer_version_are_refused(tmp_path: Path, kind: str) -> None:
    root = _made(tmp_path)
    store = Store(root)
    costs, found = fake_costs(CELLS[0]), _an_audit()
    store.put_costs(costs)
    store.put_audit(found)
    (path,) = (root / kind).iterdir()
    newer = _newer(path)
    store, told = _opened(root)
    with pytest.raises(StoreError, match="3, of a newer version"):
        store.costs(costs.spec) if kind == "costs" else store.audit(found.digest)
    assert (path.read_bytes(), told) == (newer, [])


@pytest.mark.parametrize("content", [b"[" * 200_000, b"7", b"[]", b'{"language": {"a": 1}}'])
def test_odd_settings_of_a_page_are_none(tmp_path: Path, content: bytes) -> None:
    root = _made(tmp_path)
    (root / "page.json").write_bytes(content)
    assert Store(root).language() is None


@pytest.mark.parametrize("name", ["tensorboard", f"tensorboard/{LOST}"])
def test_others_write_through_no_link_either(tmp_path: Path, name: str) -> None:
    root = _made(tmp_path)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).symlink_to(tmp_path)
    with pytest.raises(StoreError, match="a link, which is not followed"):
        Store(root).place("tensorboard", LOST)
