"""Folders of pictures as people have them: nothing vanishes, nothing is understood in two ways."""

from __future__ import annotations

import json
import os
import socket
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.stand_ins import home_in
from neurovisionlab.core.errors import DataError
from neurovisionlab.core.spec import DataInfo, DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.notes import printable
from neurovisionlab.data.own import tree
from neurovisionlab.data.sources import describe, load
from neurovisionlab.out.language import voice_of
from neurovisionlab.out.said import note_text
from neurovisionlab.out.speech import speaking

SVG = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'


def grey(value: int, size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new("L", size, value)


def make(folder: Path, *files: str) -> Path:
    """Write pictures (or, by suffix, other files) at paths below a folder."""
    for number, name in enumerate(files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        elif path.suffix in (".txt", ".csv", ".toml", ".json", ".db"):
            path.write_text("words")
        elif path.suffix == ".svg":
            path.write_text(SVG)
        else:
            grey(number).save(path, "PNG")
    return folder


def told(folder: Path, **fields: Any) -> DataInfo:
    return describe(DataRef(name=f"folder:{folder}", **fields), home_in(folder.parent))


def refusal(folder: Path, **fields: Any) -> str:
    with pytest.raises(DataError) as caught:
        told(folder, **fields)
    return str(caught.value)


def two(*parts: str, count: int = 1) -> list[str]:
    return [f"{p}/{c}/{i}.png" for p in parts for c in ("cat", "dog") for i in range(count)]


CLASSES = ["cat/1.png", "dog/1.png"]


# ── parts by other names ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("training", "validation", "testing"),
        ("Train", "Valid", "TEST"),
        ("trn", "dev", "eval"),
        ("TRAINING", "val", "Evaluation"),
        ("train", "valid", "test"),
    ],
)
def test_parts_by_other_names_are_the_parts(
    tmp_path: Path, train: str, val: str, test: str
) -> None:
    names = [*two(train, count=3), *two(val, count=2), *two(test)]
    found = told(make(tmp_path / "set", *names))
    assert found.num_images == {"train": 6, "val": 4, "test": 2}
    assert found.class_names == ("cat", "dog")
    said = "\n".join(map(note_text, found.notes))
    for name, part in ((train, "train"), (val, "val"), (test, "test")):
        assert (f"{name}/ = {part}" in said) == (name != part)


def test_the_usual_names_need_no_word(tmp_path: Path) -> None:
    assert told(make(tmp_path / "set", *two("train", "val", "test"))).notes == ()


AMBIGUOUS = {
    "test beside classes": ([*CLASSES, *two("test")], "test/ beside cat/, dog/", "cat/, dog/ in"),
    "train beside classes": (
        [*CLASSES, *two("Train")],
        "cat/, dog/ beside Train/",
        "cat/, dog/ in",
    ),
    "a new class beside": ([*two("train"), "bird/1.png"], "bird/ beside train/", "bird/ in train/"),
    "classes beside parts": ([*two("train", "test"), *CLASSES], "cat/, dog/ beside", "in train/"),
    "two of a part": (two("train", "val", "validation"), "two val parts, val/, validation/", "one"),
    "two spellings": (two("train", "Train"), "two train parts", "one train/"),
    "a class train": (["bus/1.png", "train/1.png"], "train/ with pictures and no", "train-class/"),
    "a class test": (["test/1.png", "control/1.png"], "test/ with pictures and no", "test-class/"),
    "no classes": (["train/1.png", "test/2.png"], "train/ with pictures and no", "train/CLASS/*"),
    "no train": (two("val", "test"), "alone", "renamed train/"),
    "sets": (two("training_set", "test_set"), "may be parts", "training_set/ renamed train/"),
    "marked": (two("seg_train", "seg_test", "seg_pred"), "may be parts", "seg_test/ renamed test/"),
    "years": (two("train2017", "val2017"), "may be parts", "val2017/ renamed val/"),
    "half": (two("train", "test_set"), "test_set/ beside train/", "test_set/ renamed test/"),
    "inside": (
        [f"{c}/{p}/1.png" for c in ("cat", "dog") for p in ("train", "test")],
        "parts within classes, cat/train/, cat/test/",
        "train/cat/, test/cat/",
    ),
    "wrapped": ([f"photos/{n}" for n in CLASSES], "photos/ alone, which holds 2", "/set/photos"),
    "wrapped twice": ([f"a/b/{n}" for n in CLASSES], "a/b/ alone", "/set/a/b"),
    "wrapped parts": (
        [f"photos/{n}" for n in two("train", "test")],
        "photos/ alone",
        "/set/photos",
    ),
    "wrapped in parts": (
        [f"{p}/{n}" for p in ("train", "test") for n in two(p)],
        "train/train/ alone",
        "the folders of train/train/ in train/",
    ),
    "another case": ([*two("train"), "test/Cat/1.png"], "Cat in test/ alone", "rename it cat"),
    "misspelt": ([*two("train"), "test/dogs/1.png"], "dogs in test/ alone", "rename it dog"),
}


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_refused(tmp_path: Path, kind: str) -> None:
    files, got, remedy = AMBIGUOUS[kind]
    message = refusal(make(tmp_path / "set", *files))
    found, _, tried = message.partition("; try ")
    assert got in found
    assert remedy in tried


