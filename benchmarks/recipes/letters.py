"""Write the folders that the recipes are searched on: EMNIST's training letters, never its test.

    python benchmarks/recipes/letters.py [--data DIR] [--out DIR]

`letters/` holds 20,000 images to train and 8,000 to judge on; `all-letters/` 99,840 and 24,960,
all that there are. The laboratory wants a test part: it is a copy of validation images, so that a
search never looks at the real one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.sources import load
from neurovisionlab.data.splits import stratified_order

SETS = {"letters": (20_000, 8_000), "all-letters": (99_840, 24_960)}  # the second holds out a fifth


def write(folder: Path, images: ImageSet, train: NDArray[np.int64], val: NDArray[np.int64]) -> None:
    """Write train.npz, val.npz, and a thousand of the latter as test.npz."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, where_N in (("train", train), ("val", val), ("test", val[:1000])):
        images_NHW = images.images_NHWC[where_N, :, :, 0]
        np.savez(folder / f"{part}.npz", images=images_NHW, labels=images.labels_N[where_N])


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path())
    given = parser.parse_args()
    images = load(DataRef(name="emnist-letters"), DataHome.find(given.data))
    pool = images.part("train")
    order = pool[stratified_order(images.labels_N[pool], 0)]
    for name, (num_train, num_val) in SETS.items():
        write(given.out / name, images, order[:num_train], order[-num_val:])


if __name__ == "__main__":
    main()
