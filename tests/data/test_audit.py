"""The audit against sets with planted faults, and against comparing every pair by SciPy."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from neurovisionlab.core.errors import DataError
from neurovisionlab.core.names import ascii_form
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data import near as near_module
from neurovisionlab.data.audit import Audit, audit
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet, Provenance
from neurovisionlab.data.near import NearSearch
from neurovisionlab.data.official import KANA
from neurovisionlab.data.sheets import sheet, write_sheet
from neurovisionlab.data.sources import load
from neurovisionlab.out.data_sets import audit_lines

NUM_TRAIN, NUM_TEST = 30, 12


def smooth(num: int, channels: int = 1, seed: int = 0) -> NDArray[np.uint8]:
    """Random pictures with structure: 7×7 noise enlarged to 28×28."""
    small = np.random.default_rng(seed).integers(0, 256, (num, 7, 7, channels), dtype=np.uint8)
    return small.repeat(4, axis=1).repeat(4, axis=2)


def made(channels: int = 1) -> ImageSet:
    total = NUM_TRAIN + NUM_TEST
    return ImageSet(
        name="made",
        images_NHWC=smooth(total, channels),
        labels_N=np.arange(total) % 3,
        class_names=("a", "b", "c"),
        parts={"train": (0, NUM_TRAIN), "test": (NUM_TRAIN, total)},
        provenance=Provenance("made here", "none"),
    )


def jpeg(image_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(image_HWC.squeeze()).save(buffer, "jpeg", quality=90)
    return np.asarray(Image.open(buffer)).reshape(image_HWC.shape)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_clean_set_has_no_findings(channels: int) -> None:
    found = audit(made(channels))
    assert found.exact.num_images == found.near.num_images == found.num_constant == 0
    assert found.parts[0].num_per_class == {"a": 10, "b": 10, "c": 10}
    assert found.parts[0].imbalance_ratio == 1.0
    assert found.near_is_complete
    assert audit_lines(found) == [
        "30 train and 12 test images in 3 classes (real).",
        "No exact or near copies, within or across parts.",
    ]
    assert Audit.model_validate_json(found.model_dump_json()) == found


def test_exact_copies_are_told_by_part_and_label() -> None:
    images = made()
    pixels = images.images_NHWC
    pixels[3] = pixels[0]  # same part, same label
    pixels[4] = pixels[0]  # same part, other label
    pixels[33] = pixels[0]  # test, same label
    pixels[36] = pixels[33]  # and twice there
    found = audit(images)
    assert found.exact.num_within == {"train": 2, "test": 1}
    assert found.exact.num_across == {"train/test": 2}
    assert found.exact.num_groups == found.exact.num_groups_across == 1
    assert found.exact.num_in_groups == found.exact.num_in_largest == 5
    assert (found.exact.num_groups_other_label, found.exact.num_other_label) == (1, 5)
    assert found.near.num_images == found.near.num_groups == 0
    assert (0, 33) in found.exact.examples
    text = " ".join(audit_lines(found))
    assert "1 group of equal images: 5 images." in text
    assert "2 images of the test part exactly in the train part as well." in text
    assert "1 such group lies in more than one part." in text
    assert "Labels contradict in 1 group of equal images, of 5 images." in text
    assert "near" not in text


@pytest.mark.parametrize("channels", [1, 3])
def test_near_copies_are_found(channels: int) -> None:
    images = made(channels)
    pixels = images.images_NHWC
    # smooth pictures: sharp edges of blocks are what JPEG changes most
    for index in range(len(pixels)):
        small = Image.fromarray(pixels[index].squeeze()).resize((7, 7))
        pixels[index] = np.asarray(small.resize((28, 28))).reshape(pixels[index].shape)
    pixels[30] = jpeg(pixels[0])
    pixels[31] = (pixels[1] * 0.8 + 20).astype(np.uint8)  # another exposure
    found = audit(images)
    assert found.near.num_across == {"train/test": 2}
    assert found.near.num_within == {"train": 0, "test": 0}
    assert found.near.examples == ((0, 30), (1, 31))
    assert found.exact.num_images == 0
    assert any("nearly in the train part" in line for line in audit_lines(found))


def test_a_shifted_picture_is_not_near() -> None:
    images = made()
    images.images_NHWC[30] = np.roll(images.images_NHWC[0], 4, axis=1)
    assert audit(images).near.num_images == 0


def test_constant_and_black_images() -> None:
    images = made()
    images.images_NHWC[5], images.images_NHWC[6], images.images_NHWC[7] = 0, 0, 200
    found = audit(images)
    assert (found.num_constant, found.num_black) == (3, 2)
    assert found.constant_examples == (5, 6, 7)
    assert found.near.num_images == 0
    assert found.exact.num_within["train"] == 1


def test_classes_of_one_part_only_and_imbalance() -> None:
    images = made()
    labels_N = images.labels_N.copy()
    labels_N[:NUM_TRAIN][labels_N[:NUM_TRAIN] == 2] = 0
    found = audit(replace(images, labels_N=labels_N))
    assert found.absent == {"train": ("c",)}
    assert found.parts[0].imbalance_ratio == 2.0
    text = " ".join(audit_lines(found))
    assert "Without images in the train part: c." in text
    assert "10 to 20 images, a ratio of 2.0" in text


def test_digests_follow_the_part() -> None:
    before, changed = audit(made()), made()
    changed.images_NHWC[-1, 0, 0] ^= 1
    after = audit(changed)
    assert before.parts[0].digest == after.parts[0].digest
    assert before.parts[1].digest != after.parts[1].digest
    assert before.digest != after.digest


def _noisy(image_HWC: NDArray[np.uint8], num: int, noise: int) -> NDArray[np.uint8]:
    added = np.random.default_rng(0).integers(-noise, noise + 1, (num, *image_HWC.shape))
    return np.clip(image_HWC.astype(int) + added, 0, 255).astype(np.uint8)


def test_groups_of_near_copies_are_told_by_part_and_label() -> None:
    images = made()
    pixels = images.images_NHWC
    pixels[:9] = _noisy(pixels[0], 9, 4)  # labels 0, 1, 2, 0, …
    pixels[20:23] = _noisy(pixels[20], 3, 4)
    pixels[30:34] = pixels[40:42] = pixels[8:9]  # equal to one in train, near to the others
    pixels[31:33] = _noisy(pixels[8], 2, 4)
    found = audit(images)
    near = found.near
    assert (near.num_groups, near.num_in_groups, near.num_in_largest) == (2, 18, 15)
    assert near.num_groups_across == 1
    assert near.num_across == {"train/test": 6}
    assert near.num_within == {"train": 10, "test": 2}  # the equal four of test count once
    assert (near.num_groups_other_label, near.num_other_label) == (2, 18)
    assert found.exact.num_across == {"train/test": 4}
    text = " ".join(audit_lines(found))
    assert "2 groups of near copies: 18 images, 15 in the largest group." in text
    assert "6 images of the test part nearly in the train part as well." in text
    assert "Labels differ in 2 groups of near copies, of 18 images." in text
    assert "more than once" not in text
    assert found.near.examples[0][0] < 30 <= found.near.examples[0][1]


def test_a_copy_of_a_copy_is_no_copy_across_parts() -> None:
    """A picture that turns into another: the first of the test part alone are like the train."""
    images = made()
    one, other = (picture.astype(float) for picture in images.images_NHWC[:2])
    share_N111 = np.linspace(0, 1, 42)[:, None, None, None]
    images.images_NHWC[:] = np.round(one * (1 - share_N111) + other * share_N111)
    rows_ND = images.images_NHWC.reshape(42, -1)
    near_NN = np.corrcoef(rows_ND) >= 0.99
    direct = int(near_NN[:30, 30:].any(axis=0).sum())
    found = audit(images)
    assert 0 < direct < 12
    assert 0 < found.near.num_across["train/test"] <= direct
    assert found.near.num_groups_across == 1
    assert found.near.num_within["test"] > 2 * direct  # so many are in its group


def test_the_order_of_images_does_not_change_what_is_counted() -> None:
    images = made()
    images.images_NHWC[:12] = _noisy(images.images_NHWC[0], 12, 13)  # some near, some not
    before = audit(images).near
    order = np.random.default_rng(1).permutation(NUM_TRAIN)
    mixed = images.images_NHWC.copy()
    mixed[:NUM_TRAIN] = mixed[order]
    labels_N = images.labels_N.copy()
    labels_N[:NUM_TRAIN] = labels_N[order]
    after = audit(replace(images, images_NHWC=mixed, labels_N=labels_N)).near
    assert 0 < (before.num_in_groups or 0) < 12
    assert before.model_dump(exclude={"examples"}) == after.model_dump(exclude={"examples"})


def test_a_search_without_end_gives_up_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_module, "MAX_CANDIDATES", 10)
    images = made()
    images.images_NHWC[:20] = _noisy(images.images_NHWC[0], 20, 30)  # alike, but not near
    found = audit(images)
    assert not found.near_is_complete
    said = audit_lines(found)
    assert any("incomplete" in line for line in said)
    assert "No exact copies; no near copies were found." in said


def test_an_audit_of_an_earlier_version_is_read_and_told() -> None:
    images = made()
    images.images_NHWC[3] = images.images_NHWC[33] = images.images_NHWC[0]
    record = audit(images).model_dump(mode="json")
    for kind in ("exact", "near"):
        kept = ("num_within", "num_across", "num_other_label", "examples")
        record[kind] = {name: record[kind][name] for name in kept}
    record["exact"]["num_other_label"] = 2
    found = Audit.model_validate(record)
    assert found.exact.num_groups is None
    assert audit_lines(found)[1:] == [
        "1 image of the test part exactly in the train part as well.",
        "1 image of the train part exactly there more than once.",
        "Labels contradict: 2 equal images have other labels.",
    ]


def test_many_equal_images_take_no_square_of_memory() -> None:
    images = made()
    same = np.repeat(images.images_NHWC[:1], 5000, axis=0)
    labels_N = np.zeros(5000, np.int64)
    found = audit(replace(images, images_NHWC=same, labels_N=labels_N, parts={"train": (0, 5000)}))
    assert found.exact.num_within == {"train": 4999}
    assert (found.exact.num_groups, found.exact.num_in_groups) == (1, 5000)
    assert found.near.num_images == 0


@pytest.mark.parametrize("num_parts", [0, 1])
def test_an_empty_part_is_no_trouble(num_parts: int) -> None:
    images = made()
    parts = {"train": (0, 42), "test": (42, 42)} if num_parts else {"train": (0, 42)}
    assert audit(replace(images, parts=parts)).parts[-1].num_images in (0, 42)


@pytest.mark.parametrize("side", [1, 2, 3])
@pytest.mark.parametrize("num", [1, 2, 40])
def test_tiny_sets_of_tiny_images(side: int, num: int) -> None:
    rng = np.random.default_rng(0)
    parts = {"train": (0, num - num // 2), "test": (num - num // 2, num)}
    pixels = rng.integers(0, 4, (num, side, side, 1), dtype=np.uint8) * 60
    found = audit(
        replace(made(), images_NHWC=pixels, labels_N=np.zeros(num, np.int64), parts=parts)
    )
    assert found.near_is_complete
    assert (
        found.near.num_groups == 0 if num == 1 or side == 1 else found.near.num_groups is not None
    )
    contents = {image.tobytes() for image in pixels}
    assert sum(found.exact.num_within.values()) >= num - 2 * len(contents)


def test_near_copies_of_photographs_are_those_of_comparing_all(
    real_data: Path, tmp_path: Path
) -> None:
    images = load(DataRef(name="npz:street62"), DataHome(real_data, tmp_path))
    pixels = images.images_NHWC[:1500].copy()
    pixels[1400:] = np.stack([jpeg(image) for image in pixels[:100]])
    search = NearSearch(pixels, np.arange(len(pixels)))
    search.find_groups()
    near_NN = np.triu(np.corrcoef(pixels.reshape(1500, -1)), 1) >= 0.99
    expected = {(int(i), int(j)) for i, j in np.argwhere(near_NN)}
    got = {(int(min(pair)), int(max(pair))) for pair in search.pairs}
    assert search.is_complete
    assert got <= expected  # nothing that is not near
    assert len(got) >= 0.9 * len(expected) > 0  # and hardly anything overlooked


def test_kana_have_readable_names() -> None:
    romaji = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
    assert [ascii_form(name) for name in KANA] == romaji
    assert ascii_form("Q") == "Q"
    assert ascii_form("ж").isascii()


@pytest.mark.parametrize("num_classes", [2, 10, 62])
def test_a_sheet_shows_each_class_in_its_row(num_classes: int) -> None:
    pixels = np.zeros((num_classes * 3, 28, 28, 1), np.uint8)
    pixels += (np.arange(num_classes * 3) // 3 * 4)[:, None, None, None].astype(np.uint8)
    images = replace(
        made(),
        images_NHWC=pixels,
        labels_N=np.arange(num_classes * 3) // 3,
        class_names=tuple(f"k{n}" for n in range(num_classes)),
        parts={"train": (0, num_classes * 3)},
    )
    picture = np.asarray(sheet(images, num_images=3).convert("L"))
    for value in range(num_classes):
        # the very bytes of every class, twice enlarged, three times
        assert (picture == value * 4).sum() >= 3 * 56 * 56


def test_a_sheet_is_the_same_from_the_same_seed(tmp_path: Path) -> None:
    images = made(3)
    first = write_sheet(images, tmp_path / "a.png", 4, seed=1).read_bytes()
    assert first == write_sheet(images, tmp_path / "b.png", 4, seed=1).read_bytes()
    assert first != write_sheet(images, tmp_path / "c.png", 4, seed=2).read_bytes()


def test_a_sheet_that_cannot_be_written_leaves_no_half_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_sheet(made(), tmp_path / "sheet.png")
    before = path.read_bytes()

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left"):
        write_sheet(made(), path, seed=5)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"sheet.png": before}
