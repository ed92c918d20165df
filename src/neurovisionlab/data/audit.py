"""What a data set hides: copies within and across parts, odd labels, empty images, imbalance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
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
from neurovisionlab.core.spec import SCHEMA_VERSION, ThisVersion
from neurovisionlab.core.speech import Counted, Sentence, again
from neurovisionlab.data.copies import Copies, contents_of, exact_copies, near_copies
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.notes import NOTES

_CHUNK = 4096
_NUM_EXAMPLES = 20

_PARTS = ("train", "val", "test")
_PAIRS = {f"{one}/{other}" for one in _PARTS for other in _PARTS}


def _bounded(copies: Copies) -> Copies:
    """Refuse counts that no search finds, and parts that no set has."""
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
    """One part: images in all and per class, largest class ÷ smallest that has any; its digest."""

    part: PartName
    num_images: Amount
    num_per_class: Annotated[dict[Words, Amount], Field(max_length=MOST_CLASSES)]
    imbalance_ratio: Measure | None
    digest: Hex


class Audit(Frozen):
    """What was found in a data set. Positions count within the whole set, training part first.

    Attributes:
        exact: copies with equal pixels; with another label they are label conflicts.
        near: copies that differ in their pixels, by the definition of `data.near`.
        near_is_complete: false if there were too many candidates to compare them all.
        num_constant: images of one single value; `num_black` of them are zero throughout.
        absent: {part: classes without an image there} where another part has some.
    """

    schema_version: ThisVersion = SCHEMA_VERSION
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
    notes: Annotated[tuple[Words, ...], Field(max_length=1000)] = ()

    def summary(self) -> list[str]:
        """Return a few sentences for people, gravest first after the counts."""
        return [
            *_size_sentences(self),
            *_copy_sentences(self),
            *_oddity_sentences(self),
            *(again(note, NOTES) for note in self.notes),
        ]


def audit(images: ImageSet) -> Audit:
    """Look for everything that would make a comparison on this set say less than it seems to.

    Deterministic; reads every pixel. Memory: about 600 bytes an image besides the set itself.
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
    """Return which images hold one single byte value throughout."""
    chunks = [(block == block[:, :1, :1, :1]).all(axis=(1, 2, 3)) for block in _blocks(images_NHWC)]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.bool_)


