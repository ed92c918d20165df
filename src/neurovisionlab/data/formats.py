"""Reading of idx files, plain or gzipped, directly into arrays; and checks of free memory.

Headers are not trusted: sizes are compared with the file before memory is allocated.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import struct
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, NvlError, ResourceError, mould
from neurovisionlab.data import blocks
from neurovisionlab.data.budget import available_bytes
from neurovisionlab.data.files import opened

# idx type codes (LeCun, Cortes, Burges: the MNIST page); all published data sets here are uint8
_IDX_UINT8 = 0x08
# the highest ratio of compression of deflate
_MOST_RATIO = 1032


def check_fits(num_bytes: int, what: str) -> None:
    """Refuse data larger than three quarters of the memory available to this process.

    Raises:
        ResourceError: with both sizes.
    """
    limit = int(0.75 * available_bytes())
    if num_bytes > limit:
        raise ResourceError(
            mould(
                what,
                f"at most {_size(limit)} (three quarters of the free memory)",
                _size(num_bytes),
                "smaller images (of folders: image_px, --px), fewer of them, or a larger machine",
            )
        )


def _size(num_bytes: int) -> str:
    small = num_bytes < 2**30 / 10
    return f"{num_bytes / 2**20:.0f} MiB" if small else f"{num_bytes / 2**30:.1f} GiB"


def empty_set(
    what: str, shapes_NHWC: Sequence[tuple[int, ...]]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Allocate the images uint8 [N, H, W, C] and labels int64 [N] of consecutive parts.

    Args:
        what: name of the data set, for the error.
        shapes_NHWC: shape of each part; all dimensions but the first are equal.

    Raises:
        ResourceError: they do not fit into memory.
    """
    num = sum(shape[0] for shape in shapes_NHWC)
    num_bytes = num * (math.prod(shapes_NHWC[0][1:]) + np.dtype(np.int64).itemsize)
    check_fits(num_bytes, what)
    try:
        return np.empty((num, *shapes_NHWC[0][1:]), np.uint8), np.empty(num, np.int64)
    except (MemoryError, ValueError) as error:  # also for no images of very many pixels
        expected, remedy = f"room for {_size(num_bytes)}", "smaller images, or fewer of them"
        raise ResourceError(mould(what, expected, str(error), remedy)) from None


def idx_shape(path: Path) -> tuple[int, ...]:
    """Return the shape announced by an idx file of bytes, gzipped if its name ends in .gz.

    Raises:
        DataError: another format, or fewer or more bytes than announced.
    """
    with _unpacked(path) as (file, room):
        shape = _shape(file, path)
        expected = math.prod(shape)
        if expected > room or (expected < room and path.suffix != ".gz"):
            got = f"{room:,}" if path.suffix != ".gz" else f"{room:,} at most"
            raise _truncated(path, f"{expected:,} bytes for {list(shape)}", got)
        return shape


def fill_idx(path: Path, out: NDArray[np.uint8]) -> None:
    """Read the bytes of an idx file into `out`, uint8 of the announced shape and any strides.

    Raises:
        DataError: a truncated or damaged file, or more bytes than announced.
    """
    with _unpacked(path) as (file, _):
        if _shape(file, path) != out.shape:
            raise _truncated(path, f"a shape of {list(out.shape)}", "another, a moment later")
        try:
            blocks.fill(out, file)
        except EOFError as error:
            expected = f"{out.size:,} bytes for {list(out.shape)}"
            raise _truncated(path, expected, str(error)) from None
        if file.read(1):
            raise _truncated(path, f"{out.size:,} bytes for {list(out.shape)}", "more")


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[tuple[BufferedReader | gzip.GzipFile, int]]:
    """Open a file, compressed or not; yield it and the most bytes that can follow its header."""
    try:
        with opened(path) as file:
            length = os.fstat(file.fileno()).st_size
            if path.suffix != ".gz":
                yield file, max(0, length - _header_bytes(file))
            else:
                with gzip.open(file) as unpacked:
                    yield unpacked, length * _MOST_RATIO
    except NvlError:
        raise
    except Exception as error:  # not gzip, no permission, …
        got = f"a broken one ({error})"
        raise DataError(mould(str(path), "a complete file", got, "to fetch it again")) from None


def _header_bytes(file: BufferedReader) -> int:
    head = file.read(4)
    file.seek(0)
    return 4 + 4 * head[3] if len(head) == 4 else 4


def _shape(file: BufferedReader | gzip.GzipFile, path: Path) -> tuple[int, ...]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] != _IDX_UINT8 or not 1 <= head[3] <= 4:
        raise DataError(
            mould(str(path), "an idx file of bytes", f"header {head.hex()}", "the official file")
        )
    num_dims = head[3]
    sizes = file.read(4 * num_dims)
    if len(sizes) < 4 * num_dims:
        raise _truncated(path, f"{4 + 4 * num_dims} header bytes", f"{4 + len(sizes)}")
    return struct.unpack(f">{num_dims}I", sizes)


def _truncated(path: Path, expected: str, got: str) -> DataError:
    return DataError(mould(str(path), expected, got, "to fetch the file again"))
