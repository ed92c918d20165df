"""The images of the benchmark: a stratified part of the EMNIST letters as three .npz files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.sources import load
from neurovisionlab.data.splits import stratified_order


class Counts(NamedTuple):
    """How many images train, choose and test."""

    train: int
    val: int
    test: int


def write(folder: Path, images: ImageSet, counts: Counts) -> None:
    """Write train.npz, val.npz and test.npz."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, where_N in chosen(images, counts).items():
        images_NHW = np.ascontiguousarray(images.images_NHWC[where_N, :, :, 0])
        np.savez(folder / f"{part}.npz", images=images_NHW, labels=images.labels_N[where_N])


def chosen(images: ImageSet, counts: Counts) -> dict[str, NDArray[np.int64]]:
    """Return which images of a set each part takes, stratified, none twice."""
    train, test = (
        pool[stratified_order(images.labels_N[pool], 0)]
        for pool in (images.part("train"), images.part("test"))
    )
    held_out = counts.train + counts.val
    if held_out > len(train) or counts.test > len(test):
        raise SystemExit(f"expected at most {len(train):,} + {len(test):,} images, got {counts}")
    return {
        "train": train[: counts.train],
        "val": train[counts.train : held_out],
        "test": test[: counts.test],
    }


def letters(data: Path | None) -> ImageSet:
    """Read the complete set."""
    return load(DataRef(name="emnist-letters"), DataHome.find(data))
