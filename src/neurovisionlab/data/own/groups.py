"""Groups of a user's own images, such as their writers: they stay on one side of a split."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, mould


def read_groups(path: Path, images: list[str]) -> NDArray[np.int64]:
    """Return a group number for each image from a CSV file with the columns image, group.

    `images` are paths within the folder; for arrays, positions counted from 0, training first.

    Raises:
        DataError: no such file or columns, or an image without a group.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets write that mark
            rows = [(row["image"], row["group"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            mould(f"split.groups {path}", "a CSV file with image,group", repr(error), "that header")
        ) from None
    group_of = {image: group for image, group in rows if group}
    missing = [image for image in images if image not in group_of]
    if missing:
        got = f"none for {missing[0]} ({len(missing)} in all)"
        raise DataError(mould(f"split.groups {path}", "a group for each image", got, "to add it"))
    number_of = {name: number for number, name in enumerate(sorted(set(group_of.values())))}
    return np.array([number_of[group_of[image]] for image in images], dtype=np.int64)
