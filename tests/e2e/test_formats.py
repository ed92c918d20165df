"""Folders and files as people have them, and the real images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from e2e.conftest import Nvl
from e2e.studies import run_here, write_study
from neurovisionlab.core.records import CellRecord
from neurovisionlab.data.official import LETTERS
from neurovisionlab.data.sources import load

SHAPES = ("ellipse", "rectangle")


def _drawn(shape: str, size: tuple[int, int], mode: str) -> Image.Image:
    picture = Image.new(mode, size, "white")
    box = (size[0] // 4, size[1] // 4, 3 * size[0] // 4, 3 * size[1] // 4)
    getattr(ImageDraw.Draw(picture), shape)(box, fill="black")
    return picture


def _pictures(root: Path, part: str, count: int) -> None:
    """Save pictures as they come out of phones, scanners and drawing programs."""
    for shape in SHAPES:
        folder = root / part / f"{shape} Ї & co"
        folder.mkdir(parents=True)
        for number in range(count):
            size = (24 + number, 30 - number)
            if number % 3 == 0:
                _drawn(shape, size, "RGB").save(folder / f"photo {number}.JPG", "JPEG")
            elif number % 3 == 1:
                _drawn(shape, size, "RGBA").save(folder / f"drawing-{number}.png")
            else:
                _drawn(shape, size, "L").save(folder / f"scan_{number}.tiff")
        (folder / "notes.txt").write_text("not a picture")
        (folder / ".DS_Store").write_bytes(b"\0")


@pytest.mark.parametrize("has_test", [True, False])
def test_a_folder_a_person_would_make(nvl_here: Nvl, tmp_path: Path, has_test: bool) -> None:
    _pictures(tmp_path / "pics", "train" if has_test else "", 9)
    if has_test:
        _pictures(tmp_path / "pics", "test", 3)
    study = write_study(tmp_path, f"folder:{tmp_path / 'pics'}")
    run = run_here(study, tmp_path / "out")
    (record,) = run.records()
    assert record.status == "done"
    assert record.cell.channels == 3
    assert record.cell.data.class_names == tuple(f"{shape} Ї & co" for shape in SHAPES)
    total = record.num_train + record.num_val + record.num_test
    assert total == (24 if has_test else 18)
    assert record.num_test == (6 if has_test else 4)
    again = nvl_here("run", "--no-measure", str(study), "--out", str(tmp_path / "out"))
    assert again.code == 0
    assert "0 of 1 cells to run" in again.out
    assert "ellipse Ї &amp; co" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def _only_record(study: Path, folder: Path, data: Path) -> CellRecord:
    (record,) = run_here(study, folder / "out", data).records()
    assert record.status == "done"
    return record


SUBSET = "[subset]\ntrain_images = 300\ntest_images = 100"


def test_street_photographs(tmp_path: Path, real_data: Path) -> None:
    if not (real_data / "street62").is_dir():
        pytest.skip(f"no street62 in {real_data}")
    study = write_study(
        tmp_path, "npz:street62", 'models = ["mobilenetv2"]', 'image_px = "native"', SUBSET
    )
    record = _only_record(study, tmp_path, real_data)
    assert (record.cell.image_px, record.cell.channels, record.cell.num_classes) == (32, 3, 62)
    assert record.num_train + record.num_val == 300
    assert record.num_test == 100


def test_emnist_letters(tmp_path: Path, real_data: Path) -> None:
    study = write_study(
        tmp_path,
        "emnist-letters",
        'models = ["vit-tiny"]',
        'image_px = "native"\nval_frac = 0.2',
        SUBSET,
    )
    run = run_here(study, tmp_path / "out", real_data)
    (record,) = run.records()
    assert record.cell.data.num_images == {"train": 124_800, "test": 20_800}
    assert record.cell.data.class_names == LETTERS
    assert record.cell.data.notes == ()  # the published files, by their checksums
    assert (record.num_train, record.num_val, record.num_test) == (240, 60, 100)
    told = run.store.predictions(record.cell_id, "test")
    images = load(record.cell.data_ref, run.home)
    np.testing.assert_array_equal(told.labels_N, images.labels_N[told.indices_N])
    assert told.indices_N.min() >= 124_800
    counts_C = np.bincount(told.labels_N, minlength=26)
    assert counts_C.min() >= 3  # stratified
    assert counts_C.max() <= 5
