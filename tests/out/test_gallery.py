"""Pictures of mistakes are those of the images that were tested."""

from __future__ import annotations

import base64
import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lab.fakes import fake_result
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import DataRef, Study
from neurovisionlab.core.speech import ENGLISH, Voice
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.sources import load
from neurovisionlab.lab.judge import judge_run
from neurovisionlab.lab.store import Store
from neurovisionlab.lab.studies import make_plan
from neurovisionlab.out.language import voice_of
from neurovisionlab.out.page.gallery import shelves, uri
from neurovisionlab.out.page.report import render, write_report


def _pixels(address: str) -> np.ndarray[Any, Any]:
    head, content = address.split(",", 1)
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


@pytest.fixture
def run(tiny_npz: Path, tmp_path: Path) -> tuple[Store, DataHome, DataRef]:
    """Return a run on real images whose networks are always wrong."""
    name = f"npz:{tiny_npz}"
    study = Study(name="x", datasets=(name,), models=("vit-tiny", "glyphnet"), seeds=(0, 1))
    study = study.model_copy(update={"protocol": Protocol(image_px=16)})
    home = DataHome.find(tiny_npz)
    plan = make_plan(study, home)
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            store.put(fake_result(cell, skill=-50.0))
    return store, home, plan.infos[0][0]


def test_mistakes_show_the_image_its_class_and_the_answer(
    run: tuple[Store, DataHome, DataRef],
) -> None:
    store, home, ref = run
    (judged,) = judge_run(store, ("accuracy",)).datasets
    images = load(ref, home)
    nobody, sure, confused = shelves(store, judged, home)
    assert len(nobody.pictures) == len(judged.differences.suspects) == 12
    for picture, suspect in zip(nobody.pictures, judged.differences.suspects, strict=True):
        shown = _pixels(picture.uri)
        original = images.images_NHWC[suspect.index, ..., 0]
        scale = len(shown) // len(original)
        np.testing.assert_array_equal(shown[::scale, ::scale], original)
        assert picture.truth == judged.class_names[suspect.label]
        assert picture.answer == judged.class_names[suspect.answer] != picture.truth
    sureness = [float(picture.note.removesuffix("% sure")) for picture in sure.pictures]
    assert sureness == sorted(sureness, reverse=True)
    pairs = [(picture.truth, picture.answer) for picture in confused.pictures]
    told = store.predictions(store.finished(store.plan().cells())[0].cell_id, "test")
    counts = Counter(zip(told.labels_N, told.logits_NC.argmax(axis=1), strict=True))
    (truth, answer), most = counts.most_common(1)[0]
    names = judged.class_names
    assert pairs.count((names[truth], names[answer])) == min(most, 4)


def test_what_one_model_alone_recognises_is_shown(
    run: tuple[Store, DataHome, DataRef],
) -> None:
    store, home, ref = run
    for cell in store.plan().cells():
        if cell.model == "glyphnet":
            store.put(fake_result(cell, skill=50.0))
    (judged,) = judge_run(store, ("accuracy",)).datasets
    alone = shelves(store, judged, home)[-1]
    assert alone.title == "Right in every network of glyphnet, in none of another model"
    truths = [picture.truth for picture in alone.pictures]
    labels_N = load(ref, home).labels_N[list(judged.differences.alone["glyphnet"])]
    assert len(truths) == 12
    assert truths == [judged.class_names[label] for label in labels_N]
    assert {picture.answer for picture in alone.pictures} == {None}


def test_other_images_are_never_shown_in_their_place(
    run: tuple[Store, DataHome, DataRef], tiny_npz: Path
) -> None:
    store, home, _ = run
    assert "<figure>" in render(store, home)
    with np.load(tiny_npz / "test.npz") as arrays:
        content = dict(arrays)
    content["images"] = 255 - content["images"]
    np.savez(tiny_npz / "test.npz", **content)
    assert "<figure>" not in render(store, home)
    (tiny_npz / "test.npz").unlink()
    (tiny_npz / "train.npz").unlink()
    assert "<figure>" not in render(store, home)


