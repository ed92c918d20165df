"""Who trains, who chooses, who tests."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.model_selection import StratifiedGroupKFold

from data.stand_ins import cell_over, made_up_set
from neurovisionlab.core.errors import DataError
from neurovisionlab.core.group_shares import fold_count, is_one_fold
from neurovisionlab.core.predictions import SplitIndices
from neurovisionlab.core.spec import Subset
from neurovisionlab.data.images import ImageSet, Provenance
from neurovisionlab.data.remarks import remarks
from neurovisionlab.data.splits import prefix, split, stratified_order
from neurovisionlab.out.said import said

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
    assert sides(divide(images, seed=2**63 - 1)) == first
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
        DataError, match=r"at least 5 groups for folds = 5, got 3 groups .*; try folds = 3$"
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


def in_groups(groups_N: np.ndarray, num_classes: int = 3) -> ImageSet:
    """Return a set of one part whose images belong to these groups, classes in turn."""
    num = len(groups_N)
    return ImageSet(
        name="made-up",
        images_NHWC=np.zeros((num, 1, 1, 1), np.uint8),
        labels_N=np.arange(num) % num_classes,
        class_names=tuple("ABCDEFGHIJ"[:num_classes]),
        parts={"train": (0, num)},
        provenance=Provenance("made up", "none"),
        groups_N=groups_N,
    )


def writers(num: int) -> ImageSet:
    """Return a set of `num` writers who wrote between 12 and 30 images each."""
    sizes = np.random.default_rng(2).integers(12, 31, num)
    return in_groups(np.repeat(np.arange(num), sizes))


@pytest.mark.parametrize("num_groups", [13, 40, 300])
@pytest.mark.parametrize("frac", [0.4, 0.6, 0.7, 0.8, 0.93])
def test_whole_groups_come_near_the_share_that_was_asked(num_groups: int, frac: float) -> None:
    images = writers(num_groups)
    got = divide(images, test_frac=frac)
    assert_a_division(got, len(images.labels_N))
    smallest = 12 / len(images.labels_N)
    assert abs(len(got.test_N) / len(images.labels_N) - frac) <= max(0.0101, smallest)
    assert (counts(images, got.test_N) > 0).all()
    shares = counts(images, got.test_N) / counts(images, np.arange(len(images.labels_N)))
    assert np.ptp(shares) < 0.05


@pytest.mark.parametrize("frac", [0.4, 0.45, 0.6, 0.75, 0.9])
def test_whole_groups_come_near_the_validation_share(frac: float) -> None:
    images = writers(40)
    got = divide(images, val_frac=frac)
    assert abs(len(got.val_N) / (len(got.val_N) + len(got.train_N)) - frac) <= 0.02


@pytest.mark.parametrize("num_groups", [2, 3, 5, 9])
@pytest.mark.parametrize("frac", [0.01, 0.2, 0.4, 0.62, 0.8, 0.99])
def test_of_few_groups_the_nearest_share_is_held_out(num_groups: int, frac: float) -> None:
    sizes = np.array([30, 60, 90, 33, 42, 75, 12, 51, 99])[:num_groups]
    groups_N = np.concatenate([np.repeat(np.arange(num_groups), sizes), np.full(90, num_groups)])
    stop = int(sizes.sum())
    parts = {"train": (0, stop), "test": (stop, len(groups_N))}
    images = dataclasses.replace(in_groups(groups_N), parts=parts)
    got = divide(images, val_frac=frac)
    every = itertools.chain.from_iterable(
        itertools.combinations(sizes, count) for count in range(1, num_groups)
    )
    nearest = min(abs(sum(some) / sizes.sum() - frac) for some in every)
    found = abs(len(got.val_N) / sizes.sum() - frac)
    if is_one_fold(frac) and fold_count(frac) <= num_groups:  # as the first version divided
        assert found < 0.2
    else:
        assert found <= max(nearest, 0.01) + 1e-9


def test_shares_that_one_fold_comes_near_to_are_divided_as_ever() -> None:
    images = writers(40)
    pool = np.arange(len(images.labels_N))
    num_folds_of = {0.1: 10, 0.15: 7, 0.2: 5, 0.25: 4, 0.3: 3, 1 / 3: 3, 0.5: 2}
    for frac, num_folds in num_folds_of.items():
        folds = StratifiedGroupKFold(n_splits=num_folds, shuffle=True, random_state=5)
        _, held = next(iter(folds.split(pool, images.labels_N, images.groups_N)))
        got = divide(images, test_frac=frac, split_seed=5)
        assert got.test_N.tolist() == held.tolist()


def test_the_split_seed_chooses_among_groups() -> None:
    images = writers(40)
    tests = [divide(images, test_frac=0.4, split_seed=seed).test_N.tolist() for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]


def test_test_groups_leave_some_for_validation() -> None:
    images = in_groups(np.repeat(np.arange(5), [30, 30, 30, 30, 30]))
    got = divide(images, test_frac=0.99)
    assert [len(got.train_N), len(got.val_N), len(got.test_N)] == [30, 30, 90]


def test_a_class_of_one_group_stays_where_it_is_trained() -> None:
    labels_N = np.where(np.arange(100) < 10, 0, 1 + np.arange(100) % 2)
    groups_N = np.where(labels_N == 0, 0, 1 + np.arange(100) % 7)
    images = dataclasses.replace(in_groups(groups_N), labels_N=labels_N)
    for seed in range(5):
        got = divide(images, test_frac=0.4, split_seed=seed)
        assert (counts(images, got.train_N) > 0).all()
        assert counts(images, got.train_N)[0] == 10


def test_own_parts_that_tear_groups_are_refused() -> None:
    groups_N = np.concatenate([np.arange(200) % 6, np.arange(40) % 4])
    images = dataclasses.replace(made_up_set(WITH_TEST, groups_N), group_names=tuple("uvwxyz"))
    with pytest.raises(
        DataError, match=r"parts train and test: .*, got 4 of 6 groups .*: u, v, w, x;"
    ):
        divide(images)
    with pytest.raises(DataError, match="4 of 6 groups"):
        divide(images, folds=2, fold=0)
    apart = made_up_set(WITH_TEST, np.concatenate([np.arange(200) % 6, 6 + np.arange(40) % 4]))
    assert len(divide(apart).test_N) == 40


def test_folds_may_mend_a_validation_part_that_tears_groups() -> None:
    groups_N = np.concatenate([np.arange(220) % 6, np.full(40, 9)])
    images = made_up_set(ALL_PARTS, groups_N)
    with pytest.raises(DataError, match="6 of 7 groups"):
        divide(images)
    got = divide(images, folds=3, fold=1)
    assert not set(groups_N[got.train_N]) & set(groups_N[got.val_N])


@pytest.mark.parametrize(
    ("parts", "num_groups", "told"),
    [
        (
            ONE_PART,
            2,
            "at least 3 groups of training images, for train, val and test, got 2 groups",
        ),
        (ONE_PART, 1, "at least 3 groups .*, got 1 group; try finer groups or no split.groups"),
        (WITH_TEST, 1, "at least 2 groups of training images, for train and one"),
    ],
)
def test_too_few_groups_for_the_sides(parts: Any, num_groups: int, told: str) -> None:
    num = sum(sum(one) for one in parts.values())
    groups_N = np.where(np.arange(num) < 200, np.arange(num) % num_groups, 9)
    with pytest.raises(DataError, match=told):
        divide(made_up_set(parts, groups_N))


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


def test_a_class_that_is_tested_but_never_trained_says_where_it_is() -> None:
    with pytest.raises(DataError, match=r"class 'B': .*, got 0 \(5 in test\); try"):
        divide(made_up_set({"train": [30, 0], "test": [5, 5]}))


@pytest.mark.parametrize(
    ("counts_C", "remedy"),
    [
        ([0, 9, 9], "labels - 1, in every part"),
        ([9, 0, 9, 0], r"class_names, labels = numpy.unique\(labels, return_inverse=True\)"),
        ([9, 1, 9], "to add images"),
    ],
)
def test_numbered_classes_without_images_name_what_mends_them(
    counts_C: list[int], remedy: str
) -> None:
    images = dataclasses.replace(
        made_up_set({"train": counts_C}),
        name="npz:x",
        class_names=tuple(str(number) for number in range(len(counts_C))),
    )
    with pytest.raises(DataError, match=f"try {remedy}"):
        divide(images)


@pytest.mark.parametrize(
    ("parts", "asked"),
    [
        ({"train": [20]}, {}),
        ({"train": [20], "val": [5], "test": [5]}, {}),
        ({"train": [20, 20], "test": [5, 5]}, {"subset": Subset(train_images=2), "val_frac": 0.5}),
    ],
)
def test_one_class_alone_is_refused(parts: dict[str, list[int]], asked: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"expected images of two or more classes, got .* alone"):
        divide(made_up_set(parts), **asked)


# ── what is said ─────────────────────────────────────────────────────────────────────────────


def lines(images: ImageSet, **asked: Any) -> list[str]:
    return list(map(said, remarks(images, cell_over(images.info(), **asked)).values()))


def test_a_division_as_asked_is_worth_no_remark() -> None:
    in_twenties = in_groups(np.repeat(np.arange(20), 10))
    for images in (made_up_set(ONE_PART), made_up_set(ALL_PARTS), in_twenties):
        assert lines(images, test_frac=0.2, val_frac=0.25) == []


def test_a_share_by_groups_that_is_further_off_is_said() -> None:
    images = in_groups(np.repeat(np.arange(9), 30))
    (line,) = lines(images, test_frac=0.3, val_frac=1 / 3)
    assert "the test part holds 33% of the images, 30% were asked (split.test_frac)" in line
    (line,) = lines(images, test_frac=1 / 3, val_frac=0.45)
    assert "the validation part holds 50% of the images, 45% were asked" in line


def test_subsets_that_are_larger_than_the_set_are_said() -> None:
    images = made_up_set(WITH_TEST)
    assert lines(images, subset=Subset(train_images=200, test_images=40)) == []
    told = lines(images, subset=Subset(train_images=50_000, test_images=41))
    assert told == [
        "subset.train_images = 50,000 has no effect on made-up: 200 are there",
        "subset.test_images = 41 has no effect on made-up: 40 are there",
    ]


def test_classes_that_a_subset_leaves_without_images_are_said() -> None:
    images = made_up_set({"train": [30] * 10, "test": [5] * 10})
    (line,) = lines(images, subset=Subset(train_images=14, test_images=3))
    assert line == (
        "made-up: no validation image of 8, no test image of 7 of 10 classes "
        "(subset.train_images = 14, subset.test_images = 3)"
    )

    # ── whatever the labels ──() -> None:
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
