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
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.sources import load
from neurovisionlab.lab.judge import judge_run
from neurovisionlab.lab.store import Store
from neurovisionlab.lab.studies import make_plan
from neurovisionlab.out.page.gallery import shelves, uri
from neurovisionlab.out.page.report import render


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
