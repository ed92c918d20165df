"""Who trains, who chooses, who tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data.stand_ins import cell_over, made_up_set
from neurovisionlab.core.errors import DataError
from neurovisionlab.core.records import SplitIndices
from neurovisionlab.core.spec import Subset
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.splits import prefix, split, stratified_order

ONE_PART = {"train": [40, 60, 100]}
WITH_TEST = {"train": [40, 60, 100], "test": [10, 10, 20]}
ALL_PARTS = {"train": [40, 60, 100], "val": [5, 5, 10], "test": [10, 10, 20]}


def divide(images: ImageSet, **asked: Any) -> SplitIndices:
    return split(images, cell_over(images.info(), **asked))


def sides(indices: SplitIndices) -> dict[str, set[int]]:
    return {name: set(getattr(indices, f"{name}_N").tolist()) for name in ("train", "val", "test")}


def assert_a_division(indices: SplitIndices, num_images: int) -> None:
    """No image twice, none left out, each side in ascending order."""
    together = np.concatenate([indices.train_N, indices.val_N, indices.test_N])
    assert sorted(together.tolist()) == list(range(num_images))
    for side_N in (indices.train_N, indices.val_N, indices.test_N):
        assert (np.diff(side_N) > 0).all()
        assert side_N.dtype == np.int64


def counts(images: ImageSet, indices_N: np.ndarray) -> np.ndarray:
    return np.bincount(images.labels_N[indices_N], minlength=len(images.class_names))


@pytest.mark.parametrize("parts", [ONE_PART, WITH_TEST, ALL_PARTS])
def test_every_image_is_on_one_side(parts: dict[str, list[int]]) -> None:
    images = made_up_set(parts)
    assert_a_division(divide(images), len(images.labels_N))


def test_sides_hold_the_classes_in_proportion() -> None:
    images = made_up_set(ONE_PART)
    got = divide(images, test_frac=0.25, val_frac=0.2)
    np.testing.assert_allclose(counts(images, got.test_N), [10, 15, 25], atol=1)
    np.testing.assert_allclose(counts(images, got.val_N), [6, 9, 15], atol=1)
    assert len(got.test_N) == 50
    assert len(got.val_N) == 30


def test_a_sets_own_parts_are_used() -> None:
    images = made_up_set(ALL_PARTS)
    got = divide(images, val_frac=0.5, test_frac=0.5)
    assert sides(got) == {
        "train": set(range(200)),
        "val": set(range(200, 220)),
        "test": set(range(220, 260)),
    }
    with_test = divide(made_up_set(WITH_TEST), val_frac=0.5)
    assert sides(with_test)["test"] == set(range(200, 240))
    assert len(with_test.val_N) == 100


@pytest.mark.parametrize("parts", [ONE_PART, WITH_TEST])
def test_the_split_seed_moves_the_split_the_studys_seed_does_not(parts: dict) -> None:
    images = made_up_set(parts)
    first = sides(divide(images))
    assert sides(divide(images, seed=1)) == first
    few = Subset(train_images=30, test_images=9)
    assert sides(divide(images, seed=1, subset=few)) == sides(divide(images, subset=few))
    assert sides(divide(images, seed=2**63)) == first
    other = sides(divide(images, split_seed=1))
    assert other["val"] != first["val"]
    assert (other["test"] == first["test"]) == ("test" in parts)
    assert sides(divide(images, split_seed=2**32 - 1))["val"] not in (first["val"], other["val"])


@pytest.mark.parametrize("parts", [ONE_PART, WITH_TEST, ALL_PARTS])
def test_smaller_subsets_lie_inside_larger_ones(parts: dict[str, list[int]]) -> None:
    images = made_up_set(parts)
    whole = sides(divide(images))
    budgets = (10, 20, 50, 100, 1000)
    got = [
        sides(divide(images, subset=Subset(train_images=n, test_images=n // 2))) for n in budgets
    ]
    for smaller, larger in zip(got, [*got[1:], whole], strict=True):
        for side in ("train", "val", "test"):
            assert smaller[side] <= larger[side]
    assert got[-1] == whole
    for budget, one in zip(budgets[:4], got, strict=False):
        assert abs(len(one["train"]) + len(one["val"]) - budget) <= 1
        assert len(one["test"]) == min(budget // 2, len(whole["test"]))


def test_a_subset_holds_the_classes_in_proportion() -> None:
    images = made_up_set(WITH_TEST)
    got = divide(images, subset=Subset(train_images=100, test_images=20))
    train_and_val = counts(images, got.train_N) + counts(images, got.val_N)
    np.testing.assert_allclose(train_and_val, [20, 30, 50], atol=2)
    np.testing.assert_allclose(counts(images, got.test_N), [5, 5, 10], atol=1)


# ── folds ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("parts", "rotating"), [(ONE_PART, "test"), (WITH_TEST, "val"), (ALL_PARTS, "val")]
)
def test_folds_take_turns(parts: dict[str, list[int]], rotating: str) -> None:
    images = made_up_set(parts)
    folds = [divide(images, folds=4, fold=number) for number in range(4)]
    for one in folds:
        assert_a_division(one, len(images.labels_N))
    held = [getattr(one, f"{rotating}_N") for one in folds]
    stop = images.parts["test"][0] if "test" in parts else len(images.labels_N)
    assert sorted(np.concatenate(held).tolist()) == list(range(stop))
    whole = counts(images, np.arange(stop))
    for one_N in held:
        np.testing.assert_allclose(counts(images, one_N), whole / 4, atol=1)


def test_folds_that_a_class_cannot_fill_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"5 images of each class, got a class with 4; try folds = 4"
    ):
        divide(made_up_set({"train": [4, 20]}), folds=5, fold=0)


# ── groups ───────────────────────────────────────────────────────────────────────────────────


def grouped_set(num_groups: int = 20) -> ImageSet:
    groups_N = np.random.default_rng(1).integers(0, num_groups, 200)
    return made_up_set(ONE_PART, groups_N)


@pytest.mark.parametrize(
    "asked", [{}, {"folds": 5, "fold": 2}, {"test_frac": 0.5, "val_frac": 0.3}]
)
def test_a_group_is_never_on_two_sides(asked: dict[str, Any]) -> None:
    images = grouped_set()
    got = divide(images, **asked)
    assert_a_division(got, 200)
    assert images.groups_N is not None
    of_side = {
        name: set(images.groups_N[sorted(side)].tolist()) for name, side in sides(got).items()
    }
    assert not of_side["train"] & of_side["val"]
    assert not of_side["train"] & of_side["test"]
    assert not of_side["val"] & of_side["test"]


def test_grouped_folds_take_turns() -> None:
    images = grouped_set()
    held = [divide(images, folds=4, fold=number).test_N for number in range(4)]
    assert sorted(np.concatenate(held).tolist()) == list(range(200))


def test_groups_stay_unbroken_in_subsets_too() -> None:
    images = grouped_set()
    whole, part = sides(divide(images)), sides(divide(images, subset=Subset(train_images=50)))
    assert part["train"] < whole["train"]
    assert part["val"] < whole["val"]


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(
        DataError, match="expected at least 5 groups, got 3 groups; try fewer folds"
    ):
        divide(grouped_set(3), folds=5, fold=0)


def test_grouped_classes_too_small_for_the_folds_are_refused() -> None:
    images = made_up_set({"train": [4, 4]}, np.arange(8))
    with pytest.raises(DataError, match="expected 5 images of each class"):
        divide(images, folds=5, fold=0)


def test_a_class_that_one_writer_wrote_cannot_be_tested_and_trained() -> None:
    images = made_up_set({"train": [10, 10]})
    groups_N = np.where(images.labels_N == 0, 0, np.arange(20) % 7 + 1)
    images = made_up_set({"train": [10, 10]}, groups_N)
    told = []
    for fold in range(4):
        try:
            divide(images, folds=4, fold=fold, val_frac=0.5)
        except DataError as error:
            told.append(str(error))
    # in one fold the only writer of A is held out for testing
    assert any("class 'A'" in one for one in told)


# ── what cannot be divided ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("parts", "needed"),
    [
        ({"train": [30, 1]}, 3),
        ({"train": [30, 2]}, 3),
        ({"train": [30, 0]}, 3),
        ({"train": [30, 1], "test": [5, 5]}, 2),
        ({"train": [30, 0], "val": [2, 2], "test": [5, 5]}, 1),
    ],
)
def test_a_class_with_too_few_images_is_named(parts: dict[str, list[int]], needed: int) -> None:
    with pytest.raises(DataError, match=rf"class 'B': expected at least {needed} training images"):
        divide(made_up_set(parts))


def test_a_side_without_images_is_refused() -> None:
    with pytest.raises(DataError, match="val part: expected at least one image, got none"):
        divide(made_up_set({"train": [5, 5], "test": [5, 5]}), val_frac=0.01)
    with pytest.raises(DataError, match="val part"):
        divide(made_up_set(WITH_TEST), subset=Subset(train_images=1))


def test_a_share_that_takes_every_image_of_a_class_is_refused() -> None:
    with pytest.raises(DataError, match="class 'B': expected at least 1 training images, got 0"):
        divide(made_up_set({"train": [100, 3], "test": [5, 5]}), val_frac=0.97)


# ── whatever the labels ──────────────────────────────────────────────────────────────────────

LABELS = hnp.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 6))


@given(LABELS, st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_every_beginning_holds_the_classes_in_proportion(labels_N: np.ndarray, seed: int) -> None:
    order = stratified_order(labels_N, seed)
    assert sorted(order.tolist()) == list(range(len(labels_N)))
    size_C = np.bincount(labels_N, minlength=7)
    share_C = size_C / len(labels_N)
    allowed_C = (1 + size_C / size_C[size_C > 0].mean()) / 2
    for count in range(len(labels_N) + 1):
        got_C = np.bincount(labels_N[order[:count]], minlength=7)
        assert (np.abs(got_C - count * share_C) <= allowed_C + 1e-9).all()


@given(st.integers(1, 8), st.integers(1, 9), st.integers(0, 99))
@settings(deadline=None)
def test_equally_large_classes_are_never_more_than_one_off(
    num_classes: int, size: int, seed: int
) -> None:
    labels_N = np.repeat(np.arange(num_classes), size)
    order = stratified_order(labels_N, seed)
    for count in range(len(labels_N) + 1):
        got_C = np.bincount(labels_N[order[:count]], minlength=num_classes)
        assert np.ptp(got_C) <= 1


@given(LABELS, st.integers(0, 99), st.integers(0, 70), st.integers(0, 70))
@settings(deadline=None)
def test_beginnings_are_nested(labels_N: np.ndarray, seed: int, one: int, other: int) -> None:
    everything = np.arange(len(labels_N))
    few, many = (prefix(labels_N, everything, n, seed) for n in sorted((one, other)))
    assert set(few.tolist()) <= set(many.tolist())
    assert len(few) == min(one, other, len(labels_N))
