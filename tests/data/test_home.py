"""What is cached, when it is used again, and names that nobody knows."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from data.stand_ins import home_in, made_up_set, write_stand_in
from neurovisionlab.core.errors import DataError
from neurovisionlab.core.spec import DataInfo, DataRef, Labels
from neurovisionlab.core.statements import state
from neurovisionlab.data import cache, sources
from neurovisionlab.data.cache import cached_info, cached_set, keep_info, keep_set
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet, Provenance, regroup, take
from neurovisionlab.data.sources import describe, load, source_of
from neurovisionlab.data.synthetic import draw


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


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    folder = tmp_path / "letters"
    for letter in "AB":
        (folder / letter).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (6, 6), 30 * number).save(folder / letter / f"{number}.png")
    return folder


# ── where things are ─────────────────────────────────────────────────────────────────────────


def test_home_takes_the_argument_then_the_variable_then_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NVL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NVL_DATA", raising=False)
    assert DataHome.find() == DataHome(tmp_path / "cache" / "data", tmp_path / "cache")
    monkeypatch.setenv("NVL_DATA", str(tmp_path / "images"))
    assert DataHome.find().data_dir == tmp_path / "images"
    assert DataHome.find(tmp_path / "mine").data_dir == tmp_path / "mine"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert DataHome.find("~/x").data_dir == tmp_path / "x"
    monkeypatch.delenv("NVL_CACHE")
    assert DataHome.find().cache_dir.name == "neurovisionlab"


# ── what is known of a set ───────────────────────────────────────────────────────────────────


def test_nothing_is_read_twice_while_nothing_changes(
    tmp_path: Path, letters: Path, reads: list[str]
) -> None:
    ref = DataRef(name=f"folder:{letters}")
    first = describe(ref, home_in(tmp_path))
    assert len(reads) == 1
    assert describe(ref, home_in(tmp_path)) == first
    loaded = load(ref, home_in(tmp_path))
    assert len(reads) == 1, "the decoded set came from the cache"
    assert loaded.digest == first.digest


@pytest.mark.parametrize("change", ["content", "size", "time", "more", "fewer", "renamed", "class"])
def test_a_changed_folder_is_read_again(
    tmp_path: Path, letters: Path, reads: list[str], change: str
) -> None:
    ref, home = DataRef(name=f"folder:{letters}"), home_in(tmp_path)
    first = describe(ref, home)
    path = letters / "A" / "1.png"
    if change == "content":
        Image.new("L", (6, 6), 200).save(path)
        os.utime(path, ns=(1, 1))
    elif change == "size":  # by a tool that puts the time back
        before = path.stat()
        Image.new("L", (6, 6), 200).save(path, compress_level=0)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "time":
        os.utime(path, ns=(1, 1))
    elif change == "more":
        Image.new("L", (6, 6), 9).save(letters / "B" / "9.png")
    elif change == "fewer":
        path.unlink()
    elif change == "renamed":
        path.rename(path.with_name("9.png"))
    else:
        path.rename(letters / "B" / "9.png")
    second = describe(ref, home)
    assert len(reads) == 2
    assert (second.digest == first.digest) == (change == "time")


@pytest.mark.parametrize(
    "fields",
    [{"image_px": 8}, {"on_bad_image": "skip"}, {"labels": Labels(merge_case=True)}],
)
def test_another_way_of_reading_is_another_entry(
    tmp_path: Path, letters: Path, reads: list[str], fields: dict[str, Any]
) -> None:
    home = home_in(tmp_path)
    describe(DataRef(name=f"folder:{letters}"), home)
    describe(DataRef(name=f"folder:{letters}", **fields), home)
    assert len(reads) == 2


def test_a_changed_table_of_groups_is_read_again(tmp_path: Path, letters: Path) -> None:
    table = tmp_path / "g.csv"
    names = [f"{letter}/{number}.png" for letter in "AB" for number in range(3)]
    digests = []
    for writers in ("001122", "010212"):
        rows = [f"{name},{writer}\n" for name, writer in zip(names, writers, strict=True)]
        table.write_text("image,group\n" + "".join(rows))
        os.utime(table, ns=(1, len(digests)))
        ref = DataRef(name=f"folder:{letters}", groups=str(table))
        digests.append(describe(ref, home_in(tmp_path)).digest)
    assert digests[0] != digests[1]


def test_an_official_file_that_is_put_in_place_later_is_found(tmp_path: Path) -> None:
    home, ref = home_in(tmp_path), DataRef(name="mnist")
    with pytest.raises(DataError):
        describe(ref, home)
    write_stand_in("mnist", home.data_dir)
    first = describe(ref, home)
    labels = home.data_dir / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    content = bytearray(labels.read_bytes())
    content[-1] = 0
    labels.write_bytes(content)
    os.utime(labels, ns=(1, 1))
    assert describe(ref, home).digest != first.digest


@pytest.mark.parametrize("where", ["a file", "below a file"])
def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, letters: Path, reads: list[str], where: str
) -> None:
    blocked = tmp_path / "cache"
    blocked.write_text("no folder")
    home = DataHome(tmp_path, blocked if where == "a file" else blocked / "deeper")
    ref = DataRef(name=f"folder:{letters}")
    assert describe(ref, home).digest == describe(ref, home).digest == load(ref, home).digest
    assert len(reads) == 3


def test_damaged_entries_are_made_again(tmp_path: Path, letters: Path, reads: list[str]) -> None:
    home, ref = home_in(tmp_path), DataRef(name=f"folder:{letters}")
    first = describe(ref, home)
    for content in (b"", b"{}", b"no json", b"\xff\xfe\x00"):
        for path in [p for p in home.cache_dir.rglob("*") if p.is_file()]:
            path.write_bytes(content)
        assert describe(ref, home) == first
    for path in (home.cache_dir / "sets").rglob("images.npy"):
        np.save(path, np.zeros((2, 2)))
    assert load(ref, home).digest == first.digest
    assert len(reads) == 6


def test_a_full_disk_leaves_no_half_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = home_in(tmp_path)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.np.lib.format, "write_array", full)
    keep_set(home, "key", made_up_set({"train": [3, 3]}))
    assert list((home.cache_dir / "sets").iterdir()) == []
    assert cached_set(home, "key") is None


def test_a_set_kept_twice_is_kept_once(tmp_path: Path) -> None:
    home, images = home_in(tmp_path), made_up_set({"train": [3, 3]})
    for _ in range(2):
        keep_set(home, "key", images)
    assert [path.name for path in (home.cache_dir / "sets").iterdir()] == ["key"]


@pytest.mark.parametrize("groups", [None, np.arange(10) % 3])
def test_a_set_comes_back_as_it_was_kept(tmp_path: Path, groups: Any) -> None:
    images = made_up_set({"train": [3, 3], "test": [2, 2]}, groups)
    noted = dataclasses.replace(
        images,
        provenance=Provenance(
            "s",
            "l",
            synthetic=True,
            notes=("n", "き", state("data.empty", count=1, names=("き/",))),
        ),
    )
    keep_set(home_in(tmp_path), "key", noted)
    back = cached_set(home_in(tmp_path), "key")
    assert back is not None
    assert back.digest == noted.digest
    assert (back.provenance, back.parts, back.name) == (noted.provenance, noted.parts, noted.name)
    assert (back.groups_N is None) == (groups is None)


def test_infos_come_back_as_they_were_kept(tmp_path: Path) -> None:
    home, info = home_in(tmp_path), made_up_set({"train": [3, 3]}).info()
    assert cached_info(home, "key") is None
    keep_info(home, "key", info)
    assert cached_info(home, "key") == info
    assert [path.name for path in (home.cache_dir / "infos").iterdir()] == ["key.json"]


# ── names ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("emnist-leters", "emnist-letters"), ("Digits", "digits"), ("kmnst", "kmnist")],
)
def test_an_unknown_name_gets_the_three_nearest(name: str, nearest: str) -> None:
    with pytest.raises(DataError) as caught:
        source_of(name)
    told = str(caught.value)
    assert f"expected a known name, got '{name}'; try " in told
    offered = told.split("; try ")[1].split(", ")
    assert offered[0] == nearest
    assert len(offered) <= 3


def test_an_unknown_kind_gets_the_kinds() -> None:
    with pytest.raises(DataError, match="folder:DIR"):
        source_of("foldr:my letters")


# ── digits, and classes regrouped ────────────────────────────────────────────────────────────


def test_digits_are_scikit_learns(tmp_path: Path) -> None:
    theirs = load_digits()
    ours = load(DataRef(name="digits"), home_in(tmp_path))
    assert ours.images_NHWC.shape == (1797, 28, 28, 1)
    np.testing.assert_array_equal(ours.labels_N, theirs.target)
    assert ours.class_names == tuple("0123456789")
    assert ours.parts == {"train": (0, 1797)}
    # averaged back to 8×8 they are the pictures they were
    small = ours.images_NHWC[:, :, :, 0].reshape(1797, 28, 28)
    centres = (np.arange(8) * 3.5 + 1.75).astype(int)
    seen = small[:, centres][:, :, centres].reshape(1797, -1).astype(float)
    agreement = np.corrcoef(seen.ravel(), theirs.images.reshape(1797, -1).ravel())[0, 1]
    assert agreement > 0.97
    assert np.ptp(ours.images_NHWC) == 255


def cased() -> ImageSet:
    names = ("0", "1", "A", "B", "a", "b", "mm")
    labels_N = np.array([0, 1, 2, 3, 4, 5, 6, 4, 2, 0, 6, 5])
    return ImageSet(
        name="cased",
        images_NHWC=np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1),
        labels_N=labels_N,
        class_names=names,
        parts={"train": (0, 7), "val": (7, 9), "test": (9, 12)},
        provenance=Provenance("", ""),
        groups_N=np.arange(12),
    )


@pytest.mark.parametrize(
    ("labels", "names", "kept"),
    [
        (Labels(), "0 1 A B a b mm", range(12)),
        (Labels(merge_case=True), "0 1 A B MM", range(12)),
        (Labels(keep="0-9"), "0 1", [0, 1, 9]),
        (Labels(keep="A]|.*[B"), "A B", [2, 3, 8]),
        (Labels(keep="A-Za-z"), "A B a b", [2, 3, 4, 5, 7, 8, 11]),
        (Labels(keep="A-Za-z", merge_case=True), "A B", [2, 3, 4, 5, 7, 8, 11]),
        (Labels(keep="b0"), "0 b", [0, 5, 9, 11]),
    ],
)
def test_classes_are_chosen_and_joined_by_name(labels: Labels, names: str, kept: Any) -> None:
    before, after = cased(), regroup(cased(), labels)
    assert list(after.class_names) == names.split()
    assert after.images_NHWC.ravel().tolist() == list(kept)
    wanted = [before.class_names[before.labels_N[i]] for i in kept]
    wanted = [name.upper() if labels.merge_case else name for name in wanted]
    assert [after.class_names[label] for label in after.labels_N] == wanted
    for part, (first, stop) in before.parts.items():
        inside = [i for i in kept if first <= i < stop]
        assert after.images_NHWC[after.part(part)].ravel().tolist() == inside
    assert after.groups_N is not None
    assert after.groups_N.tolist() == list(kept)


@pytest.mark.parametrize("keep", ["7", "A", "[", "z-a", ""])
def test_what_leaves_fewer_than_two_classes_is_refused(keep: str) -> None:
    with pytest.raises(DataError, match=r"labels\.keep"):
        regroup(cased(), Labels(keep=keep))


def test_take_keeps_parts_in_step() -> None:
    got = take(cased(), np.array([1, 6, 7, 11]))
    assert got.parts == {"train": (0, 2), "val": (2, 3), "test": (3, 4)}
    assert got.labels_N.tolist() == [1, 6, 4, 5]


def test_the_digest_sees_all_that_a_model_could_see() -> None:
    base = cased()
    assert base.groups_N is not None
    others = [
        dataclasses.replace(base, images_NHWC=base.images_NHWC + 1),
        dataclasses.replace(base, labels_N=base.labels_N[::-1].copy()),
        dataclasses.replace(base, class_names=(*base.class_names[:-1], "m")),
        dataclasses.replace(base, parts={"train": (0, 7), "test": (7, 12)}),
        dataclasses.replace(base, groups_N=None),
        dataclasses.replace(base, groups_N=base.groups_N + 1),
        dataclasses.replace(base, images_NHWC=base.images_NHWC.reshape(12, 1, 1, 1).repeat(3, 3)),
    ]
    assert len({one.digest for one in [base, *others]}) == len(others) + 1
    moved = dataclasses.replace(base, name="other", provenance=Provenance("elsewhere", ""))
    assert moved.digest == base.digest
    strided = dataclasses.replace(base, images_NHWC=np.asfortranarray(base.images_NHWC))
    assert strided.digest == base.digest


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"images_NHWC": np.zeros((12, 2, 2, 2), np.uint8)}, r"\[N, H, W, 1 or 3\]"),
        ({"images_NHWC": np.zeros((12, 2, 2, 1))}, "got float64"),
        ({"labels_N": np.zeros(11, np.int64)}, "11 labels for 12 images"),
        ({"labels_N": np.full(12, 7)}, r"labels in 0\.\.6, got 7 at image 0"),
        ({"labels_N": np.full(12, -1)}, r"labels in 0\.\.6, got -1 at image 0"),
    ],
)
def test_a_set_that_does_not_agree_with_itself_is_refused(
    fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(DataError, match=told):
        dataclasses.replace(cased(), **fields)


def test_info_is_what_the_set_is() -> None:
    info = cased().info()
    assert isinstance(info, DataInfo)
    assert info.num_images == {"train": 7, "val": 2, "test": 3}
    assert (info.height_px, info.width_px, info.channels) == (1, 1, 1)
    assert info.digest == cased().digest


def test_groups_of_the_study_win_over_those_of_the_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = draw.draw_pen_letters(200, 100)
    monkeypatch.setattr(draw, "draw_pen_letters", lambda: few)
    home = home_in(tmp_path)
    own = load(DataRef(name="pen-letters"), home)
    lines = [f"{number},{number // 50}" for number in range(len(own.labels_N))]
    path = tmp_path / "groups.csv"
    path.write_text("\n".join(["image,group", *lines]))
    groups_N = load(DataRef(name="pen-letters", groups=str(path)), home).groups_N
    assert groups_N is not None and len(set(groups_N)) == 6
    assert own.groups_N is not None and len(set(own.groups_N)) == 15