NEAR_MISSES = {
    "a class of that name inside": (["train/test/1.png", "train/val/2.png"], {"train": 2}),
    "classes with a part's word": (["test tube/1.png", "train station/1.png"], {"train": 2}),
    "a class by a part's short name": (["dev/1.png", "lat/1.png"], {"train": 2}),
    "letters in both cases": (["a/1.png", "A/1.png"], {"train": 2}),
    "deep classes": (["cat/x/y/1.png", "dog/x/1.png", "dog/y/1.png"], {"train": 3}),
    "a test part without classes": ([*two("train"), "test/1.png"], {"train": 2, "test": 0}),
    "an empty test part": ([*two("train"), "test/"], {"train": 2, "test": 0}),
    "others beside both parts": ([*two("train", "test"), "more/1.png"], {"train": 2, "test": 2}),
}


@pytest.mark.parametrize("kind", NEAR_MISSES)
def test_what_can_be_read_in_one_way_is_read(tmp_path: Path, kind: str) -> None:
    files, wanted = NEAR_MISSES[kind]
    assert told(make(tmp_path / "set", *files)).num_images == wanted


# ── what is not used ─────────────────────────────────────────────────────────────────────────


def said_of(folder: Path, **fields: Any) -> str:
    return "\n".join(map(note_text, told(folder, **fields).notes))


UNUSED = {
    "words": (["cat/notes.txt", "labels.csv"], "no pictures: 2 (cat/notes.txt, labels.csv)"),
    "an empty class": (["bird/"], "folders without pictures: 1 (bird/)"),
    "a class of words": (["bird/1.txt", "bird/2.txt"], "folders without pictures: 1 (bird/)"),
    "an empty folder in a class": (["cat/old/"], "folders without pictures: 1 (cat/old/)"),
    "pictures at the top": (["1.png", "plan"], "outside the folders of classes: 2 (1.png, plan)"),
    "vectors": (["cat/a.svg", "dog/b.svg"], "cannot be read (raw, vector, HEIC, icons): 2 (cat/a"),
    "a class of vectors": (["bird/a.svg"], "cannot be read (raw, vector, HEIC, icons): 1 (bird/"),
    "hidden": (
        [".x.png", "cat/.y/1.png", "cat/._1.png"],
        "those of the system: 3 (.x.png, cat/._1",
    ),
    "macOS": (["__MACOSX/cat/1.png", "cat/.DS_Store"], "the system: 2 (__MACOSX, cat/.DS_Store)"),
    "NAS": (["cat/@eaDir/1.png", "lost+found/1.png"], "the system: 2 (cat/@eaDir, lost+found)"),
    "Windows": (["cat/Thumbs.db", "desktop.ini"], "the system: 2 (cat/Thumbs.db, desktop.ini)"),
    "a run": (["out/study.json", "out/cells/x/1.png"], "results of runs: 1 (out/)"),
    "runs": (["runs/a/study.json", "runs/a/cells/", "runs/x.png"], "results of runs: 1 (runs/)"),
    "a run begun": (["runs/a/cells/", "runs/a/.lock"], "results of runs: 1 (runs/)"),
    "a run in a class": (["cat/o/study.json", "cat/o/cells/1.png"], "results of runs: 1 (cat/o/)"),
    "a run here": (
        ["study.json", "cells/a/1.png", "figures/1.png", "splits/1.npz"],
        "results of runs: 3 (cells/, figures/, splits/)",
    ),
    "many": ([f"cat/{n}.txt" for n in range(5)], "5 (cat/0.txt, cat/1.txt, cat/2.txt, …)"),
}


