"""Pictures of mistakes are those of the images that were tested."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape
from PIL import Image

from lab.fakes import fake_result
from neurovisionlab.core.errors import StoreError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import DataRef, Study
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.sources import load
from neurovisionlab.lab.judgements import judge_run
from neurovisionlab.lab.plan import make_plan
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.language import voice_of
from neurovisionlab.out.page.album import Album, Albums
from neurovisionlab.out.page.gallery import NOT_AT_HAND, shelves
from neurovisionlab.out.page.picture import png
from neurovisionlab.out.page.report import write_report
from neurovisionlab.out.speech import Voice
from out.rendered import rendered


def _album(store: Store, home: DataHome) -> Album:
    (dataset,) = store.plan().study.datasets
    found = Albums(store, store.plan().infos, home).of(dataset)
    assert found is not None
    return found


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
    (judged,) = judge_run(read(store), ("accuracy",)).datasets
    images = load(ref, home)
    nobody, sure, confused = shelves(read(store), judged, _album(store, home))
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
    store, home, _ = run
    for cell in store.plan().cells():
        if cell.model == "glyphnet":
            store.put(fake_result(cell, skill=50.0))
    (judged,) = judge_run(read(store), ("accuracy",)).datasets
    alone = shelves(read(store), judged, _album(store, home))[-1]
    assert alone.title == "Right in every network of glyphnet, in none of another model"
    truths = [picture.truth for picture in alone.pictures]
    told = store.predictions(store.plan().cells()[0].cell_id, "test")
    labels = dict(zip(told.indices_N.tolist(), told.labels_N.tolist(), strict=True))
    assert len(truths) == 12
    indices = judged.differences.alone["glyphnet"]
    assert truths == [judged.class_names[labels[index]] for index in indices]
    assert {picture.answer for picture in alone.pictures} == {None}


def test_other_images_are_never_shown_in_their_place(
    run: tuple[Store, DataHome, DataRef], tiny_npz: Path
) -> None:
    store, home, _ = run
    assert "<figure>" in rendered(store, home)
    with np.load(tiny_npz / "test.npz") as arrays:
        content = dict(arrays)
    content["images"] = 255 - content["images"]
    np.savez(tiny_npz / "test.npz", **content)
    assert "<figure>" not in rendered(store, home)
    (tiny_npz / "test.npz").unlink()
    (tiny_npz / "train.npz").unlink()
    assert "<figure>" not in rendered(store, home)


@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (20, 300, 3), (700, 900, 1)]
)
def test_pictures_of_any_shape(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    shown = np.asarray(Image.open(io.BytesIO(png(image))))
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
    before = (store.root / "report.html").read_text("utf-8")
    (store.root / "report.html").unlink()
    data_dir.rename(data_dir.with_name("moved"))
    assert _seen(store) == ("uk", True)
    page = (store.root / "report.html").read_text("utf-8")
    shown, shown_before = (re.findall(f'{PICTURES},[^"]+', text) for text in (page, before))
    assert shown == shown_before  # the very pictures
    assert str(data_dir) not in page  # to be shown to strangers
    assert str(store.root.parent) not in page


def test_a_run_without_its_pictures_says_how_to_get_them(apart: tuple[Store, Path]) -> None:
    store, data_dir = apart
    kept = json.dumps({"language": "en", "data_dir": str(data_dir)})  # as an earlier version did
    store.write_text("page.json", kept)
    assert _seen(store) == ("en", False)
    assert escape(str(NOT_AT_HAND)) in (store.root / "report.html").read_text("utf-8")
    assert _seen(store, DataHome.find(data_dir)) == ("en", True)
    assert str(NOT_AT_HAND) not in (store.root / "report.html").read_text("utf-8")
    assert _seen(store, DataHome.find(data_dir / "other")) == ("en", True)  # of those kept


def test_what_lies_in_the_usual_place_is_shown(
    apart: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, data_dir = apart
    monkeypatch.setenv("NVL_DATA", str(data_dir))
    assert _seen(store) == ("en", True)


@pytest.mark.parametrize("how", ["absolute", "up", "linked"])
def test_a_users_own_study_may_name_any_place(
    apart: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    first, data_dir = apart
    elsewhere = data_dir.with_name("elsewhere")
    (data_dir / "mine").rename(elsewhere)
    if how == "linked":
        (data_dir / "mine").symlink_to(elsewhere)
    name = {"absolute": f"npz:{elsewhere}", "up": "npz:../elsewhere", "linked": "npz:mine"}[how]
    home = DataHome.find(data_dir)
    plan = make_plan(first.plan().study.changed(datasets=(name,)), home)
    store = Store(first.root.with_name("second"))
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            store.put(fake_result(cell, skill=-50.0))
    assert Albums(store, store.plan().infos, home).of(name) is None  # nvl report --data
    _kept_by_run(store, home)
    after = Albums(store, store.plan().infos, home).of(name)
    assert after is not None
    assert after.picture(3) is not None


def _kept_by_run(store: Store, home: DataHome) -> None:
    albums = Albums(store, store.plan().infos, home, is_own=True)
    album = albums.of(store.plan().study.datasets[0])
    assert album is not None
    assert album.picture(3) is not None
    albums.keep()


def _kept(store: Store) -> Path:
    (path,) = (store.root / "mistakes").iterdir()
    return path


BAD_PICTURES = {
    "no JSON": b"{",
    "a list": b"[]",
    "no picture": b'{"digest": "DIGEST", "pictures": {"1": "PHNjcmlwdD4="}}',
    "no base64": b'{"digest": "DIGEST", "pictures": {"1": ""><script>alert(1)</script>"}}',
    "another set": b'{"digest": "00000000", "pictures": {}}',
    "a negative index": b'{"digest": "DIGEST", "pictures": {"-1": ""}}',
}


@pytest.mark.parametrize("how", [*BAD_PICTURES, "large", "cut", "a link", "a folder"])
def test_pictures_that_are_none_are_not_shown(apart: tuple[Store, Path], how: str) -> None:
    store, data_dir = apart
    _kept_by_run(store, DataHome.find(data_dir))
    path = _kept(store)
    whole, digest = path.read_bytes(), store.plan().infos[0][1].digest
    content = BAD_PICTURES.get(how, whole).replace(b"DIGEST", digest.encode())
    if how == "large":
        huge = base64.b64encode(png_of_size(100_000)).decode()
        content = f'{{"digest": "{digest}", "pictures": {{"1": "{huge}"}}}}'.encode()
    elif how == "cut":
        content = whole[: len(whole) // 2]
    path.unlink()
    if how == "a folder":
        path.mkdir()
    elif how == "a link":
        (data_dir / "elsewhere.json").write_bytes(whole)
        path.symlink_to(data_dir / "elsewhere.json")
    else:
        path.write_bytes(content)
    assert Albums(store, store.plan().infos).of("npz:mine") is None


def png_of_size(side_px: int) -> bytes:
    """Return the head of a PNG that a browser would need gigabytes for."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", side_px, side_px) + b"x" * 8


