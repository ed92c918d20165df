"""Arrays filled directly from a stream, in blocks, without a second copy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_BLOCK_BYTES = 1 << 20
# when axes are permuted: larger pieces cause fewer cache misses
_TURNED_BYTES = 32 << 20

Array = NDArray[Any]


class Stream(Protocol):
    """A source of bytes: a file, or its decompressed content."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read the next bytes into `buffer`; return their number, 0 at the end."""
        ...


def fill(out: Array, stream: Stream) -> None:
    """Fill an array with the numbers of a stream, in C order.

    Args:
        out: of any strides, such as a slice or a transposed array.
        stream: at least as many bytes; further bytes are left unread.

    Raises:
        EOFError: the stream has fewer.
    """
    if out.flags.c_contiguous:
        _fill_flat(out, stream)
    elif out.nbytes <= _TURNED_BYTES:
        piece = np.empty(out.shape, out.dtype)
        _fill_flat(piece, stream)
        out[...] = piece
    elif len(out) == 1:
        fill(out[0], stream)
    else:
        step = max(1, _TURNED_BYTES // (out.nbytes // len(out)))
        for first in range(0, len(out), step):
            fill(out[first : first + step], stream)


def _fill_flat(out: Array, stream: Stream) -> None:
    if not out.nbytes:
        return
    view = out.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        got = stream.readinto(view[done : done + _BLOCK_BYTES])
        if not got:
            raise EOFError(f"it ends {len(view) - done:,} bytes too early")
        done += got


def rows(shape: tuple[int, ...], dtype: np.dtype[Any], stream: Stream) -> Iterator[Array]:
    """Yield an array of `shape`, stored in C order, in pieces of about 1 MiB along its first axis.

    Args:
        shape: of the whole array; pieces have shape [n, *shape[1:]].
        dtype: of the array and of the stream's numbers.
        stream: the numbers.

    Raises:
        EOFError: the stream has fewer numbers.
    """
    row = math.prod(shape[1:]) * dtype.itemsize
    step = max(1, _BLOCK_BYTES // max(1, row))
    for first in range(0, shape[0], step):
        piece = np.empty((min(step, shape[0] - first), *shape[1:]), dtype)
        _fill_flat(piece, stream)
        yield piece
