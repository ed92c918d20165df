"""Readers of the byte formats data sets are published in: idx (plain or .gz), .mat, .npz.

Nothing here trusts a header: sizes are checked against the file before memory is taken, and
pickled objects are refused.
"""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil
from numpy.lib import format as npy
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, ResourceError, mould

# idx type codes (LeCun, Cortes, Burges: the MNIST page); all published sets here are bytes
_IDX_UINT8 = 0x08


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an idx file of bytes, gzipped if its name ends in .gz.

    Raises:
        DataError: another format, a truncated file, or more bytes than its header announces.
    """
    try:
        with _open(path) as file:
            return _read_idx(file, path)
    except (EOFError, OSError, zlib.error) as error:  # OSError: no gzip, or not ours to read
        raise DataError(
            mould(str(path), "a complete file", f"a broken one ({error})", "to fetch it again")
        ) from None


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _read_idx(file: IO[bytes] | gzip.GzipFile, path: Path) -> NDArray[np.uint8]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] != _IDX_UINT8 or not 1 <= head[3] <= 4:
        raise DataError(
            mould(str(path), "an idx file of bytes", f"header {head.hex()}", "the official file")
        )
    num_dims = head[3]
    sizes = file.read(4 * num_dims)
    if len(sizes) < 4 * num_dims:
        raise _truncated(path, f"{4 + 4 * num_dims} header bytes", f"{4 + len(sizes)}")
    shape = struct.unpack(f">{num_dims}I", sizes)
    expected = math.prod(shape)
    check_fits(expected, str(path))
    content = file.read(expected + 1)
    if len(content) != expected:
        got = "more" if len(content) > expected else f"{len(content):,}"
        raise _truncated(path, f"{expected:,} bytes for {list(shape)}", got)
    return np.frombuffer(content, np.uint8).reshape(shape)


def _truncated(path: Path, expected: str, got: str) -> DataError:
    return DataError(mould(str(path), expected, got, "to fetch the file again"))


def check_fits(num_bytes: int, what: str) -> None:
    """Refuse what would not fit into three quarters of the memory that is free now.

    Raises:
        ResourceError: naming both sizes.
    """
    limit = int(0.75 * psutil.virtual_memory().available)
    if num_bytes > limit:
        raise ResourceError(
            mould(
                what,
                f"at most {limit / 2**30:.1f} GiB (three quarters of the free memory)",
                f"{num_bytes / 2**30:.1f} GiB",
                "smaller images (of folders: image_px, --px), fewer of them, or a larger machine",
            )
        )


def read_mat(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read SVHN's cropped format: X uint8 [32, 32, 3, N], y [N, 1] with 1..10, where 10 means 0.

    Returns:
        images [N, 32, 32, 3] and labels [N] with 0..9.

    Raises:
        DataError: not such a file.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(path, variable_names=("X", "y"))
        images, labels = content["X"], content["y"].ravel()
    except Exception as error:  # of a broken file scipy's parser may raise anything
        raise DataError(
            mould(str(path), "SVHN's .mat with X and y", repr(error), "the official file")
        ) from None
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] != len(labels):
        got = f"X {images.dtype} {list(images.shape)}, y {list(labels.shape)}"
        raise DataError(
            mould(str(path), "X uint8 [H, W, 3, N] and y [N]", got, "the official file")
        )
    if labels.dtype.kind not in "iu" or not np.isin(labels, range(11)).all():
        raise DataError(
            mould(f"{path}, y", "whole numbers 1..10 (10 means 0)", "others", "the official file")
        )
    digits = labels.astype(np.int64) % 10
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2)), digits


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read every array of an .npz file, refusing pickled objects and absurd headers.

    Raises:
        DataError: not an .npz, truncated, object arrays, or a header that lies about its size.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                _check_npy_header(archive, entry, path)
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    # RuntimeError: a password, or a way of packing that Python cannot undo
    except (zipfile.BadZipFile, EOFError, OSError, zlib.error, ValueError, RuntimeError) as error:
        raise DataError(
            mould(str(path), "an .npz of plain arrays", f"a broken one ({error})", "numpy.savez")
        ) from None


def _check_npy_header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    what = f"{path}, {entry.filename}"
    with archive.open(entry) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
        header_bytes = file.tell()
    if dtype.hasobject:
        raise DataError(
            mould(what, "numbers or text", "Python objects, which could run code", "plain arrays")
        )
    announced = math.prod(shape) * dtype.itemsize
    if announced != entry.file_size - header_bytes:
        got = f"{entry.file_size - header_bytes:,} for {list(shape)} {dtype}"
        raise DataError(mould(what, f"{announced:,} bytes", got, "to write the file again"))
    check_fits(announced, what)
