"""A user's own images: folders a person would make, .npz files, groups."""

from __future__ import annotations

import shutil
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
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.own.groups import read_groups
from neurovisionlab.data.sources import describe, load
from neurovisionlab.out.said import note_text


def draw(path: Path, value: int = 0, mode: str = "L", size: tuple[int, int] = (9, 9)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value,) * len(mode)).save(path)
    return path


def ref_to(folder: Path, **fields: Any) -> DataRef:
    return DataRef(name=f"folder:{folder}", **fields)


def read(folder: Path, **fields: Any) -> ImageSet:
    return load(ref_to(folder, **fields), home_in(folder.parent))


def info(folder: Path, **fields: Any) -> DataInfo:
    return describe(ref_to(folder, **fields), home_in(folder.parent))


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """Return a folder as a person makes it: three letters, mixed formats, sizes and rubbish."""
    folder = tmp_path / "my letters"
    for number, letter in enumerate("ACB"):
        draw(folder / letter / "1.png", 10 * number)
        draw(folder / letter / "2.JPG", 10 * number + 1, size=(12, 9))
        draw(folder / letter / "more" / "3.jpeg", 10 * number + 2, "RGB")
        draw(folder / letter / "4.png", 10 * number + 3, "RGBA")
        draw(folder / letter / ".hidden.png", 255)
        draw(folder / letter / ".ipynb_checkpoints" / "1.png", 255)
        (folder / letter / "notes.txt").write_text("scanned on Monday")
        (folder / letter / "Thumbs.db").write_bytes(b"\0")
    draw(folder / ".thumbnails" / "1.png", 255)
    (folder / "__MACOSX").mkdir()
    (folder / "README.md").write_text("my letters")
    return folder


# ── folders ──────────────────────────────────────────────────────────────────────────────────


def test_a_folder_of_one_level_is_one_part(letters: Path) -> None:
    got = read(letters, image_px=8)
    assert got.class_names == ("A", "B", "C")
    assert got.parts == {"train": (0, 12)}
    assert got.images_NHWC.shape == (12, 8, 8, 3)
    assert got.labels_N.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    # files of a class come in the order of their paths: 1.png, 2.JPG, 4.png, more/3.jpeg
    by_hand = [[0, 1, 255 - 252, 2], [20, 21, 23, 22], [10, 11, 13, 12]]
    means = got.images_NHWC.mean((1, 2, 3)).reshape(3, 4)
    opaque = [0, 1, 3]
    assert np.abs(means[:, opaque] - np.array(by_hand)[:, opaque]).max() <= 2


def test_mixed_sizes_name_the_setting(letters: Path) -> None:
    with pytest.raises(
        DataError, match=r"image_px: expected one size .*9×9 to 12×9.*image_px = 64"
    ):
        info(letters)


def test_the_parts_a_person_made_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for part, num in (("train", 3), ("val", 2), ("test", 1)):
        for letter in "XY":
            for number in range(num):
                draw(folder / part / letter / f"{number}.png", 50)
    got = read(folder)
    assert got.parts == {"train": (0, 6), "val": (6, 10), "test": (10, 12)}
    assert got.labels_N.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 1]
    assert info(folder).num_images == {"train": 6, "val": 4, "test": 2}
    shutil.rmtree(folder / "val")
    assert read(folder).parts == {"train": (0, 6), "test": (6, 8)}


def test_a_class_in_the_test_part_alone_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for path in ("train/A/1.png", "train/B/1.png", "test/A/1.png", "test/Z/1.png"):
        draw(folder / path)
    with pytest.raises(DataError, match=r"expected the classes of train/, got Z in test/ alone"):
        info(folder)


@pytest.mark.parametrize("files", [[], ["A/1.png"], ["1.png", "2.png"], ["A/1.txt", "B/1.txt"]])
def test_fewer_than_two_classes_are_refused(tmp_path: Path, files: list[str]) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in files:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        draw(path) if path.suffix == ".png" else path.write_text("x")
    with pytest.raises(DataError, match="expected two or more folders, one a class, with pictures"):
        info(folder)