@pytest.mark.parametrize("kind", UNUSED)
def test_what_is_not_used_is_counted_and_named(tmp_path: Path, kind: str) -> None:
    plain = told(make(tmp_path / "set", *CLASSES))
    assert plain.notes == ()
    files, line = UNUSED[kind]
    found = told(make(tmp_path / "set", *files))
    assert line in "\n".join(map(note_text, found.notes))
    assert len(found.notes) == (2 if kind in ("a class of vectors", "a run here") else 1)
    assert found.digest == plain.digest  # and a cached answer of before was not taken


def test_folders_beside_the_parts_and_pictures_in_a_part_are_named(tmp_path: Path) -> None:
    files = [*two("train", "test"), "more/1.png", "none/", "train/1.png", "test/bird/"]
    said = said_of(make(tmp_path / "set", *files))
    assert "folders beside the parts: 1 (more/)" in said
    assert "folders without pictures: 2 (none/, test/bird/)" in said
    assert "outside the folders of classes: 1 (train/1.png)" in said


def test_links_that_are_not_followed_are_named(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    (folder / "nowhere").symlink_to(folder / "gone")
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "itself").symlink_to(folder)
    (folder / "cat" / "up").symlink_to(folder)
    (folder / "cat" / "side").symlink_to(folder / "dog")
    found = told(folder)
    assert found.num_images == {"train": 2}
    assert "within a class: 5 (cat/side, cat/up, circle, …)" in "\n".join(
        map(note_text, found.notes)
    )


