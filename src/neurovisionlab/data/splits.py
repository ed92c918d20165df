"""Splits into training, validation and test images: stratified, seeded, as indices."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.group_shares import fold_count, is_one_fold
from neurovisionlab.core.predictions import SplitIndices
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.group_division import hold_out
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.notes import some_names

Indices = NDArray[np.int64]


def split(images: ImageSet, cell: CellSpec) -> SplitIndices:
    """Split a data set as the cell requests, by `split_seed`, independently of the cell's `seed`.

    Existing validation and test parts of the data set are used. Subsets are drawn last, so that
    smaller subsets are contained in larger ones, for the same split.

    Raises:
        DataError: a class with too few images for every side, a single class, too few groups, or
            groups on both sides of the data set's own parts.
    """
    return draw(images, cell, divide(images, cell))


def divide(images: ImageSet, cell: CellSpec) -> SplitIndices:
    """Split all images of a data set, before a subset is drawn.

    Raises:
        DataError: see `split`.
    """
    train, val, test = images.part("train"), images.part("val"), images.part("test")
    sides = 3 - (len(val) > 0) - (len(test) > 0)
    _check_classes(images, train, sides)
    _check_groups(images, cell, train, sides)
    if cell.fold is not None:
        if len(test) == 0:
            train, test = _fold(images, train, cell, cell.fold)
        else:
            train, val = _fold(images, np.concatenate([train, val]), cell, cell.fold)
    elif len(test) == 0:
        train, test = _share(images, train, cell, "test")
    if len(val) == 0:
        train, val = _share(images, train, cell, "val")
    _check_classes(images, train, sides=1)  # unbroken groups may have taken a whole class away
    found = SplitIndices.of(train, val, test)
    _check_unbroken(images, found)
    return found


def draw(images: ImageSet, cell: CellSpec, whole: SplitIndices) -> SplitIndices:
    """Draw the cell's subset from the split of all images; indices are ascending.

    Raises:
        DataError: a part without images, or training images of a single class.
    """
    seed, train, val = cell.protocol.split_seed, whole.train_N, whole.val_N
    budget = cell.subset.train_images
    if budget is not None:
        share = budget / (len(train) + len(val))
        train = prefix(images.labels_N, train, round(share * len(train)), seed)
        val = prefix(images.labels_N, val, round(share * len(val)), seed)
    test = prefix(images.labels_N, whole.test_N, cell.subset.test_images, seed)
    return _checked(images, SplitIndices.of(np.sort(train), np.sort(val), np.sort(test)))


def stratified_order(labels_N: NDArray[np.int64], seed: int) -> Indices:
    """Return a permutation of 0..N-1, int64, all of whose prefixes are stratified by class.

    Each image gets its rank within its class, as a share of the class, in a random order; sorted by
    that share, the first n images contain n · (class's share) of each class, for every n, to within
    (1 + class size ÷ mean class size) / 2 images: ± 1 for classes of equal size.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels_N))
    labels = labels_N[shuffled]
    by_class = np.argsort(labels, kind="stable")
    counts_C = np.bincount(labels)
    starts_C = np.cumsum(counts_C) - counts_C
    sorted_labels = labels[by_class]
    place = np.empty(len(labels), dtype=np.float64)
    rank = np.arange(len(labels)) - starts_C[sorted_labels]
    place[by_class] = (rank + 0.5) / counts_C[sorted_labels]
    return shuffled[np.argsort(place, kind="stable")]


def prefix(labels_N: NDArray[np.int64], indices: Indices, count: int | None, seed: int) -> Indices:
    """Return a stratified `count` of `indices`, int64 [n] (all if None or more than there are)."""
    if count is None or count >= len(indices):
        return indices
    return indices[stratified_order(labels_N[indices], seed)[:count]]