def _first_bytes(images_NHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return images_NHWC[:, 0, 0, 0]


def _blocks(images_NHWC: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for first in range(0, len(images_NHWC), _CHUNK):
        yield images_NHWC[first : first + _CHUNK]


COUNTS = Sentence("{parts} images in {num_classes} classes ({kind}).")
PART, AND = Sentence("{count:,} {part}"), Sentence(" and ")
SYNTHETIC, REAL = Sentence("synthetic"), Sentence("real")
UNBALANCED = Sentence(
    "Unbalanced: classes of the {part} part have {least:,} to {most:,} images, a ratio of "
    "{ratio:.1f}."
)
ACROSS = {
    "exactly": Counted(
        "{count} image of the {later} part exactly in the {earlier} part as well.",
        "{count:,} images of the {later} part exactly in the {earlier} part as well.",
    ),
    "nearly": Counted(
        "{count} image of the {later} part nearly in the {earlier} part as well.",
        "{count:,} images of the {later} part nearly in the {earlier} part as well.",
    ),
}
WITHIN = {
    "exactly": Counted(
        "{count} image of the {part} part exactly there more than once.",
        "{count:,} images of the {part} part exactly there more than once.",
    ),
    "nearly": Counted(
        "{count} image of the {part} part nearly there more than once.",
        "{count:,} images of the {part} part nearly there more than once.",
    ),
}
GROUPS = {
    "exactly": Counted(
        "{count} group of equal images: {images:,} images.",
        "{count:,} groups of equal images: {images:,} images, {largest:,} in the largest group.",
    ),
    "nearly": Counted(
        "{count} group of near copies: {images:,} images.",
        "{count:,} groups of near copies: {images:,} images, {largest:,} in the largest group.",
    ),
}
GROUPS_ACROSS = Counted(
    "{count} such group lies in more than one part.",
    "{count:,} such groups lie in more than one part.",
)
GROUP_LABELS = {
    "exactly": Counted(
        "Labels contradict in {count} group of equal images, of {images:,} images.",
        "Labels contradict in {count:,} groups of equal images, of {images:,} images.",
    ),
    "nearly": Counted(
        "Labels differ in {count} group of near copies, of {images:,} images.",
        "Labels differ in {count:,} groups of near copies, of {images:,} images.",
    ),
}
CONTRADICTED = Sentence("Labels contradict: {count:,} equal images have other labels.")
NEAR_CONTRADICTED = Sentence("{count:,} images have a near copy under another label.")
NO_COPIES = Sentence("No exact or near copies, within or across parts.")
NONE_FOUND = Sentence("No exact copies; no near copies were found.")
INCOMPLETE = Sentence("The search for near copies is incomplete: too many images look alike.")
CONSTANT = Counted(
    "{count} image of one value throughout ({num_black:,} black).",
    "{count:,} images of one value throughout ({num_black:,} black).",
)
ABSENT = Sentence("Without images in the {part} part: {names}.")


def _size_sentences(found: Audit) -> Iterator[str]:
    counts = AND.join(PART.format(count=one.num_images, part=one.part) for one in found.parts)
    kind = SYNTHETIC if found.synthetic else REAL
    yield COUNTS.format(parts=counts, num_classes=found.num_classes, kind=kind)
    for one in found.parts:
        if one.imbalance_ratio is not None and one.imbalance_ratio > 1.5:
            sizes = [count for count in one.num_per_class.values() if count]
            yield UNBALANCED.format(
                part=one.part, least=min(sizes), most=max(sizes), ratio=one.imbalance_ratio
            )


def _copy_sentences(found: Audit) -> Iterator[str]:
    for word, copies in (("exactly", found.exact), ("nearly", found.near)):
        tell = _pair_sentences if copies.num_groups is None else _group_sentences
        yield from tell(word, copies)
    if not (found.exact.num_images or found.near.num_images):
        yield str(NO_COPIES if found.near_is_complete else NONE_FOUND)
    if not found.near_is_complete:
        yield str(INCOMPLETE)


def _group_sentences(word: str, copies: Copies) -> Iterator[str]:
    if not copies.num_groups:
        return
    yield GROUPS[word].format(
        copies.num_groups, images=copies.num_in_groups, largest=copies.num_in_largest
    )
    yield from _across_sentences(word, copies.num_across)
    if copies.num_groups_across:
        yield GROUPS_ACROSS.format(copies.num_groups_across)
    if copies.num_groups_other_label:
        yield GROUP_LABELS[word].format(
            copies.num_groups_other_label, images=copies.num_other_label
        )


def _pair_sentences(word: str, copies: Copies) -> Iterator[str]:
    """Tell what earlier versions found, which did not look for groups."""
    yield from _across_sentences(word, copies.num_across)
    yield from _within_sentences(word, copies.num_within)
    if copies.num_other_label:
        template = CONTRADICTED if word == "exactly" else NEAR_CONTRADICTED
        yield template.format(count=copies.num_other_label)


def _across_sentences(word: str, num_across: Mapping[str, int]) -> Iterator[str]:
    for pair, count in num_across.items():
        earlier, later = pair.split("/")
        if count:
            yield ACROSS[word].format(count, later=later, earlier=earlier)


def _within_sentences(word: str, num_within: Mapping[str, int]) -> Iterator[str]:
    for part, count in num_within.items():
        if count:
            yield WITHIN[word].format(count, part=part)


def _oddity_sentences(found: Audit) -> Iterator[str]:
    if found.num_constant:
        yield CONSTANT.format(found.num_constant, num_black=found.num_black)
    for part, names in found.absent.items():
        yield ABSENT.format(part=part, names=", ".join(names))
