"""Commands on disks that are full or cannot be written to: one message, code 2, nothing lost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import disks
from e2e.conftest import Nvl
from e2e.studies import run_with_fakes, write_study

pytestmark = pytest.mark.loopdevice


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@contextlib.contextmanager
def _full(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 1024)
    yield
    filler.unlink()


@pytest.fixture
def study(tiny_npz: Path) -> Path:
    """Return a study of two cells."""
    return write_study(tiny_npz, f"npz:{tiny_npz}", "seeds = [0, 1]")


@pytest.fixture
def image(tmp_path: Path, study: Path) -> Path:
    """Return a disk with a finished run, whose report was not yet written."""
    made = disks.new_disk(tmp_path, size_mib=4)
    with disks.mounted(made) as disk:
        run_with_fakes(study, disk / "run")
    return made


def test_on_a_full_disk(nvl_here: Nvl, image: Path, study: Path, tmp_path: Path) -> None:
    other = run_with_fakes(study, tmp_path / "another").store.root
    with disks.mounted(image) as disk:
        run = disk / "run"
        before = _files(run)
        commands = [
            ["report", str(run)],
            ["results", str(run)],
            ["compare", str(run), str(other), "--out", str(disk / "compare.html")],
            ["run", str(study), "--out", str(disk / "other"), "--no-measure"],
        ]
        with _full(disk):
            for words in commands:
                answer = nvl_here(*words)
                assert answer.code == 2, (words, answer)
                assert answer.err.count("error:") == 1, answer.err
                assert "No space left on device" in answer.err
                assert "Traceback" not in answer.err
            for words in (["status"], ["verdicts"], ["results", "--json"]):
                assert nvl_here(words[0], str(run), *words[1:]).code == 0
        assert _files(run) == before
        strays = [path.name for path in disk.rglob(".*") if path.name != ".lock"]
        assert strays == []
        for words in commands[:3]:
            assert nvl_here(*words).code == 0


def test_on_a_disk_that_cannot_be_written_to(
    nvl_here: Nvl, image: Path, study: Path, tmp_path: Path
) -> None:
    other = run_with_fakes(study, tmp_path / "another").store.root
    with disks.mounted(image, "ro") as disk:
        run = disk / "run"
        for words in (
            ["report", str(run)],
            ["compare", str(run), str(other), "--out", str(disk / "compare.html")],
            ["run", str(study), "--out", str(run), "--no-measure"],
            ["run", str(study), "--out", str(disk / "other"), "--no-measure"],
        ):
            answer = nvl_here(*words)
            assert answer.code == 2, (words, answer)
            assert answer.err.count("error:") == 1, answer.err
            assert "Read-only file system" in answer.err
        for words in (["status"], ["verdicts"], ["results", "--json"]):
            assert nvl_here(words[0], str(run), *words[1:]).code == 0