def _fold(images: ImageSet, pool: Indices, cell: CellSpec, fold: int) -> tuple[Indices, Indices]:
    """Return (rest, held out) for fold number `fold` of the cell's split, groups unbroken."""
    assert cell.split.folds is not None
    _check_folds(images, pool, cell.split.folds)
    held = _folds(images, pool, cell.split.folds, cell.protocol.split_seed) == fold
    return pool[~held], pool[held]


def _share(
    images: ImageSet, pool: Indices, cell: CellSpec, part: Literal["test", "val"]
) -> tuple[Indices, Indices]:
    """Return (rest, held out) for the share that the cell requests for a part, groups unbroken."""
    seed, frac = cell.protocol.split_seed, cell.shares[part]
    if images.groups_N is None:
        order = pool[stratified_order(images.labels_N[pool], seed)]
        count = round(frac * len(pool))
        return order[count:], order[:count]
    num_left = 2 if part == "test" and "val" in cell.shares else 1
    held = _held_groups(images, pool, frac, num_left, seed)
    return pool[~held], pool[held]


def _held_groups(
    images: ImageSet, pool: Indices, frac: float, num_left: int, seed: int
) -> NDArray[np.bool_]:
    """Return bool [N]: whether an image of the pool belongs to a held-out group.

    `num_left` groups must remain. Results of the first version are preserved: if one of a few folds
    is close enough to the share, and leaves a valid split, it is used.
    """
    assert images.groups_N is not None
    groups, group_of_N = np.unique(images.groups_N[pool], return_inverse=True)
    if len(groups) < 2:
        raise _few_groups(images, len(groups), 2)
    labels_N, num_folds = images.labels_N[pool], fold_count(frac)
    if is_one_fold(frac) and num_folds <= min(len(groups), np.bincount(labels_N).max()):
        held: NDArray[np.bool_] = _folds(images, pool, num_folds, seed) == 0
        num_rest = len(np.unique(group_of_N[~held]))
        if num_left <= num_rest < len(groups) and np.isin(labels_N, labels_N[~held]).all():
            return held
    counts_GC = np.zeros((len(groups), len(images.class_names)), dtype=np.int64)
    np.add.at(counts_GC, (group_of_N, labels_N), 1)
    chosen_G = hold_out(counts_GC, frac, num_left, seed)
    return np.asarray(chosen_G[group_of_N])


