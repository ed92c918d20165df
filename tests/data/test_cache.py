"""The cache: damaged entries cost themselves alone and are said; drafts never stay behind."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.stand_ins import home_in, made_up_set, write_stand_in
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data import cache, sources
from neurovisionlab.data.cache import cached_set, keep_info, keep_set
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.sources import describe, load

SAID = "a damaged entry of the cache counts as absent and is made anew"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the folders that were really decoded."""
    decoded: list[str] = []
    own = sources.OWN_KINDS["folder"]

    def counted(ref: DataRef, *rest: Any) -> ImageSet:
        decoded.append(ref.name)
        return own.read(ref, *rest)

    monkeypatch.setitem(sources.OWN_KINDS, "folder", dataclasses.replace(own, read=counted))
    return decoded


def folder_of_letters(folder: Path) -> DataRef:
    """Write nine pictures of 20 px, all different."""
    for letter in "ABC":
        (folder / letter).mkdir(parents=True)
        for number in range(3):
            rng = np.random.default_rng(100 * ord(letter) + number)
            pixels = rng.integers(0, 256, (20, 20), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / letter / f"{number}.png")
    return DataRef(name=f"folder:{folder}")


def entries(home: DataHome) -> list[Path]:
    return sorted(path for path in home.cache_dir.rglob("*") if path.is_file())


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "one byte less": lambda content: content[:-1],
    "last byte": lambda content: flipped(content, len(content) - 1),
    "first byte": lambda content: flipped(content, 0),
    "middle": lambda content: flipped(content, len(content) // 2),
    "nulls": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("name", ["info", "meta.json", "images.npy", "labels.npy"])
def test_a_damaged_entry_is_made_anew_alone_and_said(
    tmp_path: Path, reads: list[str], caplog: pytest.LogCaptureFixture, name: str, kind: str
) -> None:
    home = home_in(tmp_path)
    damaged, other = (folder_of_letters(tmp_path / one) for one in ("damaged", "other"))
    describe(other, home)
    before = {path: path.stat().st_mtime_ns for path in entries(home)}
    first = describe(damaged, home)
    (path,) = (
        path
        for path in entries(home)
        if path not in before and (path.name == name or (name == "info" and "infos" in path.parts))
    )
    path.write_bytes(DAMAGES[kind](path.read_bytes()))
    reads.clear()
    assert describe(damaged, home) == first
    assert load(damaged, home).digest == first.digest
    assert [record.getMessage().partition(":")[2].strip() for record in caplog.records] == [
        f"{SAID}: {path if name == 'info' else path.parent}"
    ]
    assert reads == ([] if name == "info" else [damaged.name])
    assert {path: path.stat().st_mtime_ns for path in before} == before
    caplog.clear()
    assert (describe(damaged, home), load(damaged, home).digest) == (first, first.digest)
    assert len(reads) <= 1 and not caplog.records, "it is whole again"


@pytest.mark.parametrize("seed", range(30))
def test_any_flipped_bit_gives_the_same_set(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    home, ref = home_in(tmp_path), folder_of_letters(tmp_path / "letters")
    first, digest = describe(ref, home), load(ref, home).digest
    for path in entries(home):
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    assert (describe(ref, home), load(ref, home).digest) == (first, digest)


def without_seals(home: DataHome) -> None:
    """Make entries as former versions wrote them."""
    for path in entries(home):
        if path.suffix == ".json":
            content = json.loads(path.read_text())
            content.pop("seal")
            if path.name == "meta.json":
                content.pop("digest")
            path.write_text(json.dumps(content))


def test_entries_of_former_versions_are_used(
    tmp_path: Path, reads: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    home, ref = home_in(tmp_path), folder_of_letters(tmp_path / "letters")
    first = describe(ref, home)
    without_seals(home)
    assert (describe(ref, home), load(ref, home).digest) == (first, first.digest)
    assert len(reads) == 1 and not caplog.records


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "info"])
def test_damage_in_an_entry_of_a_former_version_is_found_by_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    home, ref = home_in(tmp_path), folder_of_letters(tmp_path / "letters")
    first = describe(ref, home)
    without_seals(home)
    (path,) = (
        p for p in entries(home) if p.name == name or (name == "info" and "infos" in p.parts)
    )
    if name == "info":
        path.write_text(path.read_text().replace(first.digest, first.digest[::-1]))
    else:
        content = path.read_bytes()
        path.write_bytes(flipped(content, len(content) - 8))
    assert load(ref, home).digest == first.digest
    assert describe(ref, home) == first
    assert SAID in caplog.text


def test_a_changed_digest_of_a_published_set_mends_itself(tmp_path: Path) -> None:
    home, ref = home_in(tmp_path), DataRef(name="mnist")
    write_stand_in("mnist", home.data_dir)
    first = describe(ref, home)
    without_seals(home)
    (path,) = entries(home)
    path.write_text(path.read_text().replace(first.digest, first.digest[::-1]))
    assert load(ref, home).digest == first.digest
    assert describe(ref, home) == first


# ── drafts ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left"), KeyboardInterrupt(), MemoryError()]
)
@pytest.mark.parametrize("step", ["_write_array", "write_flushed", "flush"])
def test_no_draft_stays_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    home, images = home_in(tmp_path), made_up_set({"train": [3, 3]})

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(cache, step, fails)
    try:
        keep_set(home, "key", images)
    except BaseException as raised:
        assert raised is error and not isinstance(error, OSError)
    assert list((home.cache_dir / "sets").iterdir()) == []


