"""Zip files of unknown origin: their directories are checked before anything is decompressed."""

from __future__ import annotations

import contextlib
import struct
import zipfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from neurovisionlab.data.files import opened

# of a directory, which is read as a whole: some 100,000 entries
_MOST_DIRECTORY_BYTES = 8 << 20
# the highest ratio of compression of deflate
_MOST_RATIO = 1032
_END, _END_64, _LOCATOR_64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"
_END_BYTES, _LOCATOR_BYTES, _COMMENT_BYTES = 22, 20, 1 << 16

KINDS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}


@contextlib.contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a regular zip file with a directory of limited size.

    Raises:
        OSError: not a regular file, or it cannot be opened.
        zipfile.BadZipFile: not a zip file, or its directory is larger than 8 MiB.
    """
    with opened(path) as file:
        size = _directory_bytes(file)
        if size > _MOST_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"a directory of {size:,} bytes")
        with zipfile.ZipFile(file) as archive:
            yield archive


def _directory_bytes(file: BufferedReader) -> int:
    """Return the announced size of the directory: the larger one, if there are two."""
    length = file.seek(0, 2)
    first = max(0, length - _END_BYTES - _COMMENT_BYTES - _LOCATOR_BYTES)
    file.seek(first)
    tail = file.read(length - first)
    end = tail.rfind(_END)
    if end < 0 or len(tail) - end < _END_BYTES:
        raise zipfile.BadZipFile("no directory at its end")
    size = int(struct.unpack_from("<I", tail, end + 12)[0])
    locator = tail[max(0, end - _LOCATOR_BYTES) : end]
    if locator[:4] == _LOCATOR_64:
        return max(size if size < 0xFFFFFFFF else 0, _size_64(file, locator))
    return size


def _size_64(file: BufferedReader, locator: bytes) -> int:
    file.seek(min(struct.unpack_from("<Q", locator, 8)[0], file.seek(0, 2)))
    record = file.read(56)
    if len(record) < 56 or record[:4] != _END_64:
        raise zipfile.BadZipFile("a directory that is not where it should be")
    return int(struct.unpack_from("<Q", record, 40)[0])


def why_not(entry: zipfile.ZipInfo, length: int) -> str | None:
    """Return the problem of an entry of a zip file of `length` bytes; None if there is none."""
    if entry.compress_type not in KINDS:
        return "a way of packing that is neither stored nor deflated"
    most = entry.compress_size * (_MOST_RATIO if entry.compress_type else 1)
    if entry.compress_size > length or entry.file_size > most:
        return f"{entry.file_size:,} bytes announced, where {most:,} at most can be packed"
    return None