@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (20, 300, 3), (700, 900, 1)]
)
def test_pictures_of_any_shape(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    shown = _pixels(uri(image))
    assert max(shown.shape[:2]) <= 4 * 56
    assert (shown.ndim == 3) == (shape[2] == 3)


PICTURES = 'src="data:image/png;base64'


@pytest.fixture
def apart(tmp_path: Path, tiny_npz: Path) -> tuple[Store, Path]:
    """Return a run on a set of the data folder, and that folder."""
    folder = tmp_path / "data" / "mine"
    folder.mkdir(parents=True)
    for part in ("train", "test"):
        (tiny_npz / f"{part}.npz").rename(folder / f"{part}.npz")
    study = Study(name="x", datasets=("npz:mine",), models=("glyphnet",), seeds=(0,))
    plan = make_plan(study, DataHome.find(folder.parent))
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            store.put(fake_result(cell, skill=-50.0))
    return store, folder.parent


def _seen(store: Store, *given: Any, **named: Any) -> tuple[str, bool]:
    """Write the report; return its language, and whether it has pictures."""
    text = write_report(store, *given, **named).read_text("utf-8")
    return text.split('<html lang="')[1][:2], PICTURES in text


def test_a_report_written_anew_keeps_its_language_and_its_pictures(
    apart: tuple[Store, Path],
) -> None:
    store, data_dir = apart
    assert _seen(store, DataHome.find(data_dir), voice_of("uk")) == ("uk", True)
    (store.root / "report.html").unlink()
    assert _seen(store) == ("uk", True)
    page = (store.root / "report.html").read_text("utf-8")  # to be shown to strangers
    assert str(data_dir) not in page
    assert str(store.root.parent) not in page


@pytest.fixture
def quick(apart: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Path]:
    """Return the same run; its page is only as long as it must be for these tests."""

    def render(store: Store, home: DataHome, language: Voice) -> str:
        found = (home.data_dir / "mine" / "test.npz").is_file()
        return f'<!doctype html>\n<html lang="{language.code}">{PICTURES if found else ""}'

    monkeypatch.setattr("neurovisionlab.out.page.report.render", render)
    return apart


def test_what_is_given_goes_before_what_was_kept(quick: tuple[Store, Path]) -> None:
    store, data_dir = quick
    assert _seen(store) == ("en", False)
    assert _seen(store, DataHome.find(data_dir), voice_of("uk")) == ("uk", True)
    assert _seen(store, language=ENGLISH) == ("en", True)
    assert _seen(store) == ("en", True)
    assert _seen(store, DataHome.find(data_dir / "other")) == ("en", False)
    assert _seen(store) == ("en", False)


def test_a_page_of_an_earlier_version_keeps_its_language(quick: tuple[Store, Path]) -> None:
    store, data_dir = quick
    write_report(store, DataHome.find(data_dir), voice_of("uk"))
    (store.root / "page.json").unlink()
    assert _seen(store) == ("uk", False)


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"[1]",
        b"nonsense",
        b"\xff\xfe",
        b'{"language": "uk"}',
        b'{"language": 5, "data_dir": 5}',
        b'{"language": "klingon", "data_dir": "/nowhere/at/all"}',
        b'{"language": "en", "data_dir": "a\\u0000b"}',
    ],
)
def test_damaged_settings_cost_no_report(quick: tuple[Store, Path], kept: bytes) -> None:
    store, _ = quick
    store.write_bytes("page.json", kept)
    assert _seen(store) == ("en", False)


def test_a_folder_that_is_gone_is_looked_for_where_it_is_now(
    quick: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, data_dir = quick
    write_report(store, DataHome.find(data_dir))
    moved = data_dir.rename(data_dir.with_name("moved \udcff"))  # no text, but a folder's name
    assert _seen(store) == ("en", False)
    monkeypatch.setenv("NVL_DATA", str(moved))
    assert _seen(store) == ("en", True)
    monkeypatch.delenv("NVL_DATA")
    assert _seen(store) == ("en", True)
