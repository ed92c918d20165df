"""A user's own images: folders a person would make, .npz files, groups."""

from __future__ import annotations

import shutil
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
    assert any("1 unreadable" in note and str(broken) in note for note in told.notes)
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
        ("", "expected a group for each image, got none for a.png"),
        ("file,writer\na.png,1\n", "expected a CSV file with image,group"),
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


def test_a_table_that_is_no_text_is_named(tmp_path: Path) -> None:
    table = tmp_path / "g.csv"
    table.write_bytes(b"image,group\n\xff\xfe\x00,1\n")
    with pytest.raises(DataError, match="expected a CSV file"):
        read_groups(table, ["a.png"])


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


@pytest.mark.parametrize("names", [["A", "き", "no one"], [b"A", b"B", b"C"], [7, 8, 9]])
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
    "float labels": ({"labels": np.zeros(6)}, "expected whole numbers"),
    "words": ({"labels": np.array(list("abcabc"))}, "expected whole numbers"),
    "label too few": ({"labels": np.zeros(5, int)}, "expected a label for each image"),
    "labels 2-d": ({"labels": np.zeros((6, 1), int)}, "expected a label for each image"),
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
    assert "lost.png" in info(letters, image_px=9, on_bad_image="skip").notes[0]
