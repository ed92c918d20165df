"""Audit of a data set: copies within and across parts, odd labels, empty images, imbalance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from neurovisionlab.core.bounds import (
    MOST,
    MOST_CLASSES,
    Amount,
    Hex,
    Measure,
    Name,
    PartName,
    Pixels,
    Words,
)
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.spec import FILE_VERSION, FileVersion
from neurovisionlab.core.statements import Notes
from neurovisionlab.data.copies import Copies, contents_of, exact_copies, near_copies
from neurovisionlab.data.images import ImageSet

_CHUNK = 4096
_NUM_EXAMPLES = 20

_PARTS = ("train", "val", "test")
_PAIRS = {f"{one}/{other}" for one in _PARTS for other in _PARTS}


def _bounded(copies: Copies) -> Copies:
    """Refuse impossible counts and unknown parts."""
    counts = copies.model_dump(exclude={"num_within", "num_across", "examples"}).values()
    per_part = chain(copies.num_within.values(), copies.num_across.values())
    numbers = chain(per_part, chain.from_iterable(copies.examples), filter(None, counts))
    if not all(0 <= number <= MOST for number in numbers):
        raise ValueError(f"expected counts of 0 to {MOST:,}, got others; try to look again")
    if not (copies.num_within.keys() <= {*_PARTS} and copies.num_across.keys() <= _PAIRS):
        raise ValueError("expected train, val, test, got others; try to look again")
    return copies


Found = Annotated[Copies, AfterValidator(_bounded)]
ClassNames = Annotated[tuple[Words, ...], Field(max_length=MOST_CLASSES)]


class PartAudit(Frozen):
    """One part: number of images, also per class, its digest, and its imbalance.

    `imbalance_ratio` is the size of the largest class ÷ that of the smallest class with images.
    """

    part: PartName
    num_images: Amount
    num_per_class: Annotated[dict[Words, Amount], Field(max_length=MOST_CLASSES)]
    imbalance_ratio: Measure | None
    digest: Hex


class Audit(Frozen):
    """Result of an audit. Positions are those in the whole data set, training part first.

    Attributes:
        exact: copies with equal pixels; copies with another label are label conflicts.
        near: copies with different pixels, as defined in `data.near`.
        near_is_complete: false if there were too many candidates to compare them all.
        num_constant: number of images with a single value; `num_black` of them are all zero.
        absent: {part: classes without images in it that other parts have}.
    """

    schema_version: FileVersion = FILE_VERSION
    name: Name
    digest: Hex
    synthetic: bool
    height_px: Pixels
    width_px: Pixels
    channels: Annotated[int, Field(ge=1, le=3)]
    num_classes: Annotated[int, Field(ge=1, le=MOST_CLASSES)]
    parts: Annotated[tuple[PartAudit, ...], Field(max_length=3)]
    exact: Found
    near: Found
    near_is_complete: bool
    num_constant: Amount
    num_black: Amount
    constant_examples: Annotated[tuple[Amount, ...], Field(max_length=1000)]
    absent: dict[PartName, ClassNames]
    notes: Notes = ()


def audit(images: ImageSet) -> Audit:
    """Search a data set for flaws that weaken comparisons on it.

    Deterministic; reads every pixel. Memory: about 600 bytes per image besides the images.
    """
    constant_N = _constant(images.images_NHWC)
    contents_N = contents_of(images.images_NHWC)
    near, is_complete = near_copies(images, contents_N, constant_N)
    _, height, width, channels = images.images_NHWC.shape
    parts = tuple(_part_audit(images, part) for part in images.parts)
    where_N = np.flatnonzero(constant_N)
    return Audit(
        name=images.name,
        digest=images.digest,
        synthetic=images.provenance.synthetic,
        height_px=height,
        width_px=width,
        channels=channels,
        num_classes=len(images.class_names),
        parts=parts,
        exact=exact_copies(images, contents_N),
        near=near,
        near_is_complete=is_complete,
        num_constant=len(where_N),
        num_black=int((_first_bytes(images.images_NHWC)[where_N] == 0).sum()),
        constant_examples=tuple(where_N[:_NUM_EXAMPLES].tolist()),
        absent=_absent(parts),
        notes=images.provenance.notes,
    )


def _part_audit(images: ImageSet, part: str) -> PartAudit:
    first, stop = images.parts[part]
    counts_C = np.bincount(images.labels_N[first:stop], minlength=len(images.class_names))
    filled_C = counts_C[counts_C > 0]
    sha = hashlib.sha256(np.ascontiguousarray(images.labels_N[first:stop]).data)
    for chunk in range(first, stop, _CHUNK):
        block = images.images_NHWC[chunk : min(chunk + _CHUNK, stop)]
        sha.update(np.ascontiguousarray(block).data)
    return PartAudit(
        part=part,
        num_images=stop - first,
        num_per_class=dict(zip(images.class_names, counts_C.tolist(), strict=True)),
        imbalance_ratio=float(filled_C.max() / filled_C.min()) if len(filled_C) else None,
        digest=sha.hexdigest(),
    )


def _absent(parts: tuple[PartAudit, ...]) -> dict[str, tuple[str, ...]]:
    used = {name for one in parts for name, count in one.num_per_class.items() if count}
    absent = {
        one.part: tuple(n for n, count in one.num_per_class.items() if n in used and not count)
        for one in parts
        if one.num_images
    }
    return {part: names for part, names in absent.items() if names}


def _constant(images_NHWC: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return bool [N]: whether an image has a single value in all pixels and channels."""
    chunks = [(block == block[:, :1, :1, :1]).all(axis=(1, 2, 3)) for block in _blocks(images_NHWC)]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.bool_)


def _first_bytes(images_NHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return images_NHWC[:, 0, 0, 0]


def _blocks(images_NHWC: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for first in range(0, len(images_NHWC), _CHUNK):
        yield images_NHWC[first : first + _CHUNK]
