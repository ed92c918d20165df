"""What a data set hides: copies within and across parts, odd labels, empty images, imbalance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from neurovisionlab.core.protocol import Frozen
from neurovisionlab.core.speech import Counted, Sentence, again
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.notes import NOTES

# Two pictures are nearly the same if their pixels correlate like this. In EMNIST letters nothing
# but single straight strokes does; different street photographs do not.
MIN_CORRELATION = 0.99
# Perceptual hash: signs of the lowest frequencies of the cosine transform, 8 × 8 without the mean
_FREQUENCIES = 8
_MAX_HAMMING = 8
_NUM_BANDS = 5
# pairs to compare before the search gives up: a set of almost equal pictures has N²/2
MAX_CANDIDATES = 500_000_000
_CHUNK = 4096
_NUM_EXAMPLES = 20

Pairs = NDArray[np.int64]  # [M, 2], first < second


class PartAudit(Frozen):
    """One part: images in all and per class, largest class ÷ smallest that has any; its digest."""

    part: str
    num_images: int
    num_per_class: dict[str, int]
    imbalance_ratio: float | None
    digest: str


class Copies(Frozen):
    """Images that are copies of an earlier one, counted once each.

    Attributes:
        num_within: {part: images with a copy earlier in the same part}.
        num_across: {"train/test": images of the second part with a copy in the first}.
        num_other_label: images with a copy under another label (both sides counted).
        examples: positions of pairs within the whole set; those across parts first.
    """

    num_within: dict[str, int]
    num_across: dict[str, int]
    num_other_label: int
    examples: tuple[tuple[int, int], ...]

    @property
    def num_images(self) -> int:
        """Copies within all parts and across them."""
        return sum(self.num_within.values()) + sum(self.num_across.values())


class Audit(Frozen):
    """What was found in a data set. Positions count within the whole set, training part first.

    Attributes:
        exact: copies with equal pixels; with another label they are label conflicts.
        near: copies that differ in their pixels, by the definition of `near_pairs`.
        near_is_complete: false if there were too many candidates to compare them all.
        num_constant: images of one single value; `num_black` of them are zero throughout.
        absent: {part: classes without an image there} where another part has some.
    """

    name: str
    digest: str
    synthetic: bool
    height_px: int
    width_px: int
    channels: int
    num_classes: int
    parts: tuple[PartAudit, ...]
    exact: Copies
    near: Copies
    near_is_complete: bool
    num_constant: int
    num_black: int
    constant_examples: tuple[int, ...]
    absent: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

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

    Deterministic; reads every pixel. Memory: about 100 bytes an image besides the set itself.
    """
    constant_N = _constant(images.images_NHWC)
    contents_N = _contents(images.images_NHWC)
    exact = _exact_pairs(contents_N, _part_numbers(images))
    near, is_complete = near_pairs(images.images_NHWC, _distinct(images, contents_N, constant_N))
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
        exact=_copies(images, exact),
        near=_copies(images, near[contents_N[near[:, 0]] != contents_N[near[:, 1]]]),
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


def _contents(images_NHWC: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return a number for each image, the same for equal pixels (by a 128-bit BLAKE2 hash)."""
    hashes = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images_NHWC]
    return np.unique(np.array(hashes, "V16"), return_inverse=True)[1].astype(np.int64)


def _exact_pairs(contents_N: NDArray[np.int64], part_N: NDArray[np.int64]) -> Pairs:
    """Pair each image with the first of the same content in every part up to its own.

    Enough to tell who has a copy where; all pairs of k copies would be k²/2.
    """
    own = np.arange(len(contents_N))
    found = [np.zeros((0, 2), np.int64)]
    for part in np.unique(part_N):
        there = np.flatnonzero(part_N == part)
        values, first = np.unique(contents_N[there], return_index=True)
        at = np.minimum(np.searchsorted(values, contents_N), len(values) - 1)
        earlier_N = there[first][at]
        is_copy = (values[at] == contents_N) & (earlier_N < own)
        found.append(np.stack([earlier_N, own], axis=1)[is_copy])
    return np.concatenate(found)


def _distinct(
    images: ImageSet, contents_N: NDArray[np.int64], constant_N: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return positions of one image for each content in each part, constant ones left out."""
    keys_N = contents_N * (len(images.parts) + 1) + _part_numbers(images)
    first_N = np.unique(keys_N, return_index=True)[1]
    return np.sort(first_N[~constant_N[first_N]])


def _part_numbers(images: ImageSet) -> NDArray[np.int64]:
    numbers_N = np.full(len(images.labels_N), len(images.parts), dtype=np.int64)
    for number, (first, stop) in enumerate(images.parts.values()):
        numbers_N[first:stop] = number
    return numbers_N


def near_pairs(images_NHWC: NDArray[np.uint8], chosen_N: NDArray[np.int64]) -> tuple[Pairs, bool]:
    """Return pairs of nearly equal images among `chosen_N`, and whether the search was complete.

    Near means: the Pearson correlation of all pixels (and channels) is at least
    `MIN_CORRELATION`, so that brightness and contrast do not matter, while a shift or another
    hand does. Candidates are pairs whose perceptual hashes differ in at most 8 of 63 bits (the
    signs of the 8 × 8 lowest frequencies of the grey image's cosine transform, mean left out)
    and agree in at least one of 5 bands of bits (multi-index hashing, Norouzi et al. 2012).
    A hash overlooks some: in EMNIST letters it finds 65 of the 101 pairs that a search over
    all pairs finds.
    """
    hashes_M = _hashes(images_NHWC, chosen_N)
    found: list[Pairs] = []
    budget = MAX_CANDIDATES
    for band in range(_NUM_BANDS):
        budget = _band_pairs(hashes_M, band, budget, found)
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *found])
    pairs = np.unique(np.sort(chosen_N[pairs], axis=1), axis=0)
    return pairs[_correlations(images_NHWC, pairs) >= MIN_CORRELATION], budget >= 0