def test_a_folder_that_takes_no_more_is_done_without(tmp_path: Path) -> None:
    home, images = home_in(tmp_path), made_up_set({"train": [3, 3]})
    for name in ("sets", "infos"):
        (home.cache_dir / name).mkdir(parents=True)
        (home.cache_dir / name / "key.json").mkdir()
        (home.cache_dir / name / "key").write_text("a file in place of a folder")
    keep_set(home, "key", images)
    keep_info(home, "key", images.info())
    assert len(list(home.cache_dir.rglob("*"))) == 6


KILLED = """
import os, sys
from pathlib import Path
from neurovisionlab.data import cache
from neurovisionlab.data.home import DataHome
from data.stand_ins import made_up_set
cache.flush = lambda path: os.kill(os.getpid(), 9)
cache.keep_set(DataHome(Path(sys.argv[1]), Path(sys.argv[1])), "other", made_up_set({"train": [2]}))
"""


def test_drafts_of_processes_that_died_are_swept_and_others_stay(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    tests = str(Path(__file__).parents[1])
    env = os.environ | {"PYTHONPATH": os.pathsep.join([tests, *sys.path])}
    subprocess.run([sys.executable, "-c", KILLED, str(home.cache_dir)], env=env, check=False)
    folder = home.cache_dir / "sets"
    (draft,) = folder.iterdir()
    assert draft.name.startswith(".draft-")
    living = folder / draft.name.replace(draft.name.split("-")[-2], str(os.getpid()))
    elsewhere = folder / ".draft-another-1-abc"
    former = folder / "tmpabc"
    for path in (living, elsewhere, former):
        path.mkdir()
    os.utime(former, (1, 1))
    keep_set(home, "key", made_up_set({"train": [3, 3]}))
    assert sorted(folder.iterdir()) == sorted([living, elsewhere, folder / "key"])
    infos = home.cache_dir / "infos"
    infos.mkdir()
    (infos / ".key.json.999999999.draft").write_text("half")
    keep_info(home, "key", made_up_set({"train": [3, 3]}).info())
    assert [path.name for path in infos.iterdir()] == ["key.json"]


def test_what_is_kept_is_flushed_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, flushed = home_in(tmp_path), []
    real = os.fsync
    keys: list[bool] = []

    def noted(number: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{number}").readlink())
        keys.append((home.cache_dir / "sets" / "key").exists())
        real(number)

    monkeypatch.setattr(os, "fsync", noted)
    keep_set(home, "key", made_up_set({"train": [3, 3]}))
    names = [one.name for one in flushed]
    assert names[:3] == ["images.npy", "labels.npy", "meta.json"]
    assert names[3].startswith(".draft-") and names[4] == "sets"
    assert keys == [False] * 4 + [True]


def test_arrays_that_do_not_belong_together_are_no_set(tmp_path: Path) -> None:
    home, images = home_in(tmp_path), made_up_set({"train": [3, 3], "test": [1, 1]})
    wrong: dict[str, Any] = {
        "labels": np.zeros(7, np.int64),
        "kind": np.zeros(8, np.float64),
        "column": np.zeros((8, 1), np.int64),
        "objects": np.array([None] * 8, dtype=object),
    }
    for array in wrong.values():
        keep_set(home, "key", images)
        without_seals(home)
        assert cached_set(home, "key") is not None
        np.save(home.cache_dir / "sets" / "key" / "labels.npy", array, allow_pickle=True)
        assert cached_set(home, "key") is None
