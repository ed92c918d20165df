"""Who trains, who chooses, who tests: stratified, by seed, kept as indices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.records import SplitIndices
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.images import ImageSet

Indices = NDArray[np.int64]


def split(images: ImageSet, cell: CellSpec) -> SplitIndices:
    """Divide a set as the cell asks. The cell's `seed` has no say in it; `split_seed` has.

    A set's own validation and test parts are used where it has them. Subsets are drawn last, so
    that a smaller one lies inside a larger one, on either side of the same division.

    Raises:
        DataError: a class with too few images for every side, or too few groups.
    """
    seed, protocol = cell.protocol.split_seed, cell.protocol
    train, val, test = images.part("train"), images.part("val"), images.part("test")
    _check_classes(images, train, sides=3 - (len(val) > 0) - (len(test) > 0))
    if len(test) == 0:
        train, test = _divide(images, train, cell, cell.split.test_frac, cell.fold)
    elif cell.fold is not None:
        train, val = _divide(images, np.concatenate([train, val]), cell, 0.0, cell.fold)
    if len(val) == 0:
        train, val = _divide(images, train, cell, protocol.val_frac, None)
    _check_classes(images, train, sides=1)  # unbroken groups may have taken a whole class away
    budget = cell.subset.train_images
    if budget is not None:
        share = budget / (len(train) + len(val))
        train = prefix(images.labels_N, train, round(share * len(train)), seed)
        val = prefix(images.labels_N, val, round(share * len(val)), seed)
    test = prefix(images.labels_N, test, cell.subset.test_images, seed)
    return _checked(images, SplitIndices(np.sort(train), np.sort(val), np.sort(test)))


def stratified_order(labels_N: NDArray[np.int64], seed: int) -> Indices:
    """Return an order of 0..N-1 in which every beginning has the classes in proportion.

    Each image gets its place within its class, as a share of the class, in a random order; sorted
    by that share, the first n images hold n · (class's share) of each class, for every n, to
    within (1 + class size ÷ mean class size) / 2 images: ± 1 where classes are equally large.
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
    """Return a stratified `count` of `indices` (all if None or more than there are)."""
    if count is None or count >= len(indices):
        return indices
    return indices[stratified_order(labels_N[indices], seed)[:count]]


def _divide(
    images: ImageSet, pool: Indices, cell: CellSpec, frac: float, fold: int | None
) -> tuple[Indices, Indices]:
    """Return (rest, held out): fold number `fold`, or a share `frac`, groups unbroken."""
    seed = cell.protocol.split_seed
    if fold is None and images.groups_N is None:
        order = pool[stratified_order(images.labels_N[pool], seed)]
        count = round(frac * len(pool))
        return order[count:], order[:count]
    num_folds = cell.split.folds if fold is not None else max(2, round(1 / frac))
    assert num_folds is not None
    held = _folds(images, pool, num_folds, seed) == (fold or 0)
    return pool[~held], pool[held]


def _folds(images: ImageSet, pool: Indices, num_folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each image of the pool, stratified, groups unbroken."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    labels_N = images.labels_N[pool]
    groups = None if images.groups_N is None else images.groups_N[pool]
    if groups is not None and len(np.unique(groups)) < num_folds:
        got = f"{len(np.unique(groups))} groups"
        raise DataError(mould(images.name, f"at least {num_folds} groups", got, "fewer folds"))
    counts_C = np.bincount(labels_N)
    smallest = int(counts_C.min())
    # a group may hold all of one class, not every class be smaller than the number of folds
    if (smallest if groups is None else counts_C.max()) < num_folds:
        got = f"a class with {smallest}"
        raise DataError(
            mould(images.name, f"{num_folds} images of each class", got, f"folds = {smallest}")
        )
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(n_splits=num_folds, shuffle=True, random_state=seed)
    fold_of_N = np.empty(len(pool), dtype=np.int64)
    for number, (_, held) in enumerate(splitter.split(np.zeros(len(pool)), labels_N, groups)):
        fold_of_N[held] = number
    return fold_of_N


def _check_classes(images: ImageSet, pool: Indices, sides: int) -> None:
    """Every class needs an image for each side that the pool is divided into."""
    counts_C = np.bincount(images.labels_N[pool], minlength=len(images.class_names))
    poor = np.flatnonzero(counts_C < sides)
    if len(poor):
        name, count = images.class_names[poor[0]], counts_C[poor[0]]
        raise DataError(
            mould(
                f"{images.name}, class {name!r}",
                f"at least {sides} training images",
                str(count),
                "to add images or to leave that class out",
            )
        )


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
    return indices
