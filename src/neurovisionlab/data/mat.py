"""Reader of SVHN's .mat files (MATLAB 5); sizes are verified before memory is allocated.

Only numeric arrays named X and y are read; all other variables, including objects and code, are
skipped.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, NvlError, mould
from neurovisionlab.data import blocks
from neurovisionlab.data.blocks import Array
from neurovisionlab.data.files import opened

# from the specification, "MAT-File Format", MathWorks, chapter 1
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_NUMERIC_CLASSES = range(6, 16)
_OPAQUE_CLASS = 17
_COMPLEX_FLAG = 0x0800

_HEADER_BYTES = 128
_MOST_VARIABLES, _MOST_DIMENSIONS, _MOST_NAME = 10_000, 32, 256
_MOST_RATIO = 1032  # the highest ratio of compression of deflate
_BLOCK_BYTES = 1 << 16
_OFFICIAL = "the official file"


@dataclass(frozen=True)
class Variable:
    """An array in a file: `start` is the offset of its element, `room` its maximum bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    room: int


@dataclass(frozen=True)
class SvhnFile:
    """Content of a file in SVHN's format: X uint8 [H, W, C, N], and y with N numbers 0..10."""

    path: Path
    images: Variable
    labels: Variable

    @property
    def num_images(self) -> int:
        """Return the number of images."""
        return self.images.shape[3]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Return height, width and channels."""
        height, width, channels, _ = self.images.shape
        return height, width, channels

    def fill(self, images_NHWC: NDArray[np.uint8], labels_N: NDArray[np.int64]) -> None:
        """Read images and labels (10 becomes 0) into the given arrays.

        Args:
            images_NHWC: uint8, receives the images.
            labels_N: int64, receives the labels 0..9.

        Raises:
            DataError: a damaged file, or labels outside of 0..10.
        """
        with _broken(self.path), opened(self.path) as file:
            # stored in Fortran order with the axis of images last: each image is contiguous
            _fill(file, self.images, images_NHWC.transpose(0, 3, 2, 1))
            first = 0
            for piece in _pieces(file, self.labels):
                _check_labels(self.path, piece)
                labels_N[first : first + len(piece)] = piece.astype(np.int64) % 10
                first += len(piece)


def _check_labels(path: Path, labels: Array) -> None:
    if not ((labels >= 0) & (labels <= 10)).all():
        raise DataError(
            mould(f"{path}, y", "whole numbers 1..10 (10 means 0)", "others", _OFFICIAL)
        )


def svhn_file(path: Path) -> SvhnFile:
    """Read the header of a file in SVHN's cropped format.

    Raises:
        DataError: another format, or sizes that do not match the file.
    """
    with _broken(path), opened(path) as file:
        found = _variables(file, ("X", "y"))
        images, labels = found["X"], found["y"]
    num_labels = math.prod(labels.shape)
    is_right = len(images.shape) == 4 and images.dtype == np.uint8
    if not is_right or images.shape[3] != num_labels or images.shape[2] not in (1, 3):
        got = f"X {images.dtype} {list(images.shape)}, y {list(labels.shape)}"
        raise DataError(mould(str(path), "X uint8 [H, W, 3, N] and y [N]", got, _OFFICIAL))
    if labels.dtype.kind not in "iu":
        raise DataError(
            mould(f"{path}, y", "whole numbers 1..10 (10 means 0)", "others", _OFFICIAL)
        )
    return SvhnFile(path, images, labels)


@contextlib.contextmanager
def _broken(path: Path) -> Iterator[None]:
    try:
        yield
    except NvlError:
        raise
    except Exception as error:  # zlib, struct, or any other format
        got = str(error) if isinstance(error, (ValueError, EOFError)) else repr(error)
        expected = "SVHN's .mat with X and y"
        raise DataError(mould(str(path), expected, got, _OFFICIAL)) from None


# ── the format ───────────────────────────────────────────────────────────────────────────────


def _variables(file: BufferedReader, names: tuple[str, ...]) -> dict[str, Variable]:
    """Return the first array of each name.

    Raises:
        ValueError: another format, or a missing name.
    """
    order, length = _order(file), os.fstat(file.fileno()).st_size
    found: dict[str, Variable] = {}
    start = _HEADER_BYTES
    for _ in range(_MOST_VARIABLES):
        if found.keys() == set(names) or start + 8 > length:
            break
        file.seek(start)
        kind, size = struct.unpack(f"{order}2I", _exactly(file, 8))
        if start + 8 + size > length:
            raise EOFError("it ends in the middle of a variable")
        element = _element(file, order, start)
        name, variable = _described(element, order, start, size * _ratio(kind))
        if name in names and variable is None:
            raise ValueError(f"a {name} that is not of plain numbers")
        if variable is not None and name in names and name not in found:
            found[name] = variable
        start += 8 + size
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"no {' and no '.join(missing)}")
    return {name: found[name] for name in names}


def _order(file: BufferedReader) -> str:
    head = file.read(_HEADER_BYTES)
    if len(head) < _HEADER_BYTES or head[126:] not in (b"IM", b"MI"):
        raise ValueError("another format")
    order = "<" if head[126:] == b"IM" else ">"
    version = struct.unpack(f"{order}H", head[124:126])[0]
    if version == 0x0200:
        raise ValueError("a file of MATLAB 7.3 (HDF5)")
    if version != 0x0100:
        raise ValueError("another version of the format")
    return order


def _ratio(kind: int) -> int:
    return _MOST_RATIO if kind == _COMPRESSED else 1


def _described(
    element: blocks.Stream, order: str, start: int, room: int
) -> tuple[str, Variable | None]:
    """Return the name of a variable, and its array if it is a plain numeric one."""
    kind, _ = struct.unpack(f"{order}2I", _exactly(element, 8))
    if kind != _MATRIX:
        return "", None
    flags = _small(element, order, 8)
    if len(flags) != 8:
        raise ValueError("a variable without a kind")
    flag = struct.unpack(f"{order}I", flags[:4])[0]
    if flag & 0xFF == _OPAQUE_CLASS:  # has no size
        return "", None
    dimensions = _small(element, order, 4 * _MOST_DIMENSIONS)
    name = _small(element, order, _MOST_NAME).decode("latin-1")
    if len(dimensions) % 4:
        raise ValueError("a variable without a size")
    if flag & 0xFF not in _NUMERIC_CLASSES or flag & _COMPLEX_FLAG:
        return name, None
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions)
    type_code, size, _ = _tag(element, order)
    if type_code not in _NUMBERS:
        raise ValueError(f"{name} of an unknown type")
    dtype = np.dtype(order + _NUMBERS[type_code])
    if min(shape, default=-1) < 0 or math.prod(shape) * dtype.itemsize != size or size > room:
        raise ValueError(f"{name} {list(shape)} of {dtype} in {min(size, room):,} bytes at most")
    return name, Variable(shape, dtype, start, room)


def _tag(element: blocks.Stream, order: str) -> tuple[int, int, bytes]:
    """Return (type, number of bytes, the bytes themselves if they are stored in the tag)."""
    tag = _exactly(element, 8)
    kind, size = struct.unpack(f"{order}2I", tag)
    if kind >> 16:
        return kind & 0xFFFF, kind >> 16, tag[4:]
    return kind, size, b""


def _small(element: blocks.Stream, order: str, most: int) -> bytes:
    """Read a part of a variable's header, with its padding to a multiple of 8 bytes."""
    _, size, inside = _tag(element, order)
    if size > (4 if inside else most):
        raise ValueError(f"a head of {size:,} bytes")
    return inside[:size] if inside else _exactly(element, size + -size % 8)[:size]


