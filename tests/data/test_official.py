"""Published sets: the real files where they are, made-up ones of the same layout where not."""

from __future__ import annotations

import functools
import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import EMNIST, KMNIST, MNIST

from data.stand_ins import home_in, write_idx, write_stand_in
from neurovisionlab.core.errors import DataError
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.official import OFFICIAL, checksum_notes, read_official
from neurovisionlab.data.sources import SOURCES, describe
from neurovisionlab.out.said import note_text

IDX_SETS = [name for name, one in OFFICIAL.items() if len(one.files["train"]) == 2]
EMNIST_RAW = "EMNIST/raw/emnist-letters"


@functools.cache
def real_letters(folder: Path) -> ImageSet:
    return read_official("emnist-letters", DataHome(folder, folder))


def unpack(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(source) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)


# ── the real files ───────────────────────────────────────────────────────────────────────────


def test_real_letters_are_complete(real_data: Path) -> None:
    letters = real_letters(real_data)
    assert letters.parts == {"train": (0, 124_800), "test": (124_800, 145_600)}
    assert letters.class_names == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    train_C = np.bincount(letters.labels_N[:124_800], minlength=26)
    test_C = np.bincount(letters.labels_N[124_800:], minlength=26)
    assert set(train_C) == {4800}
    assert set(test_C) == {800}


def test_real_letters_stand_upright(real_data: Path, tmp_path: Path) -> None:
    for kind in ("images-idx3", "labels-idx1"):
        name = f"{EMNIST_RAW}-test-{kind}-ubyte"
        unpack(real_data / f"{name}.gz", tmp_path / name)
    theirs = EMNIST(str(tmp_path), split="letters", train=False)
    letters = real_letters(real_data)
    # torchvision hands them out as stored: lying on their side, mirrored
    np.testing.assert_array_equal(
        letters.images_NHWC[124_800:, :, :, 0], theirs.data.numpy().transpose(0, 2, 1)
    )
    np.testing.assert_array_equal(letters.labels_N[124_800:] + 1, theirs.targets.numpy())
    assert letters.class_names == tuple(name.upper() for name in theirs.classes[1:])


def test_real_letters_look_like_letters(real_data: Path) -> None:
    """A P is heavy at the top and stands on its left; a V is wide at the top."""
    letters = real_letters(real_data)

    def ink(letter: str) -> np.ndarray:
        chosen = letters.labels_N == letters.class_names.index(letter)
        return letters.images_NHWC[chosen, :, :, 0].mean(0)

    def width(rows: np.ndarray) -> float:
        columns = np.arange(rows.shape[1])
        share = rows.sum(0) / rows.sum()
        mean = (share * columns).sum()
        return float((share * (columns - mean) ** 2).sum() ** 0.5)

    assert ink("P")[:10].sum() > 1.5 * ink("P")[18:].sum()
    assert ink("P")[18:, :14].sum() > 5 * ink("P")[18:, 14:].sum()
    assert width(ink("V")[:10]) > 1.5 * width(ink("V")[18:])


def test_real_letters_pass_for_the_published_files(real_data: Path) -> None:
    assert checksum_notes("emnist-letters", DataHome(real_data, real_data)) == ()


def test_real_kmnist_test_is_read_as_torchvision_reads_it(real_data: Path, tmp_path: Path) -> None:
    raw = tmp_path / "data" / "KMNIST" / "raw"
    for kind in ("images-idx3", "labels-idx1"):
        source = real_data / "KMNIST" / "raw" / f"t10k-{kind}-ubyte.gz"
        unpack(source, tmp_path / "theirs" / "KMNIST" / "raw" / f"t10k-{kind}-ubyte")
        raw.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, raw)
    for folder in (raw, tmp_path / "theirs" / "KMNIST" / "raw"):  # torchvision wants all files
        write_idx(folder / "train-images-idx3-ubyte", np.zeros((10, 28, 28), np.uint8))
        write_idx(folder / "train-labels-idx1-ubyte", np.arange(10, dtype=np.uint8))
    kana = read_official("kmnist", home_in(tmp_path))
    theirs = KMNIST(str(tmp_path / "theirs"), train=False)
    np.testing.assert_array_equal(kana.images_NHWC[10:, :, :, 0], theirs.data.numpy())
    np.testing.assert_array_equal(kana.labels_N[10:], theirs.targets.numpy())
    assert kana.class_names == tuple("おきすつなはまやれを")
    (note,) = checksum_notes("kmnist", home_in(tmp_path))
    assert "t10k" not in note_text(note)


def test_kmnist_without_train_images_says_what_is_missing(real_data: Path) -> None:
    with pytest.raises(DataError) as caught:
        describe(DataRef(name="kmnist"), DataHome(real_data, real_data))
    told = str(caught.value)
    assert "train-images-idx3-ubyte (or train-images-idx3-ubyte.gz)" in told
    assert str(real_data / "KMNIST" / "raw") in told
    assert "nvl data fetch kmnist" in told


# ── stand-ins for every published set ────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("name", OFFICIAL)
def test_every_published_layout_is_read(tmp_path: Path, name: str, suffix: str) -> None:
    home = home_in(tmp_path)
    wanted = write_stand_in(name, home.data_dir, suffix)
    got = read_official(name, home)
    assert list(got.parts) == ["train", "test"]
    np.testing.assert_array_equal(
        got.images_NHWC, np.concatenate([one.images_NHWC for one in wanted.values()])
    )
    np.testing.assert_array_equal(
        got.labels_N, np.concatenate([one.labels_N for one in wanted.values()])
    )
    num_test = len(wanted["test"].labels_N)
    assert got.parts["test"] == (len(got.labels_N) - num_test, len(got.labels_N))
    assert got.parts["train"] == (0, len(got.labels_N) - num_test)
    assert not got.provenance.synthetic
    assert got.provenance.licence


