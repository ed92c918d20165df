"""Deviations of a split from what the study requested; `out` has the sentences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neurovisionlab.core.predictions import SplitIndices
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.core.statements import Stated, Statement, state
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.splits import divide, draw

_NEAR_FRAC = 0.01  # smaller deviations of a share, due to whole groups, are not reported
_PARTS = {"train": "training", "val": "validation", "test": "test"}

Remark = tuple[str, Statement]  # (subject, statement): one per subject is enough for several folds


def remarks(images: ImageSet, cell: CellSpec) -> dict[str, Statement]:
    """Split a data set as the cell requests; return {subject: statement} for each deviation.

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
    """Report shares that whole groups change."""
    if images.groups_N is None:
        return
    num_train, num_val = len(whole.train_N), len(whole.val_N)
    for part, asked in cell.shares.items():
        held = len(whole.test_N) if part == "test" else num_val
        rest = num_train if part == "val" or images.part("val").size else num_train + num_val
        share = held / (held + rest)
        if abs(share - asked) > _NEAR_FRAC:
            setting = {"test": "split.test_frac", "val": "protocol.val_frac"}[part]
            about = {"dataset": images.name, "part": _PARTS[part], "setting": setting}
            yield part, state("data.group_share", share=share, asked=asked, **about)


def _large_subsets(images: ImageSet, cell: CellSpec, whole: SplitIndices) -> Iterator[Remark]:
    """Report subsets larger than the available images."""
    there = {
        "train_images": len(whole.train_N) + len(whole.val_N),
        "test_images": len(whole.test_N),
    }
    for setting, num in there.items():
        asked = getattr(cell.subset, setting)
        if asked is not None and asked > num:
            about = {"dataset": images.name, "setting": f"subset.{setting}"}
            yield setting, state("data.large_subset", asked=asked, num_images=num, **about)


def _absent_classes(images: ImageSet, cell: CellSpec, drawn: SplitIndices) -> Iterator[Remark]:
    """Report parts without images of some class."""
    num_classes = len(images.class_names)
    lacking = {}
    for part, word in _PARTS.items():
        labels = np.unique(images.labels_N[getattr(drawn, f"{part}_N")])
        if len(labels) < num_classes:
            lacking[word] = num_classes - len(labels)
    if lacking:
        counts = tuple(state("data.lacking", part=p, num=num) for p, num in lacking.items())
        asked = cell.subset.model_dump(exclude_none=True)
        why = tuple(state("data.asked", setting=f"subset.{s}", num=num) for s, num in asked.items())
        key = "data.absent_classes_of_subset" if why else "data.absent_classes"
        about: dict[str, Stated] = {"dataset": images.name, "num_classes": num_classes}
        yield "classes", state(key, counts=counts, why=why, **about)