def test_a_folder_that_is_not_there_is_named_in_both_places(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"expected a folder nowhere/x or .*data/nowhere/x, got neit"
    ):
        describe(DataRef(name="folder:nowhere/x"), home_in(tmp_path))


def test_a_folder_is_looked_for_below_the_data_folder_too(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    for letter in "AB":
        draw(home.data_dir / "mine" / letter / "1.png")
    assert describe(DataRef(name="folder:mine"), home).class_names == ("A", "B")


def test_a_broken_picture_stops_or_is_skipped(letters: Path) -> None:
    broken = letters / "B" / "0.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(DataError) as caught:
        info(letters, image_px=8)
    assert str(broken) in str(caught.value)
    assert 'on_bad_image = "skip"' in str(caught.value)
    told = info(letters, image_px=8, on_bad_image="skip")
    assert told.num_images == {"train": 12}
    assert any(
        "1 unreadable" in note and str(broken) in note for note in map(note_text, told.notes)
    )
    assert told.digest == info_without(broken, letters).digest


def info_without(path: Path, folder: Path) -> DataInfo:
    path.unlink()
    return info(folder, image_px=8)


def test_a_link_out_of_the_folder_is_refused(letters: Path) -> None:
    outside = draw(letters.parent / "elsewhere.png")
    (letters / "A" / "9.png").symlink_to(outside)
    with pytest.raises(
        DataError, match=r"expected pictures inside the folder, got .*9\.png, a link"
    ):
        info(letters, image_px=8)


def test_a_class_folder_that_is_a_link_out_of_the_folder_is_refused(letters: Path) -> None:
    draw(letters.parent / "elsewhere" / "1.png")
    (letters / "D").symlink_to(letters.parent / "elsewhere")
    with pytest.raises(DataError, match="a link out of it"):
        info(letters, image_px=8)


def test_links_inside_the_folder_and_to_the_folder_are_fine(letters: Path) -> None:
    (letters / "A" / "5.png").symlink_to(letters / "A" / "1.png")
    link = letters.parent / "link"
    link.symlink_to(letters)
    assert info(link, image_px=8).num_images == {"train": 13}


def test_names_of_other_writing_systems(tmp_path: Path) -> None:
    folder = tmp_path / "збірка"
    for name in ("き", "Щ", "a b"):
        draw(folder / name / "ключ 1.png")
    assert info(folder).class_names == ("a b", "Щ", "き")


# ── groups ───────────────────────────────────────────────────────────────────────────────────


def write_groups(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding=encoding)
    return path


def test_groups_of_a_folder_go_by_path(letters: Path, tmp_path: Path) -> None:
    names = ["1.png", "2.JPG", "4.png", "more/3.jpeg"]
    rows = [f"{letter}/{name},{name[0]}" for letter in "BCA" for name in names]
    table = write_groups(tmp_path / "g.csv", "\n".join(["image,group", *rows]))
    got = read(letters, image_px=8, groups=str(table))
    assert got.groups_N is not None
    assert got.groups_N.tolist() == [0, 1, 2, 3] * 3


def test_groups_of_arrays_go_by_position(tiny_npz: Path, tmp_path: Path) -> None:
    rows = "".join(f"{number},w{number % 2}\n" for number in range(96))
    table = write_groups(tmp_path / "g.csv", "image,group\n" + rows)
    ref = DataRef(name=f"npz:{tiny_npz}", groups=str(table))
    got = load(ref, home_in(tmp_path)).groups_N
    assert got is not None
    assert got.tolist() == [0, 1] * 48
    without = describe(DataRef(name=f"npz:{tiny_npz}"), home_in(tmp_path))
    assert describe(ref, home_in(tmp_path)).digest != without.digest


def test_a_table_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    text = 'image,writer,group\r\n"a, b.png",Ann,2\r\nc.png,Bob,10\r\n'
    table = write_groups(tmp_path / "g.csv", text, "utf-8-sig")
    assert read_groups(table, ["c.png", "a, b.png", "c.png"]).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "expected a CSV file with image,group"),
        ("", "expected a CSV file with image,group, got an empty file"),
        ("\n\n", "got an empty file"),
        ("file,writer\na.png,1\n", "with image,group, got the columns file, writer"),
        ("file;writer\na.png;1\n", "got the columns file, writer"),
        ("a.png,1\n", "got the columns a.png, 1"),
        ("Group,image,group ,IMAGE\n", "got group twice in the columns Group, image"),
        ("image,group\nb.png,1\n", r"got none for a\.png \(1 in all\)"),
        ("image,group\na.png\n", "got none for a.png"),
        ("image,group\na.png,\n", "got none for a.png"),
    ],
)
def test_a_table_without_groups_is_named(tmp_path: Path, text: str | None, told: str) -> None:
    table = tmp_path / "g.csv"
    if text is not None:
        write_groups(table, text)
    with pytest.raises(DataError, match=told) as caught:
        read_groups(table, ["a.png"])
    assert str(table) in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"image,group\n\xff\xfe\x00,1\n", b"PK\x03\x04 a workbook", b"\0" * 9]
)
def test_a_table_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    table = tmp_path / "g.csv"
    table.write_bytes(content)
    with pytest.raises(DataError, match="expected a CSV file") as caught:
        read_groups(table, ["a.png"])
    assert "\\x" not in str(caught.value), "no raw bytes"


UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
ENCODINGS = (*UNICODE, "latin-1", "cp1252", "cp1251")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_is_read_in_any_encoding_with_any_delimiter(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    name = "Щ/1.png" if encoding in ("cp1251", "utf-8", "utf-16") else "é/1.png"
    rows = [(" Image", "age", "GROUP "), (name, "7", "w2"), ("b.png", "8", "w1")]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    table = tmp_path / "g.csv"
    table.write_bytes(text.encode(encoding))
    assert read_groups(table, [name, "b.png"]).tolist() == [1, 0]


def test_the_line_of_excel_and_commas_in_quotes_are_read(tmp_path: Path) -> None:
    table = write_groups(tmp_path / "g.csv", 'sep=;\n"image";"group"\n"a;b.png";"w, 1"\n')
    assert read_groups(table, ["a;b.png"]).tolist() == [0]


@pytest.mark.parametrize(
    "written",
    [
        "./A/é 1.png",
        "A\\é 1.png",
        "A//é 1.png",
        " A/é 1.png ",
        "A/e\u0301 1.png",
        "/home/ann/letters/A/é 1.png",
        "C:\\letters\\A\\é 1.png",
        "letters/A/é 1.png",
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_paths_are_found_however_they_are_written(tmp_path: Path, written: str, form: Any) -> None:
    images = [unicodedata.normalize(form, name) for name in ("A/é 1.png", "B/2.png")]
    other = written.replace("A", "B").replace("é", "").replace("e\u0301", "").replace(" 1", "2")
    table = write_groups(tmp_path / "g.csv", f"image,group\n{written},w2\n{other},w1\n")
    assert read_groups(table, images).tolist() == [1, 0]


def test_paths_below_two_folders_are_not_guessed(tmp_path: Path) -> None:
    table = write_groups(tmp_path / "g.csv", "image,group\nx/A/1.png,w1\ny/B/1.png,w2\n")
    with pytest.raises(DataError, match=r"none for A/1.png \(2 in all\); its first row is of 'x/A"):
        read_groups(table, ["A/1.png", "B/1.png"])


@pytest.mark.parametrize("second", ["a.png,w2", "./a.png,w2"])
def test_an_image_in_two_groups_is_refused(tmp_path: Path, second: str) -> None:
    table = write_groups(tmp_path / "g.csv", f"image,group\na.png,w1\n{second}\n")
    with pytest.raises(DataError, match=r"one group for each image, got w1 and w2 for a\.png"):
        read_groups(table, ["a.png"])


def test_the_same_row_twice_and_blanks_round_a_group_are_fine(tmp_path: Path) -> None:
    text = "image,group\na.png,w1\na.png,w1\nb.png, w1\nc.png,w0\n"
    table = write_groups(tmp_path / "g.csv", text)
    assert read_groups(table, ["a.png", "b.png", "c.png"]).tolist() == [0, 0, 1]


def test_rows_of_no_image_are_counted_in_a_note(letters: Path, tmp_path: Path) -> None:
    names = [f"{letter}/{name}" for letter in "ABC" for name in ("1.png", "2.JPG", "4.png")]
    more = ["A/more/3.jpeg", "B/more/3.jpeg", "C/more/3.jpeg", "D/1.png", "D/2.png"]
    rows = "".join(f"{name},{name[0]}\n" for name in names + more)
    table = write_groups(tmp_path / "g.csv", "image,group\n" + rows)
    told = info(letters, image_px=8, groups=str(table))
    assert any("no image here: 2, first D/1.png" in note_text(note) for note in told.notes)
    assert told.num_groups == 3


def test_groups_in_two_parts_are_noted(tiny_npz: Path, tmp_path: Path) -> None:
    rows = "".join(f"{number},w{number % 2}\n" for number in range(96))
    table = write_groups(tmp_path / "g.csv", "image,group\n" + rows)
    told = describe(DataRef(name=f"npz:{tiny_npz}", groups=str(table)), home_in(tmp_path))
    assert any(
        "groups with images in more than one part: 2 of 2, w0, w1" in note_text(n)
        for n in told.notes
    )


# ── npz ──────────────────────────────────────────────────────────────────────────────────────


def arrays(num: int = 6, **fields: Any) -> dict[str, Any]:
    images = np.arange(num * 12, dtype=np.uint8).reshape(num, 3, 4)
    return {"images": images, "labels": np.arange(num) % 3} | fields


def npz(folder: Path, **parts: dict[str, Any]) -> DataRef:
    folder.mkdir(exist_ok=True)
    for part, content in parts.items():
        np.savez(folder / f"{part}.npz", **{k: v for k, v in content.items() if v is not None})
    return DataRef(name=f"npz:{folder}")


def test_npz_grey_with_all_parts(tmp_path: Path) -> None:
    ref = npz(tmp_path / "x", train=arrays(), test=arrays(3), val=arrays(4))
    got = load(ref, home_in(tmp_path))
    assert got.parts == {"train": (0, 6), "val": (6, 10), "test": (10, 13)}
    np.testing.assert_array_equal(got.images_NHWC[6:10, :, :, 0], arrays(4)["images"])
    assert got.labels_N.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 1, 2]
    assert got.class_names == ("0", "1", "2")


@pytest.mark.parametrize("channels", [1, 3])
def test_npz_with_channels(tmp_path: Path, channels: int) -> None:
    images = np.zeros((4, 5, 5, channels), np.uint8)
    ref = npz(tmp_path / "x", train=arrays(4, images=images))
    assert load(ref, home_in(tmp_path)).images_NHWC.shape == (4, 5, 5, channels)


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.uint64])
def test_npz_labels_of_any_whole_number_type(tmp_path: Path, kind: type) -> None:
    ref = npz(tmp_path / "x", train=arrays(labels=np.array([0, 1, 2, 2, 1, 0], kind)))
    assert load(ref, home_in(tmp_path)).labels_N.dtype == np.int64


