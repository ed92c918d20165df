"""Features of images for the search for near copies: hash, projection, mean, length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Perceptual hash: signs of the lowest frequencies of the cosine transform, 8 × 8 without the mean
NUM_BITS = 63
_FREQUENCIES = 8
_PIXELS_AT_ONCE = 1 << 18  # as four-byte numbers they fit into a CPU's cache


class Looks(NamedTuple):
    """Features of images, small compared with their pixels.

    The "shadow" is the image, centred and normalised, projected onto the lowest frequencies of its
    channels' mean: the distance of two shadows is at most that of their images.

    Attributes:
        hashes_M: 63-bit perceptual hashes.
        shadows_MK: projections [M, 63].
        means_M: mean over pixels and channels.
        lengths_M: Euclidean norm of the centred pixels.
    """

    hashes_M: NDArray[np.uint64]
    shadows_MK: NDArray[np.float32]
    means_M: NDArray[np.float32]
    lengths_M: NDArray[np.float32]


def look(images_NHWC: NDArray[np.uint8], chosen_N: NDArray[np.int64]) -> Looks:
    """Return the features of the chosen images.

    Args:
        images_NHWC: all images.
        chosen_N: indices of the chosen images [M].
    """
    weights_K = np.left_shift(np.uint64(1), np.arange(NUM_BITS, dtype=np.uint64))
    num, num_pixels = len(chosen_N), max(1, images_NHWC[:1].size)
    shapes = ((), (len(weights_K),), (), ())
    kinds = (np.uint64, np.float32, np.float32, np.float32)
    looks = Looks(*(np.zeros((num, *one), kind) for one, kind in zip(shapes, kinds, strict=True)))
    for some in chunks(num, num_pixels):
        block_NHWC = images_NHWC[chosen_N[some]]
        rows_ND = block_NHWC.reshape(len(block_NHWC), -1)
        sums_N = rows_ND.sum(axis=1, dtype=np.int64)
        squares_N = np.einsum("nd,nd->n", rows_ND, rows_ND, dtype=np.int64, casting="safe")
        looks.means_M[some] = sums_N / num_pixels
        # sums are integers: exact even for bright images with little contrast
        spread_N = squares_N - sums_N.astype(np.float64) ** 2 / num_pixels
        looks.lengths_M[some] = np.sqrt(np.maximum(spread_N, np.finfo(np.float32).eps))
        low_NK = _low_frequencies(block_NHWC.mean(axis=3, dtype=np.float32))
        looks.hashes_M[some] = (low_NK > 0) @ weights_K
        scale_K = _unit_scale(*block_NHWC.shape[1:])
        looks.shadows_MK[some] = low_NK * scale_K / looks.lengths_M[some, None]
    return looks


def _low_frequencies(grey_NHW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the lowest frequencies [N, 63] of the cosine transform; missing ones are 0."""
    low_NUV = np.zeros((len(grey_NHW), _FREQUENCIES, _FREQUENCIES), np.float32)
    from scipy.fft import dctn  # slow to import, and seldom needed

    spectrum = dctn(grey_NHW, axes=(1, 2))[:, :_FREQUENCIES, :_FREQUENCIES]
    low_NUV[:, : spectrum.shape[1], : spectrum.shape[2]] = spectrum
    return low_NUV.reshape(len(grey_NHW), -1)[:, 1:]


def _unit_scale(height: int, width: int, channels: int) -> NDArray[np.float32]:
    """Return factors [63] that turn SciPy's transform into an orthonormal projection."""
    usual = np.full(_FREQUENCIES, np.sqrt(0.5))
    usual[0] = 0.5
    scale_UV = np.outer(usual, usual) * np.sqrt(channels / (height * width))
    scale_K: NDArray[np.float32] = scale_UV.reshape(-1)[1:].astype(np.float32)
    return scale_K


def chunks(num: int, num_pixels: int) -> Iterator[slice]:
    """Yield slices of `num` images or pairs, small enough for a few copies of their pixels."""
    size = max(1, min(4096, _PIXELS_AT_ONCE // max(1, num_pixels)))
    for first in range(0, num, size):
        yield slice(first, min(first + size, num))


def num_bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the number of set bits of each word, uint8 of the same shape."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        counts: NDArray[np.uint8] = np.bitwise_count(words)
        return counts
    bits = np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1)
    summed: NDArray[np.uint8] = bits.sum(axis=1, dtype=np.uint8)
    return summed
