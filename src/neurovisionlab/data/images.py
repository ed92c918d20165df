"""`ImageSet`: the common form of all data sets, with pixels as uint8 [N, H, W, C]."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.spec import DataInfo, Labels
from neurovisionlab.core.statements import Note
from neurovisionlab.data.notes import some_names

Span = tuple[int, int]  # first image, one past the last


@dataclass(frozen=True)
class Provenance:
    """Origin of images, and notes for readers of results."""

    source: str
    licence: str
    synthetic: bool = False
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class ImageSet:
    """A whole data set in memory.

    Attributes:
        name: as written in the study.
        images_NHWC: uint8, all of the same size; 1 channel (grey) or 3 (red, green, blue).
        labels_N: int64, 0..C-1.
        class_names: C names, in the order of labels.
        parts: {"train": (first, end), "val": …, "test": …}; without "test" the study splits it.
            Parts are consecutive, training first.
        provenance: source, licence, notes.
        groups_N: int64, group of each image, such as its writer, if known; a group stays on one
            side of every split.
        group_names: names of groups, by number, if they have names.
    """

    name: str
    images_NHWC: NDArray[np.uint8]
    labels_N: NDArray[np.int64]
    class_names: tuple[str, ...]
    parts: dict[str, Span]
    provenance: Provenance
    groups_N: NDArray[np.int64] | None = field(default=None)
    group_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        images, labels = self.images_NHWC, self.labels_N
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
            got = f"{images.dtype} {list(images.shape)}"
            raise DataError(mould(self.name, "uint8 images [N, H, W, 1 or 3]", got, "bytes 0..255"))
        if len(labels) != len(images):
            got = f"{len(labels)} labels for {len(images)} images"
            raise DataError(mould(self.name, "a label for each image", got, "to make them agree"))
        outside = np.flatnonzero((labels < 0) | (labels >= len(self.class_names)))
        if len(outside):
            raise DataError(
                mould(
                    self.name,
                    f"labels in 0..{len(self.class_names) - 1}",
                    f"{labels[outside[0]]} at image {outside[0]}",
                    "to correct that label or to name every class",
                )
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything a model could see, 64 hexadecimal digits."""
        sha = hashlib.sha256()
        layout = [self.images_NHWC.shape, self.class_names, sorted(self.parts.items())]
        sha.update(json.dumps(layout).encode())
        for array in (self.images_NHWC, self.labels_N, self.groups_N):
            if array is not None:
                sha.update(np.ascontiguousarray(array).data)
        return sha.hexdigest()

    def info(self) -> DataInfo:
        """Return the description of the data set without its images."""
        _, height, width, channels = self.images_NHWC.shape
        return DataInfo(
            name=self.name,
            digest=self.digest,
            height_px=height,
            width_px=width,
            channels=channels,
            class_names=self.class_names,
            num_images={part: stop - start for part, (start, stop) in self.parts.items()},
            synthetic=self.provenance.synthetic,
            source=self.provenance.source,
            licence=self.provenance.licence,
            notes=self.provenance.notes,
            num_groups=None if self.groups_N is None else len(np.unique(self.groups_N)),
        )

    def group_name(self, number: int) -> str:
        """Return the name of a group: from `group_names`, else its number."""
        return self.group_names[number] if number < len(self.group_names) else str(number)

    def part(self, name: str) -> NDArray[np.int64]:
        """Return the indices of a part, int64; empty if the data set has no such part."""
        start, stop = self.parts.get(name, (0, 0))
        return np.arange(start, stop, dtype=np.int64)


def shared_groups(images: ImageSet) -> NDArray[np.int64]:
    """Return the groups with images in several of the data set's own parts, int64, ascending."""
    if images.groups_N is None:
        return np.zeros(0, np.int64)
    groups = [np.unique(images.groups_N[first:stop]) for first, stop in images.parts.values()]
    numbers, counts = np.unique(np.concatenate(groups), return_counts=True)
    return numbers[counts > 1]


def take(images: ImageSet, indices_N: NDArray[np.int64]) -> ImageSet:
    """Return the data set with only the images at `indices_N` (int64, ascending), parts adapted."""
    parts: dict[str, Span] = {}
    for name, bounds in images.parts.items():
        first, stop = np.searchsorted(indices_N, bounds)
        parts[name] = (int(first), int(stop))
    return replace(
        images,
        images_NHWC=images.images_NHWC[indices_N],
        labels_N=images.labels_N[indices_N],
        parts=parts,
        groups_N=None if images.groups_N is None else images.groups_N[indices_N],
    )


def regroup(images: ImageSet, labels: Labels) -> ImageSet:
    """Return the data set with classes selected and merged by name, as specified in `Labels`.

    Raises:
        DataError: `keep` is not a valid character range, or leaves fewer than two classes.
    """
    if labels == Labels():
        return images
    kept = [name for name in images.class_names if _is_kept(name, labels.keep)]
    new_names = tuple(dict.fromkeys(n.upper() if labels.merge_case else n for n in kept))
    if len(new_names) < 2:
        raise _too_few_classes(images, labels, len(new_names))
    new_label = {
        name: new_names.index(name.upper() if labels.merge_case else name) for name in kept
    }
    table_C = np.array([new_label.get(name, -1) for name in images.class_names], dtype=np.int64)
    chosen = take(images, np.flatnonzero(table_C[images.labels_N] >= 0))
    return replace(chosen, labels_N=table_C[chosen.labels_N], class_names=new_names)


def _too_few_classes(images: ImageSet, labels: Labels, num_left: int) -> DataError:
    setting = "labels.keep" if labels.keep is not None else "labels.merge_case"
    single = [name for name in images.class_names if len(name) == 1 and name.isalnum()]
    remedy = "no [labels]: it chooses among classes of one character"
    if len({name.upper() for name in single}) > 1:
        remedy = f'keep = "{"".join(single[:62])}"'
    got = f"{num_left} of {some_names(images.class_names, 12)}"
    what, expected = f"{setting} for {images.name}", "at least two classes to remain"
    return DataError(mould(what, expected, got, remedy))


def _is_kept(name: str, keep: str | None) -> bool:
    if keep is None:
        return True
    try:
        # escape characters that would be set operations or end the set, unless they are escaped
        # already
        characters = re.sub(r"(?s)(\\.)|([\[\]&~|])", lambda m: m[1] or f"\\{m[2]}", keep)
        return re.fullmatch(f"[{characters}]", name) is not None
    except re.error:
        raise DataError(
            mould("labels.keep", "characters and ranges", repr(keep), '"0-9" or "A-Za-z"')
        ) from None