@pytest.mark.parametrize("name", OFFICIAL)
def test_a_stand_in_never_passes_for_the_published_set(tmp_path: Path, name: str) -> None:
    home = home_in(tmp_path)
    write_stand_in(name, home.data_dir)
    notes = " ".join(map(note_text, describe(DataRef(name=name), home).notes))
    for files in OFFICIAL[name].files.values():
        assert all(file in notes for file in files)
    assert describe(DataRef(name=name), home).notes, "notes survive the cache"


def test_one_damaged_file_is_the_one_that_is_noted(real_data: Path, tmp_path: Path) -> None:
    home = home_in(tmp_path)
    raw = home.data_dir / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (real_data / "EMNIST" / "raw").iterdir():
        (raw / path.name).symlink_to(path)
    changed = raw / "emnist-letters-test-labels-idx1-ubyte.gz"
    changed.unlink()
    write_idx(changed, np.ones(20_800, np.uint8))
    assert [*map(note_text, checksum_notes("emnist-letters", home))] == [
        "emnist-letters-test-labels-idx1-ubyte.gz is not the published file (its MD5 differs)",
    ]


@pytest.mark.parametrize("name", OFFICIAL)
def test_a_missing_file_is_named_with_its_place_and_the_command(tmp_path: Path, name: str) -> None:
    assert name in SOURCES
    home = home_in(tmp_path)
    for files in OFFICIAL[name].files.values():
        for file in files:
            write_stand_in(name, home.data_dir)
            (home.data_dir / OFFICIAL[name].folders[0] / file).unlink()
            with pytest.raises(DataError) as caught:
                describe(DataRef(name=name), home)
            told = str(caught.value)
            assert f"expected {file} (or {file}.gz) in {home.data_dir}" in told
            assert f"nvl data fetch {name}" in told
            assert f"--data DIR with {OFFICIAL[name].folders[0]} in it" in told


@pytest.mark.parametrize("split", ["balanced", "bymerge", "byclass", "digits", "mnist"])
def test_emnist_class_names_are_torchvisions(split: str) -> None:
    theirs = EMNIST.classes_split_dict[split]
    assert list(OFFICIAL[f"emnist-{split}"].class_names) == theirs


def test_published_checksums_are_torchvisions() -> None:
    for name, theirs in (("mnist", MNIST), ("kmnist", KMNIST)):
        assert dict(OFFICIAL[name].md5) == dict(theirs.resources)


def test_svhn_checksums_are_torchvisions() -> None:
    from torchvision.datasets import SVHN

    theirs = {file: md5 for _, file, md5 in SVHN.split_list.values()}
    assert dict(OFFICIAL["svhn-extra"].md5) == theirs
    assert dict(OFFICIAL["svhn"].md5).items() <= theirs.items()


# ── files that do not belong together ────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", IDX_SETS)
def test_labels_in_place_of_images_are_refused(tmp_path: Path, name: str) -> None:
    home = home_in(tmp_path)
    write_stand_in(name, home.data_dir)
    images, labels = (
        home.data_dir / OFFICIAL[name].folders[0] / f for f in OFFICIAL[name].files["train"]
    )
    shutil.copy(labels, images)
    with pytest.raises(DataError, match=r"expected \[N, H, W\] and \[N\]"):
        read_official(name, home)


def test_labels_one_short_in_train_and_one_long_in_test_do_not_even_out(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    raw = home.data_dir / "MNIST" / "raw"
    for part, num in (("train", 19), ("t10k", 11)):
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.zeros(num, np.uint8))
    write_idx(raw / "train-images-idx3-ubyte", np.zeros((20, 28, 28), np.uint8))
    write_idx(raw / "t10k-images-idx3-ubyte", np.zeros((10, 28, 28), np.uint8))
    with pytest.raises(DataError, match="train-images-idx3-ubyte and its labels"):
        read_official("mnist", home)


def test_parts_of_two_sizes_are_refused(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    write_stand_in("mnist", home.data_dir)
    raw = home.data_dir / "MNIST" / "raw"
    write_idx(raw / "t10k-images-idx3-ubyte", np.zeros((30, 20, 20), np.uint8))
    with pytest.raises(DataError, match="one image shape in all parts"):
        read_official("mnist", home)


def test_a_label_outside_the_classes_is_refused(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    write_stand_in("emnist-letters", home.data_dir)
    labels = home.data_dir / f"{EMNIST_RAW}-test-labels-idx1-ubyte"
    for wrong, told in ((0, "-1"), (27, "26")):
        write_idx(labels, np.full(78, wrong, np.uint8))
        with pytest.raises(DataError, match=rf"expected labels in 0\.\.25, got {told} at image 52"):
            read_official("emnist-letters", home)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    write_stand_in("svhn", home.data_dir)
    write_stand_in("kmnist", home.data_dir, ".gz")
    for path in (
        home.data_dir / "SVHN" / "test_32x32.mat",
        home.data_dir / "KMNIST" / "raw" / "t10k-images-idx3-ubyte.gz",
    ):
        path.write_bytes(path.read_bytes()[:-100])
        name = "svhn" if path.suffix == ".mat" else "kmnist"
        with pytest.raises(DataError, match=path.name):
            read_official(name, home)


def test_svhn_lies_in_its_own_folder_or_directly_in_the_data_folder(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    write_stand_in("svhn", home.data_dir)
    nested = read_official("svhn", home).digest
    for path in (home.data_dir / "SVHN").iterdir():
        path.rename(home.data_dir / path.name)
    assert read_official("svhn", home).digest == nested
