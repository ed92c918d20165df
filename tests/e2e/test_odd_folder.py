"""A folder with everything odd at once: each oddity is said in a line, what is sound is trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e2e.conftest import Nvl

STUDY = """
name = "odd"
datasets = ["folder:."]
models = ["vit-tiny"]
on_bad_image = "skip"
[protocol]
image_px = 16
epochs = 1
batch_size = 8
"""

SAID = (
    "folders understood as parts: Training/ = train, TEST/ = test",
    "2 unreadable pictures skipped: ",
    "of which the first is used: 1 (Training/cat/film.gif)",
    "all scaled alike from 0–4095 to 0–255: 2",
    "taken as pictures of 12 bits",
    "class names that cannot be printed, written otherwise: 1 (two\\x0alines)",
    "classes without a picture in the test part: 1 (owl)",
    "not used, files that are no pictures: 2 (Training/cat/notes.txt, study.toml)",
    "not used, pictures of kinds that cannot be read (raw, vector, HEIC, icons): 1 (Training/cat/d",
    "not used, pictures outside the folders of classes: 2 (Training/loose.png, plan.png)",
    "not used, folders without pictures: 2 (Training/bird/, empty/)",
    "not used, links to nowhere, in circles or within a class: 1 (circle)",
    "not used, hidden files and those of the system: 3 (.cache, Training/cat/Thumbs.db, __MACOSX)",
)


def _noise(path: Path, seed: int, size: int = 20) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)
    Image.fromarray(values).save(path, "JPEG" if path.suffix == ".jfif" else "PNG")
    return path


def _deep(path: Path, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 4096, (20, 20), dtype=np.uint16)
    values[0, 0] = 4095
    Image.fromarray(values).save(path)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Return a folder as nobody should have it, with its study in it."""
    root = tmp_path / "odd"
    for seed, name in enumerate(("cat", "dog", "owl", "two\nlines")):
        for number in range(8):
            suffix = (".png", ".jfif", "")[number % 3]
            _noise(root / "Training" / name / f"{number}{suffix}", 10 * seed + number)
        _noise(root / "TEST" / name / "1.png", seed)
    train = root / "Training"
    (root / "TEST" / "owl" / "1.png").write_bytes(b"broken")
    (train / "dog" / "bad.avif").write_bytes(b"broken")
    frames = [Image.new("L", (20, 20), value) for value in (10, 200)]
    frames[0].save(train / "cat" / "film.gif", save_all=True, append_images=frames[1:])
    for number in range(2):
        _deep(train / "dog" / f"deep{number}.png", number)
    for name in ("cat/notes.txt", "cat/Thumbs.db", "cat/drawing.svg"):
        (train / name).write_text("words")
    _noise(train / "loose.png", 1)
    _noise(root / "plan.png", 1)
    _noise(root / ".cache" / "1.png", 1)
    _noise(root / "__MACOSX" / "1.png", 1)
    (root / "empty").mkdir()
    (train / "bird").mkdir()
    (root / "circle").symlink_to(root / "circle")
    (root / "study.toml").write_text(STUDY)
    return root


def test_a_folder_of_oddities_says_each_and_trains_what_is_sound(
    odd: Path, nvl_here: Nvl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(odd)
    first = nvl_here("run", "study.toml", "--no-measure")
    assert first.code == 0, first.err
    assert "1 of 1 cells to run" in first.out
    _assert_said(first.out)
    for command in ("info", "audit"):
        told = nvl_here("data", command, "folder:.", "--px", "16", "--skip-bad")
        assert told.code == 0, told.err
        _assert_said(told.out)
        assert "not used, results of runs: 1 (runs/)" in _joined(told.out)
    again = nvl_here("run", "study.toml", "--no-measure")
    assert again.code == 0, again.err
    assert "0 of 1 cells to run" in again.out
    assert "not used, results of runs: 1 (runs/)" in _joined(again.out)
    assert "changed" not in again.out
    record = json.loads(next(odd.glob("runs/odd/cells/*/record.json")).read_text())
    # 8 of each of four classes, a film, two deep ones; and of the test part all but one
    assert record["num_images"]["train"] + record["num_images"]["val"] == 4 * 8 + 1 + 2
    assert record["num_images"]["test"] == 3
    page = (odd / "runs" / "odd" / "report.html").read_text(encoding="utf-8")
    assert "folders without pictures: 2" in page


def _joined(text: str) -> str:
    """Return words as they were before the lines of a table or a terminal broke them."""
    return " ".join(text.replace("•", " ").split())


def _assert_said(text: str) -> None:
    joined = _joined(text)
    for line in SAID:
        assert line in joined, line


def test_without_leave_to_skip_what_is_broken_stops_and_names_both_ways(
    odd: Path, nvl_here: Nvl
) -> None:
    told = nvl_here("data", "info", f"folder:{odd}", "--px", "16")
    assert told.code == 2
    assert "(and 1 more)" in told.err
    assert 'try on_bad_image = "skip" in the study (--skip-bad for nvl data)' in told.err
    told = nvl_here("data", "sheet", f"folder:{odd}", str(odd.parent / "s.png"), "--skip-bad")
    assert told.code == 0, told.err
    assert "note: not used, folders without pictures: 2" in told.err