UTF8 = [name.encode() for name in ("é", "き", "Щ")]


@pytest.mark.parametrize(
    "names", [["A", "き", "no one"], [b"A", b"B", b"C"], UTF8, [7, 8, 9], ["x" * 300, "", "a\0b"]]
)
def test_npz_class_names(tmp_path: Path, names: list[Any]) -> None:
    ref = npz(tmp_path / "x", train=arrays(class_names=np.array(names)))
    wanted = tuple(n.decode() if isinstance(n, bytes) else str(n) for n in names)
    assert load(ref, home_in(tmp_path)).class_names == wanted


STRANGE = {
    "no labels": ({"labels": None}, "expected keys images and labels, got images"),
    "no images": ({"images": None}, "expected keys images and labels, got labels"),
    "float images": ({"images": np.zeros((6, 3, 4))}, "expected uint8 .* got float64"),
    "flat images": ({"images": np.zeros((6, 12), np.uint8)}, r"got uint8 \[6, 12\]"),
    "two channels": ({"images": np.zeros((6, 3, 4, 2), np.uint8)}, r"\[N, H, W, 1 or 3\]"),
    "half a label": ({"labels": np.full(6, 0.5)}, "whole numbers .*, got 0.5 at image 0"),
    "no number": ({"labels": np.array([0, 1, 2, 0, 1, np.nan])}, "got nan at image 5"),
    "complex labels": ({"labels": np.full(6, 1j)}, "expected whole numbers .*numpy.unique"),
    "scores": ({"labels": np.full((6, 3), 1 / 3)}, r"one-hot rows.*labels\.argmax\(axis=1\)"),
    "rows of text": ({"labels": np.full((6, 2), "a")}, "one label for each image"),
    "text that is no name": (
        {"labels": np.array(list("abcabz")), "class_names": np.array(list("abc"))},
        "expected names of class_names, got 'z'",
    ),
    "bytes of Latin-1": (
        {"class_names": np.array(["é".encode("latin-1"), b"B", b"C"])},
        r'text in UTF-8, .*numpy\.char\.decode\(class_names, "latin-1"\)',
    ),
    "names in a column": ({"class_names": np.array([["A"], ["B"], ["C"]])}, r"names\.ravel\(\)"),
    "names that are no text": ({"class_names": np.zeros(3, "V4")}, "try an array of text"),
    "counted from 1": (
        {"labels": np.arange(6) % 3 + 1, "class_names": np.array(list("ABC"))},
        r"labels in 0\.\.2, got 3 at image 2: they count from 1; try labels - 1",
    ),
    "no pixels": ({"images": np.zeros((6, 0, 4), np.uint8)}, "at least one pixel"),
    "label too few": ({"labels": np.zeros(5, int)}, "expected a label for each image"),
    "labels 3-d": ({"labels": np.zeros((6, 1, 2), int)}, "expected a label for each image"),
    "one label": ({"labels": np.array(3)}, "expected a label for each image"),
    "negative": ({"labels": np.array([0, 1, -1, 0, 1, 2])}, "expected numbers from 0, got -1"),
    "code points": ({"labels": np.full(6, 2**40)}, "expected numbers from 0, got 1099"),
    "outside": ({"class_names": np.array(["A", "B"])}, r"expected labels in 0\.\.1, got 2 at im"),
    "same name twice": ({"class_names": np.array(["A", "A", "B"])}, "a name a class"),
    "one name": ({"class_names": np.array("ABC")}, "a name a class"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_a_strange_npz_is_refused(tmp_path: Path, kind: str) -> None:
    fields, told = STRANGE[kind]
    ref = npz(tmp_path / "x", train=arrays(**fields))
    with pytest.raises(DataError, match=told) as caught:
        describe(ref, home_in(tmp_path))
    assert str(tmp_path / "x") in str(caught.value)


def test_labels_that_even_out_over_parts_are_refused(tmp_path: Path) -> None:
    labels = np.zeros(7, int)
    ref = npz(tmp_path / "x", train=arrays(labels=labels), test=arrays(labels=labels[:5]))
    with pytest.raises(DataError, match=r"train\.npz: expected a label for each image"):
        describe(ref, home_in(tmp_path))


def test_npz_parts_of_two_sizes_are_refused(tmp_path: Path) -> None:
    other = arrays(images=np.zeros((6, 4, 4), np.uint8))
    ref = npz(tmp_path / "x", train=arrays(), test=other)
    with pytest.raises(DataError, match=r"got \[3, 4, 1\] and \[4, 4, 1\]"):
        describe(ref, home_in(tmp_path))


@pytest.mark.parametrize(
    "names", [["a", "a ", "b"], ["", "b", "c"], ["a\0b", "ab", "c"], ["\udce9", "b", "c"]]
)
def test_names_that_are_hard_to_see_are_kept_and_noted(tmp_path: Path, names: list[str]) -> None:
    ref = npz(tmp_path / "x", train=arrays(class_names=np.array(names)))
    told = describe(ref, home_in(tmp_path))
    assert DataInfo.model_validate_json(told.model_dump_json()) == told, "it is UTF-8"
    odd = "\udce9" in names  # half a surrogate pair can be written nowhere: its code is shown
    assert bool(told.notes) != odd
    assert told.class_names == (("\\udce9", "b", "c") if odd else tuple(names))


ONE_MEANING = {
    "column": np.array([[0], [1], [2], [2], [1], [0]]),
    "floats": np.array([0.0, 1, 2, 2, 1, 0]),
    "half floats": np.array([0, 1, 2, 2, 1, 0], np.float16),
    "one-hot": np.eye(3, dtype=np.uint8)[[0, 1, 2, 2, 1, 0]],
    "one-hot floats": np.eye(3)[[0, 1, 2, 2, 1, 0]],
    "one-hot bools": np.eye(3, dtype=bool)[[0, 1, 2, 2, 1, 0]],
    "text": np.array(list("012210")),
    "bytes": np.array([b"0", b"1", b"2", b"2", b"1", b"0"]),
}


@pytest.mark.parametrize("kind", ONE_MEANING)
def test_labels_that_can_mean_one_thing_are_read(tmp_path: Path, kind: str) -> None:
    plain = describe(
        npz(tmp_path / "p", train=arrays(labels=[0, 1, 2, 2, 1, 0])), home_in(tmp_path)
    )
    ref = npz(tmp_path / "x", train=arrays(labels=ONE_MEANING[kind]))
    assert describe(ref, home_in(tmp_path)).digest == plain.digest


def test_true_and_false_are_1_and_0(tmp_path: Path) -> None:
    ref = npz(tmp_path / "x", train=arrays(labels=np.array([True, False, True] * 2)))
    assert load(ref, home_in(tmp_path)).labels_N.tolist() == [1, 0, 1, 1, 0, 1]


# ── npz: parts whose names differ ────────────────────────────────────────────────────────────

NAMES = np.array(["cat", "dog", "cow"])


@pytest.mark.parametrize(
    ("names", "labels", "meant"),
    [
        (["cow", "cat", "dog"], [0, 1, 2], [2, 0, 1]),
        ([b"cow", b"cat", b"dog"], [0, 1, 2], [2, 0, 1]),
        (["dog", "cat"], [0, 1, 1], [1, 0, 0]),
        (["cow", "elk", "cat", "dog"], [0, 2, 3], [2, 0, 1]),  # no image is an elk
        (None, [0, 1, 2], [0, 1, 2]),
        (None, ["cow", "cat", "dog"], [2, 0, 1]),
        (["cat", "dog", "cow"], [0, 1, 2], [0, 1, 2]),
    ],
)
@pytest.mark.parametrize("part", ["val", "test"])
def test_names_decide_what_a_label_means(
    tmp_path: Path, part: str, names: Any, labels: Any, meant: list[int]
) -> None:
    other = arrays(3, labels=np.array(labels), class_names=names)
    ref = npz(tmp_path / "x", train=arrays(class_names=NAMES), **{part: other})
    got = load(ref, home_in(tmp_path))
    assert got.class_names == ("cat", "dog", "cow")
    assert got.labels_N[6:].tolist() == meant


def test_sets_whose_parts_agree_keep_their_digest(tmp_path: Path) -> None:
    both = [arrays(class_names=NAMES), arrays(3, class_names=NAMES)]
    agree = npz(tmp_path / "x", train=both[0], test=both[1])
    silent = npz(tmp_path / "y", train=both[0], test=arrays(3))
    digests = {describe(ref, home_in(tmp_path)).digest for ref in (agree, silent)}
    # of the version that knew of no names but training's
    assert digests == {"9bc661acd0b714acdd3ce3e9557b1e30d9e9cf99be856da2f6bda6646e0d0630"}


@pytest.mark.parametrize(
    ("train", "test", "told"),
    [
        ({"class_names": NAMES}, {"class_names": ["cat", "dog", "elk"]}, "'elk' for 1 images"),
        ({"class_names": NAMES}, {"class_names": ["cat", "dog ", "cow"]}, "got 'dog ' for 1 im"),
        ({"class_names": NAMES}, {"labels": np.array([0, 1, 3])}, r"test\.npz, labels: .*got 3"),
        ({"class_names": NAMES}, {"labels": np.array([1, 2, 3])}, "count from 1; try labels - 1"),
        ({}, {"class_names": NAMES}, r"in test\.npz alone; try class_names in train\.npz, too"),
        ({}, {"class_names": ["1", "0", "2"]}, r"in test\.npz alone"),
        ({"labels": np.array(list("abcabc"))}, {}, r"numbers beside the text of train\.npz; try"),
        ({}, {"labels": np.array(list("abc"))}, r"in test\.npz alone"),
    ],
)
def test_parts_whose_names_do_not_fit_are_refused(
    tmp_path: Path, train: dict[str, Any], test: dict[str, Any], told: str
) -> None:
    ref = npz(tmp_path / "x", train=arrays(**train), test=arrays(3, **test))
    with pytest.raises(DataError, match=told):
        describe(ref, home_in(tmp_path))


def test_names_of_the_test_part_that_are_its_numbers_are_fine(tmp_path: Path) -> None:
    ref = npz(tmp_path / "x", train=arrays(), test=arrays(3, class_names=["0", "1", "2"]))
    assert describe(ref, home_in(tmp_path)).class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([1, 2, 3, 3, 2, 1], "classes without any image (1): 0; labels run 1 to 3"),
        ([0, 2, 4, 0, 2, 4], "classes without any image (2): 1, 3; labels run 0 to 4"),
    ],
)
def test_labels_with_gaps_are_noted(tmp_path: Path, labels: list[int], told: str) -> None:
    ref = npz(tmp_path / "x", train=arrays(labels=np.array(labels)))
    assert [*map(note_text, describe(ref, home_in(tmp_path)).notes)] == [told]


