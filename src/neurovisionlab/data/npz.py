"""Reader of .npz files: headers first, then the requested arrays, directly into memory.

Headers are not trusted: sizes are compared with the file before memory is allocated, pickled
objects are refused, and unrequested arrays are never decompressed.
"""

from __future__ import annotations

import contextlib
import io
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.lib import format as npy

from neurovisionlab.core.errors import DataError, NvlError, ResourceError, mould
from neurovisionlab.data import blocks
from neurovisionlab.data.blocks import Array
from neurovisionlab.data.formats import check_fits
from neurovisionlab.data.zips import opened_zip, why_not

# numpy's own limit for untrusted headers; only structured arrays exceed it, never images or labels
_MOST_HEADER_BYTES = 10_000


@dataclass(frozen=True)
class Header:
    """Header of an array; `is_fortran`: its first axis varies fastest in the file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool

    @property
    def num_bytes(self) -> int:
        """Return the size of the array in memory, in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


class Npz:
    """An open .npz file."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self._archive = path, archive
        entries = {entry.filename: entry for entry in archive.infolist()}
        self._entries = {name.removesuffix(".npy"): entry for name, entry in entries.items()}
        self.names = tuple(self._entries)

    def header(self, name: str) -> Header | None:
        """Return the header of an array; None if there is no such array.

        Raises:
            DataError: Python objects, or a size that does not match the file.
        """
        if name not in self._entries:
            return None
        with _broken(self.path):
            what, entry = f"{self.path}, {self._entries[name].filename}", self._entries[name]
            problem = why_not(entry, self._length())
            if problem is not None:
                raise DataError(mould(what, "what numpy.savez writes", problem, "to write it so"))
            with self._archive.open(entry) as file:
                header = _header_of(file)
                room = entry.file_size - file.tell()
        _check(header, room, what)
        return header

    def _length(self) -> int:
        file = self._archive.fp
        assert file is not None  # the file is open
        return file.seek(0, 2)

    def fill(self, name: str, out: Array) -> None:
        """Read an array into `out`, of the same shape and dtype.

        Raises:
            DataError: the file is damaged.
        """
        with _broken(self.path), self._stream(name) as (header, file):
            if (out.shape, out.dtype) != (header.shape, header.dtype):
                raise ValueError("it changed while it was read")
            blocks.fill(out.T if header.is_fortran else out, file)

    def pieces(self, name: str) -> Iterator[Array]:
        """Yield an array in pieces along its first axis.

        Raises:
            DataError: the file is damaged.
            ResourceError: the array is stored in Fortran order and does not fit into memory.
        """
        with _broken(self.path), self._stream(name) as (header, file):
            if header.is_fortran and len(header.shape) > 1:
                check_fits(header.num_bytes, f"{self.path}, {name}")
                whole = np.empty(header.shape, header.dtype, order="F")
                blocks.fill(whole.T, file)
                yield whole
            else:
                yield from blocks.rows(header.shape or (1,), header.dtype, file)

    def extremes(self, name: str) -> tuple[Any, Any]:
        """Return the smallest and the largest number of a non-empty array; NaN if one is NaN.

        Raises:
            DataError: the file is damaged.
        """
        with _broken(self.path), self._stream(name) as (header, file):
            flat = (math.prod(header.shape),)
            ends = [(one.min(), one.max()) for one in blocks.rows(flat, header.dtype, file)]
        return np.min([low for low, _ in ends]), np.max([high for _, high in ends])

    @contextlib.contextmanager
    def _stream(self, name: str) -> Iterator[tuple[Header, zipfile.ZipExtFile]]:
        with self._archive.open(self._entries[name]) as file:
            yield _header_of(file), cast(zipfile.ZipExtFile, file)


@contextlib.contextmanager
def opened_npz(path: Path) -> Iterator[Npz]:
    """Open an .npz file.

    Raises:
        DataError: another format, or a damaged file.
    """
    with contextlib.ExitStack() as stack:
        with _broken(path):
            archive = stack.enter_context(opened_zip(path))
        yield Npz(path, archive)


@contextlib.contextmanager
def _broken(path: Path) -> Iterator[None]:
    try:
        yield
    except NvlError:
        raise
    except MemoryError as error:
        remedy = "fewer or smaller images, or a larger machine"
        raise ResourceError(mould(str(path), "room for it", repr(error), remedy)) from None
    except Exception as error:  # zipfile, zlib and numpy may raise anything for a damaged file
        got = f"a broken one ({str(error) or repr(error)})"
        raise DataError(mould(str(path), "an .npz of plain arrays", got, "numpy.savez")) from None


def _header_of(file: IO[bytes]) -> Header:
    """Read the header of a .npy file, at most 10,000 bytes whatever length it announces."""
    magic = file.read(npy.MAGIC_LEN)
    version = npy.read_magic(io.BytesIO(magic))
    width = 2 if version == (1, 0) else 4
    told = file.read(width)
    length = int.from_bytes(told, "little")
    if length > _MOST_HEADER_BYTES:
        raise ValueError(f"a header of {length:,} bytes")
    text = io.BytesIO(told + file.read(length))
    read = npy.read_array_header_1_0 if width == 2 else npy.read_array_header_2_0
    try:
        shape, is_fortran, dtype = read(text)
    except Exception:  # numpy's own message may suggest trusting the file
        raise ValueError("a header that is none") from None
    return Header(shape, dtype, is_fortran)


def _check(header: Header, room: int, what: str) -> None:
    """Refuse Python objects, and a size that does not match the file.

    Raises:
        DataError: for either.
    """
    if header.dtype.hasobject:
        raise DataError(
            mould(what, "numbers or text", "Python objects, which could run code", "plain arrays")
        )
    announced = header.num_bytes
    if announced != room or min(header.shape, default=0) < 0:
        got = f"{room:,} for {list(header.shape)} {header.dtype}"
        raise DataError(mould(what, f"{announced:,} bytes", got, "to write the file again"))