def test_what_is_kept_has_an_end(
    apart: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, data_dir = apart
    monkeypatch.setattr("neurovisionlab.out.page.album.MOST_BYTES", 600)
    assert _seen(store, DataHome.find(data_dir)) == ("en", True)
    assert 100 < _kept(store).stat().st_size < 800


def test_a_page_of_an_earlier_version_keeps_its_language(apart: tuple[Store, Path]) -> None:
    store, data_dir = apart
    write_report(store, DataHome.find(data_dir), voice_of("uk"))
    (store.root / "page.json").unlink()
    assert _seen(store) == ("uk", True)


def test_a_page_that_is_a_pipe_is_not_waited_for(apart: tuple[Store, Path]) -> None:
    store, _ = apart
    os.mkfifo(store.root / "report.html")
    with pytest.raises(StoreError):  # nor replaced
        write_report(store)


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"[1]",
        b"nonsense",
        b"\xff\xfe",
        b'{"language": ["uk"]}',
        b'{"language": 5, "data_dir": 5}',
        b'{"language": "klingon", "data_dir": "/nowhere/at/all"}',
        b'{"language": "en", "data_dir": "a\\u0000b"}',
    ],
)
def test_damaged_settings_cost_no_report(
    apart: tuple[Store, Path], kept: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(store: Store, albums: Albums, language: Voice) -> str:
        return f'<!doctype html>\n<html lang="{language.code}">'

    monkeypatch.setattr("neurovisionlab.out.page.report.render", render)
    store, _ = apart
    store.write_bytes("page.json", kept)
    assert _seen(store) == ("en", False)