# ── npz: images that are something else ──────────────────────────────────────────────────────

BYTES_NHWC = np.random.default_rng(0).integers(0, 256, (6, 8, 9, 3), dtype=np.uint8)
GREY_NHW = BYTES_NHWC[..., 0]

MENDS = {
    "channels first": (BYTES_NHWC.transpose(0, 3, 1, 2), BYTES_NHWC, "channels first"),
    "grey, channels first": (GREY_NHW[:, None], GREY_NHW[..., None], "channels first"),
    "RGBA": (np.concatenate([BYTES_NHWC, GREY_NHW[..., None]], 3), BYTES_NHWC, "alpha"),
    "RGBA, channels first": (
        np.concatenate([BYTES_NHWC, GREY_NHW[..., None]], 3).transpose(0, 3, 1, 2),
        BYTES_NHWC,
        "channels first",
    ),
    "grey and alpha": (np.stack([GREY_NHW] * 2, 3), GREY_NHW[..., None], "grey and alpha"),
    "images last": (BYTES_NHWC.transpose(1, 2, 3, 0), BYTES_NHWC, "images last"),
    "grey, images last": (GREY_NHW.transpose(1, 2, 0), GREY_NHW, "images last"),
    "channels first, images last": (BYTES_NHWC.transpose(3, 1, 2, 0), BYTES_NHWC, "images last"),
    "0 to 1": (BYTES_NHWC / np.float32(255), BYTES_NHWC, "float32 .*from 0 to 1"),
    "0 to 1, channels first": (
        (BYTES_NHWC / 255).transpose(0, 3, 1, 2),
        BYTES_NHWC,
        "float64 .*from 0 to 1, channels first",
    ),
    "-1 to 1": (BYTES_NHWC / 127.5 - 1, BYTES_NHWC, "from -1 to 1"),
    "floats to 255": (BYTES_NHWC.astype(float), BYTES_NHWC, "from 0 to 255"),
    "standardized": (BYTES_NHWC / 85 - 1.5, BYTES_NHWC, "from -1.5 to 1.5"),
    "int64": (BYTES_NHWC.astype(int), BYTES_NHWC, "int64 .*from 0 to 255"),
    "int8": ((BYTES_NHWC.astype(int) - 128).astype(np.int8), BYTES_NHWC, "from -128 to 127"),
    "16 bits": (BYTES_NHWC.astype(np.uint16) << 8, BYTES_NHWC, "uint16 .*from 0 to 65280"),
    "12 bits": (BYTES_NHWC.astype(np.uint16) << 4, BYTES_NHWC, "from 0 to 4080"),
    "bits": (GREY_NHW > 99, (GREY_NHW > 99) * np.uint8(255), "bool .*true and false"),
    "rows": (np.zeros((6, 49), np.uint8), np.zeros((6, 7, 7), np.uint8), "images in rows"),
    "rows of colour": (np.zeros((6, 75), np.uint8), np.zeros((6, 5, 5, 3), np.uint8), "in rows"),
}


