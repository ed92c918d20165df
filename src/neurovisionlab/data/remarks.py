"""What a study's division of a set came to, where that is not what was asked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neurovisionlab.core.records import SplitIndices
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.splits import divide, draw

_NEAR_FRAC = 0.01  # a share by whole groups that is no further off is as asked
_PARTS = {"train": "training", "val": "validation", "test": "test"}

Remark = tuple[str, str]  # what it is about, and the line: of several folds one line is enough


def remarks(images: ImageSet, cell: CellSpec) -> dict[str, str]:
    """Divide a set as the cell asks; return a line for each thing a person should know of it.

    Raises:
        DataError: see `splits.split`.
    """
    whole = divide(images, cell)
    drawn = draw(images, cell, whole)
    found = [
        *_group_shares(images, cell, whole),
        *_large_subsets(images, cell, whole),
        *_absent_classes(images, cell, drawn),
    ]
    return dict(found)


def _group_shares(images: ImageSet, cell: CellSpec, whole: SplitIndices) -> Iterator[Remark]:
    """Say where whole groups come to another share than was asked."""
    if images.groups_N is None:
        return
    num_train, num_val = len(whole.train_N), len(whole.val_N)
    for part, asked in cell.shares.items():
        held = len(whole.test_N) if part == "test" else num_val
        rest = num_train if part == "val" or images.part("val").size else num_train + num_val
        share = held / (held + rest)
        if abs(share - asked) > _NEAR_FRAC:
            setting = {"test": "split.test_frac", "val": "protocol.val_frac"}[part]
            what = f"whole groups: the {_PARTS[part]} part holds {share:.0%} of the images"
            yield part, f"{images.name}, {what}, {asked:.0%} were asked ({setting})"


def _large_subsets(images: ImageSet, cell: CellSpec, whole: SplitIndices) -> Iterator[Remark]:
    """Say where a subset is larger than what there is."""
    there = {
        "train_images": len(whole.train_N) + len(whole.val_N),
        "test_images": len(whole.test_N),
    }
    for setting, num in there.items():
        asked = getattr(cell.subset, setting)
        if asked is not None and asked > num:
            line = f"subset.{setting} = {asked:,} has no effect on {images.name}"
            yield setting, f"{line}: {num:,} are there"


def _absent_classes(images: ImageSet, cell: CellSpec, drawn: SplitIndices) -> Iterator[Remark]:
    """Say which parts have no image of some class."""
    num_classes = len(images.class_names)
    lacking = {}
    for part, word in _PARTS.items():
        labels = np.unique(images.labels_N[getattr(drawn, f"{part}_N")])
        if len(labels) < num_classes:
            lacking[word] = num_classes - len(labels)
    if lacking:
        counts = ", ".join(f"no {word} image of {num:,}" for word, num in lacking.items())
        asked = cell.subset.model_dump(exclude_none=True)
        why = ", ".join(f"subset.{setting} = {num:,}" for setting, num in asked.items())
        yield "classes", f"{images.name}: {counts} of {num_classes:,} classes{why and f' ({why})'}"