def _folds(images: ImageSet, pool: Indices, num_folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each image of the pool, stratified, groups unbroken."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    labels_N = images.labels_N[pool]
    groups = None if images.groups_N is None else images.groups_N[pool]
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(n_splits=num_folds, shuffle=True, random_state=seed)
    fold_of_N = np.empty(len(pool), dtype=np.int64)
    for number, (_, held) in enumerate(splitter.split(np.zeros(len(pool)), labels_N, groups)):
        fold_of_N[held] = number
    return fold_of_N


# ── what cannot be divided ───────────────────────────────────────────────────────────────────


def _check_folds(images: ImageSet, pool: Indices, num_folds: int) -> None:
    """Require a group for every fold, and an image of each class in every fold."""
    groups = None if images.groups_N is None else np.unique(images.groups_N[pool])
    if groups is not None and len(groups) < num_folds:
        remedy = f"folds = {len(groups)}" if len(groups) > 1 else "no split.groups"
        got = f"{len(groups)} groups in {len(pool):,} images"
        expected = f"at least {num_folds} groups for folds = {num_folds}"
        raise DataError(mould(images.name, expected, got, remedy))
    counts_C = np.bincount(images.labels_N[pool])
    smallest = int(counts_C.min())
    # with groups it suffices that one class is at least as large as the number of folds
    enough = smallest if groups is None else int(counts_C.max())
    if enough < num_folds:
        got = f"a class with {enough}"
        remedy = f"folds = {enough}" if enough > 1 else "more images of it"
        raise DataError(mould(images.name, f"{num_folds} images of each class", got, remedy))


def _check_groups(images: ImageSet, cell: CellSpec, pool: Indices, sides: int) -> None:
    """Require a group for each side of the split."""
    if images.groups_N is None or cell.fold is not None:
        return
    num_groups = len(np.unique(images.groups_N[pool]))
    if num_groups < sides:
        raise _few_groups(images, num_groups, sides)


def _few_groups(images: ImageSet, num_groups: int, sides: int) -> DataError:
    names = {1: "train", 2: "train and one that is held out", 3: "train, val and test"}
    expected = f"at least {sides} groups of training images, for {names[sides]}"
    got = "1 group" if num_groups == 1 else f"{num_groups} groups"
    return DataError(mould(images.name, expected, got, "finer groups or no split.groups"))


def _check_unbroken(images: ImageSet, found: SplitIndices) -> None:
    """Refuse groups on two sides, which the data set's own parts may have split."""
    if images.groups_N is None:
        return
    sides = [np.unique(images.groups_N[s]) for s in (found.train_N, found.val_N, found.test_N)]
    numbers, counts = np.unique(np.concatenate(sides), return_counts=True)
    torn = numbers[counts > 1]
    if len(torn):
        names = some_names(images.group_name(number) for number in torn)
        raise DataError(
            mould(
                f"{images.name}, parts {' and '.join(images.parts)}",
                "each group in one part alone",
                f"{len(torn)} of {len(numbers)} groups in more than one: {names}",
                "all images in one part, to be divided by group, or no split.groups",
            )
        )


def _check_classes(images: ImageSet, pool: Indices, sides: int) -> None:
    """Require an image of every class for each side of the split."""
    counts_C = np.bincount(images.labels_N[pool], minlength=len(images.class_names))
    poor = np.flatnonzero(counts_C < sides)
    if len(poor):
        more = f" and {len(poor) - 1} more" if len(poor) > 1 else ""
        raise DataError(
            mould(
                f"{images.name}, class {images.class_names[poor[0]]!r}{more}",
                f"at least {sides} training images",
                _lack(images, int(poor[0]), int(counts_C[poor[0]])),
                _class_remedy(images, poor),
            )
        )


def _lack(images: ImageSet, label: int, count: int) -> str:
    """Return the number of a class's training images and, for none, where its images are."""
    where = np.flatnonzero(images.labels_N == label)
    if count or not len(where):
        return str(count)
    counts = {part: int(np.isin(where, images.part(part)).sum()) for part in images.parts}
    held = ", ".join(f"{num:,} in {part}" for part, num in counts.items() if num)
    if images.groups_N is not None and counts["train"]:
        num_groups = len(np.unique(images.groups_N[where]))
        held += f", in {num_groups} group{'s' if num_groups > 1 else ''} held out"
    return f"{count} ({held})"


def _class_remedy(images: ImageSet, poor: Indices) -> str:
    """Return a remedy for classes with too few images, for instance if labels start at 1."""
    numbered = images.class_names == tuple(str(n) for n in range(len(images.class_names)))
    without = np.flatnonzero(np.bincount(images.labels_N, minlength=len(images.class_names)) == 0)
    if images.name.startswith("npz:") and numbered and len(without) == len(poor):
        if without.tolist() == [0]:
            return "labels - 1, in every part"
        return "class_names, labels = numpy.unique(labels, return_inverse=True), in every part"
    if images.groups_N is not None:
        return "more groups with that class or to leave it out"
    return "to add images or to leave that class out"


def _checked(images: ImageSet, indices: SplitIndices) -> SplitIndices:
    for name in ("train", "val", "test"):
        if len(getattr(indices, f"{name}_N")) == 0:
            raise DataError(
                mould(
                    f"{images.name}, {name} part",
                    "at least one image",
                    "none",
                    "a larger set, subset or share",
                )
            )
    labels = np.unique(images.labels_N[indices.train_N])
    if len(labels) < 2:
        got = f"{len(indices.train_N):,} images of {images.class_names[labels[0]]!r} alone"
        expected = "images of two or more classes"
        remedy = "images of another class, or a larger subset.train_images"
        raise DataError(mould(f"{images.name}, train part", expected, got, remedy))
    return indices