def test_runs_elsewhere_are_results_too(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    make(tmp_path / "scratch", "a/study.json", "a/cells/1.png")
    (folder / "results").symlink_to(tmp_path / "scratch")
    assert "results of runs: 1 (results" in said_of(folder)


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    os.mkfifo(folder / "cat" / "2.png")  # whoever opens it waits for ever
    os.mkfifo(folder / "cat" / "pipe")
    assert "no pictures: 2 (cat/2.png, cat/pipe)" in said_of(folder)


def odd_thing(path: Path, kind: str, elsewhere: Path) -> None:
    """Make what waits for ever, or has no end, when it is read."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a pipe":
        os.mkfifo(elsewhere)
        path.symlink_to(elsewhere)
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    else:
        short = os.open(path.parent, os.O_RDONLY)  # the name of a socket may not be long
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{short}/{path.name}")
        os.close(short)


PLACES = ("cat/2.png", "cat/x", "cat/x.tif", "cat/x.heic", "1.png", "train", "test", "study.toml")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to a device", "socket"])
def test_what_is_no_file_is_not_opened_wherever_it_lies(
    tmp_path: Path, place: str, kind: str
) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    odd_thing(folder / place, kind, tmp_path / "elsewhere")
    found = told(folder)
    assert found.num_images == {"train": 2}
    assert [*map(note_text, found.notes)] == [f"not used, files that are no pictures: 1 ({place})"]


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to a device"])
def test_groups_are_a_file(tmp_path: Path, kind: str) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    odd_thing(tmp_path / "groups.csv", kind, tmp_path / "elsewhere")
    message = refusal(folder, groups=str(tmp_path / "groups.csv"))
    assert "expected a CSV file with image,group, got no ordinary file" in message


def test_a_folder_that_cannot_be_opened_stops_or_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "set", *CLASSES, "bird/1.png")
    scandir = os.scandir

    def closed(path: Any) -> Any:
        if str(path).endswith("bird"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(tree.os, "scandir", closed)
    assert "set/bird: expected a folder that can be opened, got Permission den" in refusal(folder)
    found = told(folder, on_bad_image="skip")
    assert found.class_names == ("cat", "dog")
    assert "folders that cannot be opened: 1 (bird/)" in "\n".join(map(note_text, found.notes))


def test_folders_without_an_end_are_refused_and_no_traceback(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", *CLASSES, "cat/" + "d/" * 100 + "1.png")
    assert "more than 64 folders deep" in refusal(folder)


# ── a picture is known by its content ────────────────────────────────────────────────────────


def test_pictures_are_known_by_content_whatever_they_are_called(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    kinds = {"a": "PNG", "b.dat": "JPEG", "c.jfif": "JPEG", "d.JPE": "JPEG", "e.txt": "GIF"}
    kinds |= {"f.": "BMP", "g.1": "TIFF", "h.png": "WEBP", "i.x": "PPM", "j.jp2": "JPEG2000"}
    for name, kind in kinds.items():
        grey(9).save(folder / "cat" / name, kind)
    found = told(folder)
    assert found.num_images == {"train": 2 + len(kinds)}
    assert found.notes == ()


def test_avif_is_read_where_pillow_can(tmp_path: Path) -> None:
    if "AVIF" not in Image.SAVE and (Image.init(), "AVIF" not in Image.SAVE)[1]:
        pytest.skip("this Pillow cannot write AVIF")
    folder = make(tmp_path / "set", *CLASSES)
    grey(9).save(folder / "cat" / "2.avif")
    assert told(folder).num_images == {"train": 3}


@pytest.mark.parametrize("suffix", [".png", ".jfif", ".avif", ".jp2", ".JPE", ""])
def test_what_is_called_a_picture_or_begins_like_one_is_a_broken_one(
    tmp_path: Path, suffix: str
) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    content = b"words" if suffix else b"\x89PNG\r\n\x1a\n but no more"
    (folder / "cat" / f"bad{suffix}").write_bytes(content)
    message = refusal(folder)
    assert f"cat/bad{suffix}: expected a readable picture" in message
    assert "--skip-bad" in message
    assert "1 unreadable pictures skipped" in said_of(folder, on_bad_image="skip")


@pytest.mark.parametrize(
    "content",
    [b"", b"BMW and others", b"P2 is text", b"P6\n" + b"9" * 100, b"II*\0nothing", b"{}", b"\0"],
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_texts_that_begin_like_pictures_are_none(tmp_path: Path, content: bytes) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    (folder / "cat" / "file").write_bytes(content)
    assert "no pictures: 1 (cat/file)" in said_of(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a", SVG.encode()),
        ("a", b"\0\0\0\x18ftypheic\0\0\0\0"),
        ("a", b"\xff\x0a jxl"),
        ("a.HEIC", b""),
        ("a.CR3", b""),
        ("folder.ico", b""),
    ],
)
def test_pictures_of_kinds_that_are_not_read_are_named(
    tmp_path: Path, name: str, content: bytes
) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    (folder / "cat" / name).write_bytes(content)
    assert f"(raw, vector, HEIC, icons): 1 (cat/{name})" in said_of(folder)


def test_the_thumbnail_in_a_raw_photograph_is_not_the_photograph(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    grey(9).save(folder / "cat" / "photo.dng", "TIFF")
    assert told(folder).num_images == {"train": 2}


def test_of_several_frames_the_first_is_used_and_that_is_said(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    for name in ("film.gif", "scan.tif"):
        grey(10).save(folder / "cat" / name, save_all=True, append_images=[grey(200)])
    grey(3).save(folder / "cat" / "still.gif")
    line = "pictures of several frames or pages, of which the first is used: 2 (cat/film.gif, cat/s"
    assert line in said_of(folder)


# ── one class left ───────────────────────────────────────────────────────────────────────────


def test_a_set_that_comes_down_to_one_class_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    (folder / "dog" / "1.png").write_bytes(b"broken")
    message = refusal(folder, on_bad_image="skip")
    assert "expected readable training pictures of two or more classes, got 1" in message
    assert "none can be read of dog (1 pictures skipped)" in message


def test_one_class_left_to_train_is_refused_though_the_test_has_two(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", *two("train", "test"))
    (folder / "train" / "dog" / "0.png").write_bytes(b"broken")
    assert "two or more classes, got 1" in refusal(folder, on_bad_image="skip")


def test_a_class_that_is_lost_somewhere_is_named(tmp_path: Path) -> None:
    files = [*two("train", "val", "test"), "train/owl/1.png", "val/owl/1.png", "train/bee/1.png"]
    folder = make(tmp_path / "set", *files)
    for lost in ("val/owl/1.png", "train/bee/1.png"):
        (folder / lost).write_bytes(b"broken")
    found = told(folder, on_bad_image="skip")
    assert found.class_names == ("cat", "dog", "owl")
    said = "\n".join(map(note_text, found.notes))
    assert "classes left out, no picture of theirs can be read: 1 (bee)" in said
    assert "classes without a picture in the val part: 1 (owl)" in said
    assert "classes without a picture in the test part: 1 (owl)" in said
    assert "in the train part" not in said


# ── names ────────────────────────────────────────────────────────────────────────────────────


def test_names_that_cannot_be_printed_are_escaped_and_stored(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", "a\nb/1.png", "a\\x0ab/1.png", "\x1b[31m/1.png")
    make(folder, f"{'n' * 250}/1.png", "ok/tab\there.txt")
    bytes_name = os.fsencode(folder) + b"/caf\xe9"
    os.mkdir(bytes_name)  # noqa: PTH102 -- no Path can be made of these bytes but by this detour
    grey(7).save(Path(os.fsdecode(bytes_name)) / "1.png")
    (Path(os.fsdecode(bytes_name)) / os.fsdecode(b"\xff.txt")).write_text("x")
    found = told(folder)
    assert len(set(found.class_names)) == 5
    assert {"a\\x0ab", "a\\x0ab~", "caf\\xe9", "\\x1b[31m", "n" * 250} == set(found.class_names)
    assert DataInfo.model_validate_json(found.model_dump_json()) == found
    json.dumps([*map(note_text, found.notes)], ensure_ascii=False).encode()
    assert all(note == printable(note) for note in map(note_text, found.notes))
    assert told(folder) == found  # from the cache


def test_an_accent_may_be_written_in_two_ways(tmp_path: Path) -> None:
    one, other = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert one != other
    files = [f"train/{one}/1.png", "train/tea/1.png", f"test/{other}/1.png", "test/tea/1.png"]
    found = told(make(tmp_path / "set", *files))
    assert found.class_names == (one, "tea")
    assert found.num_images == {"train": 2, "test": 2}
    assert "taken as one: 1" in "\n".join(map(note_text, found.notes))
    both = make(tmp_path / "both", f"{one}/1.png", f"{other}/1.png")
    assert "two whose names look the same" in refusal(both)
    alone = told(make(tmp_path / "alone", f"{other}/1.png", "tea/1.png"))
    assert alone.class_names == (other, "tea")  # as it was always called


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder:a\0b", "printable"),
        ("folder:a\udcffb", "printable"),
        ("folder:a\nb", "printable"),
        ("folder:" + "x" * 400, "too long"),
        ("folder:~nobody-of-that-name/x", "home folder"),
        ("folder:", "behind the colon"),
        ("folder: ", "behind the colon"),
        ("npz:" + "x/" * 5000, "too long"),
        ("npz:~nobody-of-that-name/x", "home folder"),
    ],
)
def test_names_of_sets_that_cannot_be(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        describe(DataRef(name=name), home_in(tmp_path))
    assert said in str(caught.value)
    str(caught.value).encode()


# ── what is stored and remembered ────────────────────────────────────────────────────────────


def test_every_note_can_be_said_in_another_language(tmp_path: Path) -> None:
    files = {f: None for names, _ in UNUSED.values() for f in names if "study.json" not in f}
    folder = make(tmp_path / "set", *CLASSES, *files)
    notes = told(folder).notes
    assert len(notes) >= 6
    for note in notes:
        english = note_text(note)
        with speaking(voice_of("uk")):
            assert note_text(note) not in (english, "")
            assert note_text(english) == note_text(note), "as an earlier version kept it"


def test_sets_of_an_earlier_reader_are_not_taken_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "set", *CLASSES)
    monkeypatch.setattr("neurovisionlab.data.own.folders.READER_VERSION", 1)
    told(folder)
    monkeypatch.undo()
    home = home_in(tmp_path)
    before = len(list((home.cache_dir / "sets").iterdir()))
    told(folder)
    assert len(list((home.cache_dir / "sets").iterdir())) == before + 1


def test_the_digest_of_a_plain_folder_is_that_of_before(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", *two("train", "test", count=2), "train/cat/x/0.png")
    images = load(DataRef(name=f"folder:{folder}"), DataHome(tmp_path, tmp_path / "cache"))
    assert images.labels_N.tolist() == [0, 0, 0, 1, 1, 0, 0, 1, 1]
    # in the order of paths, by folder
    assert images.images_NHWC[:, 0, 0, 0].tolist() == [0, 1, 8, 2, 3, 4, 5, 6, 7]
    assert images.digest.startswith("491b71d4cc09d6e3")
    assert np.ptp(images.images_NHWC, axis=(1, 2, 3)).max() == 0