@pytest.mark.parametrize("kind", MENDS)
def test_the_remedy_for_other_images_mends_them(tmp_path: Path, kind: str) -> None:
    images, wanted, told = MENDS[kind]
    with pytest.raises(DataError, match=told) as caught:
        describe(npz(tmp_path / "x", train=arrays(images=images)), home_in(tmp_path))
    remedy = str(caught.value).split("; try ")[1]
    mended = eval(remedy, {"images": images, "numpy": np})
    got = load(npz(tmp_path / "y", train=arrays(images=mended)), home_in(tmp_path)).images_NHWC
    np.testing.assert_array_equal(got, wanted.reshape(got.shape))


def test_npz_without_images_is_read_and_has_none(tmp_path: Path) -> None:
    empty = {"images": np.zeros((0, 3, 4), np.uint8), "labels": np.zeros(0, int)}
    assert describe(npz(tmp_path / "x", train=empty), home_in(tmp_path)).num_images == {"train": 0}


def test_npz_without_train_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected train\.npz"):
        describe(npz(tmp_path / "x", test=arrays()), home_in(tmp_path))


def test_real_street_photographs(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "street62").is_dir():
        pytest.skip(f"no street photographs in {real_data}")
    got = describe(DataRef(name="npz:street62"), DataHome(real_data, tmp_path))
    assert (got.height_px, got.width_px, got.channels) == (32, 32, 3)
    assert got.num_images == {"train": 3711, "test": 989}
    assert "".join(got.class_names) == (
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    )


def test_a_folder_named_like_a_picture_is_no_picture(letters: Path) -> None:
    (letters / "A" / "0.png").mkdir()
    with pytest.raises(DataError, match=r"A/0\.png: expected a readable picture"):
        info(letters, image_px=8)


def test_a_link_to_nowhere_is_a_broken_picture(letters: Path) -> None:
    link = letters / "A" / "lost.png"
    link.symlink_to(letters / "A" / "gone.png")
    with pytest.raises(DataError, match=r"lost\.png: expected a readable picture"):
        info(letters, image_px=9)
    assert "lost.png" in note_text(info(letters, image_px=9, on_bad_image="skip").notes[0])


def test_more_classes_than_a_record_can_hold_are_one_error(tmp_path: Path) -> None:
    num = 100_001
    for part in ("train", "test"):
        np.savez(
            tmp_path / f"{part}.npz",
            images=np.zeros((num, 2, 2), np.uint8),
            labels=np.arange(num),
            class_names=np.arange(num).astype("U6"),
        )
    with pytest.raises(DataError, match="expected at most 100,000 names"):
        describe(DataRef(name=f"npz:{tmp_path}"), home_in(tmp_path))