def _exactly(stream: blocks.Stream, num_bytes: int) -> bytes:
    out = np.empty(num_bytes, np.uint8)
    blocks.fill(out, stream)
    return out.tobytes()


def _element(file: BufferedReader, order: str, start: int) -> blocks.Stream:
    """Return a stream that starts with the matrix at `start`, decompressed."""
    file.seek(start)
    kind, size = struct.unpack(f"{order}2I", _exactly(file, 8))
    if kind == _COMPRESSED:
        return _Inflated(file, size)
    file.seek(start)
    return file


class _Inflated:
    """Decompressed content of the next `num_bytes` of a file."""

    def __init__(self, file: BufferedReader, num_bytes: int) -> None:
        self._file, self._left = file, num_bytes
        self._inflate = zlib.decompressobj()

    def readinto(self, buffer: memoryview, /) -> int:
        """Read the next bytes into `buffer`; return their number, 0 at the end."""
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._next()
            piece = self._inflate.decompress(packed, len(buffer))
            if piece or not packed:
                buffer[: len(piece)] = piece
                return len(piece)
        return 0

    def _next(self) -> bytes:
        packed = self._file.read(min(_BLOCK_BYTES, self._left))
        self._left -= len(packed)
        return packed


@contextlib.contextmanager
def _numbers(file: BufferedReader, variable: Variable) -> Iterator[tuple[blocks.Stream, bytes]]:
    """Yield the stream after a variable's header, and its numbers if they are stored in the tag.

    Raises:
        zlib.error: the compressed data are damaged.
    """
    file.seek(0)
    order = _order(file)
    element = _element(file, order, variable.start)
    _exactly(element, 8)
    for most in (8, 4 * _MOST_DIMENSIONS, _MOST_NAME):
        _small(element, order, most)
    _, _, inside = _tag(element, order)
    yield element, inside
    # at most 7 bytes of padding follow; the checksum of compressed data comes after them
    if isinstance(element, _Inflated) and element.readinto(memoryview(bytearray(8))) > 7:
        raise ValueError("more bytes than it announces")


def _fill(file: BufferedReader, variable: Variable, out: Array) -> None:
    """Read numbers into `out`, whose axes are in the order of the file: the last one first."""
    if out.shape != variable.shape[::-1]:
        raise ValueError("it changed while it was read")
    with _numbers(file, variable) as (element, inside):
        blocks.fill(out, _Given(inside) if inside else element)


def _pieces(file: BufferedReader, variable: Variable) -> Iterator[Array]:
    shape = (math.prod(variable.shape),)
    with _numbers(file, variable) as (element, inside):
        yield from blocks.rows(shape, variable.dtype, _Given(inside) if inside else element)


class _Given:
    """A stream of bytes in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def readinto(self, buffer: memoryview, /) -> int:
        """Read the next bytes into `buffer`; return their number, 0 at the end."""
        piece, self._content = self._content[: len(buffer)], self._content[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)