def _hashes(images_NHWC: NDArray[np.uint8], chosen_N: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the 63-bit perceptual hash of each chosen image."""
    weights_K = np.left_shift(np.uint64(1), np.arange(63, dtype=np.uint64))
    hashes = [np.zeros(0, np.uint64)]
    for first in range(0, len(chosen_N), _CHUNK):
        grey_NHW = images_NHWC[chosen_N[first : first + _CHUNK]].mean(axis=3, dtype=np.float32)
        low_NUV = np.zeros((len(grey_NHW), _FREQUENCIES, _FREQUENCIES), np.float32)
        spectrum = dctn(grey_NHW, axes=(1, 2))[:, :_FREQUENCIES, :_FREQUENCIES]
        low_NUV[:, : spectrum.shape[1], : spectrum.shape[2]] = spectrum
        bits_NK = low_NUV.reshape(len(grey_NHW), -1)[:, 1:] > 0
        hashes.append(np.asarray(bits_NK @ weights_K, np.uint64))
    return np.concatenate(hashes)


def _band_pairs(hashes_M: NDArray[np.uint64], band: int, budget: int, found: list[Pairs]) -> int:
    """Append pairs that agree in one band of bits and differ little in all; return what is left.

    Sorted by the band's bits, images that agree lie side by side: each is compared with its
    neighbour, then with the neighbour's neighbour, until none agrees any more.
    """
    width = -(-63 // _NUM_BANDS)
    keys_M = (hashes_M >> np.uint64(band * width)) & np.uint64((1 << width) - 1)
    order = np.argsort(keys_M, kind="stable")
    keys_M, hashes_M = keys_M[order], hashes_M[order]
    ends_M = np.searchsorted(keys_M, keys_M, side="right")
    left_M = np.arange(len(order))
    step = 1
    while budget >= 0:
        left_M = left_M[left_M + step < ends_M[left_M]]
        if not len(left_M):
            break
        budget -= len(left_M)
        close = _num_bits(hashes_M[left_M] ^ hashes_M[left_M + step]) <= _MAX_HAMMING
        at = left_M[close]
        found.append(np.stack([order[at], order[at + step]], axis=1))
        step += 1
    return budget


def _num_bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    if hasattr(np, "bitwise_count"):  # numpy 2
        counts: NDArray[np.uint8] = np.bitwise_count(words)
        return counts
    bits = np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1)
    summed: NDArray[np.uint8] = bits.sum(axis=1, dtype=np.uint8)
    return summed


def _correlations(images_NHWC: NDArray[np.uint8], pairs: Pairs) -> NDArray[np.float64]:
    """Return Pearson's correlation over all pixels and channels of each pair."""
    chunks = [np.zeros(0)]
    for first in range(0, len(pairs), _CHUNK):
        one, other = pairs[first : first + _CHUNK].T
        one_ND, other_ND = _centred(images_NHWC[one]), _centred(images_NHWC[other])
        chunks.append(np.einsum("nd,nd->n", one_ND, other_ND))
    return np.concatenate(chunks)


def _centred(images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
    pixels_ND = images_NHWC.reshape(len(images_NHWC), -1).astype(np.float32)
    pixels_ND -= pixels_ND.mean(axis=1, keepdims=True)
    norms_N = np.linalg.norm(pixels_ND, axis=1, keepdims=True)
    pixels_ND /= np.maximum(norms_N, np.finfo(np.float32).tiny)
    return pixels_ND


def _copies(images: ImageSet, pairs: Pairs) -> Copies:
    numbers_N = _part_numbers(images)
    names = list(images.parts)
    part_M2 = numbers_N[pairs]
    across = {
        f"{one}/{other}": _num_later(pairs, (part_M2[:, 0] == i) & (part_M2[:, 1] == i + 1 + j))
        for i, one in enumerate(names)
        for j, other in enumerate(names[i + 1 :])
    }
    within = {name: _num_later(pairs, (part_M2 == i).all(axis=1)) for i, name in enumerate(names)}
    labels_M2 = images.labels_N[pairs]
    is_within = part_M2[:, 0] == part_M2[:, 1]
    chosen = pairs[np.argsort(is_within, kind="stable")][:_NUM_EXAMPLES]
    return Copies(
        num_within=within,
        num_across=across,
        num_other_label=len(np.unique(pairs[labels_M2[:, 0] != labels_M2[:, 1]])),
        examples=tuple((int(one), int(other)) for one, other in chosen),
    )


def _num_later(pairs: Pairs, chosen_M: NDArray[np.bool_]) -> int:
    return len(np.unique(pairs[chosen_M, 1]))


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
CONTRADICTED = Sentence("Labels contradict: {count:,} equal images have other labels.")
NEAR_CONTRADICTED = Sentence("{count:,} images have a near copy under another label.")
NO_COPIES = Sentence("No exact or near copies, within or across parts.")
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
        yield from _across_sentences(word, copies.num_across)
        yield from _within_sentences(word, copies.num_within)
    if found.exact.num_other_label:
        yield CONTRADICTED.format(count=found.exact.num_other_label)
    if found.near.num_other_label:
        yield NEAR_CONTRADICTED.format(count=found.near.num_other_label)
    if not found.exact.num_images and not found.near.num_images:
        yield str(NO_COPIES)
    if not found.near_is_complete:
        yield str(INCOMPLETE)


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
