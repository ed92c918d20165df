"""SVHN's .mat format: what is right is read, what is broken or hostile is refused by name."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.stand_ins import DAMAGES, MANY_FILES, damaged
from neurovisionlab.core.errors import DataError, NvlError
from neurovisionlab.data.mat import svhn_file

Read = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read_mat(path: Path) -> Read:
    """Return the whole content of a file."""
    found = svhn_file(path)
    images_NHWC = np.full((found.num_images, *found.image_shape), 77, np.uint8)
    labels_N = np.full(found.num_images, -1)
    found.fill(images_NHWC, labels_N)
    return images_NHWC, labels_N


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def save_mat(path: Path, **content: NDArray) -> Path:
    scipy.io.savemat(path, content, do_compression=True)
    return path


def test_mat_in_the_official_layout(tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    stored = np.array([[10], [1], [2], [3], [4], [5], [6], [7], [8], [9], [10], [1]], np.uint8)
    path = save_mat(tmp_path / "train_32x32.mat", X=images.transpose(1, 2, 3, 0), y=stored)
    got, labels = read_mat(path)
    np.testing.assert_array_equal(got, images)
    assert labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert (got.dtype, labels.dtype) == (np.uint8, np.int64)


@pytest.mark.parametrize(("part", "num"), [("train", 40), ("test", 15)])
def test_real_svhn_is_read_as_torchvision_reads_it(
    real_data: Path, monkeypatch: pytest.MonkeyPatch, part: str, num: int
) -> None:
    from torchvision.datasets import SVHN

    folder = real_data / "svhn55"
    if not folder.is_dir():
        pytest.skip(f"no real SVHN images in {folder}")
    # these are 55 of the published images, not the published file: its checksum cannot hold
    monkeypatch.setattr(SVHN, "_check_integrity", lambda self: True)
    theirs = SVHN(str(folder), part)
    images, labels = read_mat(folder / f"{part}_32x32.mat")
    np.testing.assert_array_equal(images, theirs.data.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(labels, theirs.labels)
    assert len(labels) == num


X = np.zeros((32, 32, 3, 4), np.uint8)
Y = np.ones((4, 1), np.uint8)
STRANGE_MAT = {
    "no y": {"X": X},
    "no X": {"y": Y},
    "floats": {"X": X.astype(float), "y": Y},
    "three dimensions": {"X": X[..., 0], "y": Y},
    "fewer labels": {"X": X, "y": Y[:3]},
    "a label of 11": {"X": X, "y": Y * 11},
    "a negative label": {"X": X, "y": -Y.astype(np.int16)},
    "half labels": {"X": X, "y": Y * 0.5},
    "words": {"X": X, "y": np.array(["a", "b", "c", "d"])},
}


@pytest.mark.parametrize("kind", STRANGE_MAT)
def test_a_strange_mat_is_refused(tmp_path: Path, kind: str) -> None:
    path = save_mat(tmp_path / "x.mat", **STRANGE_MAT[kind])
    with pytest.raises(DataError, match=r"x\.mat.*expected .*; try the official file"):
        read_mat(path)


@pytest.mark.parametrize("keep", [0, 50, 127, 128, 140, -10])
def test_a_truncated_mat_is_refused(tmp_path: Path, keep: int) -> None:
    whole = save_mat(tmp_path / "whole.mat", X=X + 7, y=Y).read_bytes()
    with pytest.raises(DataError, match=r"x\.mat.*expected"):
        read_mat(written(tmp_path / "x.mat", whole[:keep]))


# ── other ways of writing the same ───────────────────────────────────────────────────────────


def mat_bytes(*variables: bytes, order: str = "<", version: int = 0x0100) -> bytes:
    """Return a file of MATLAB 5, by the description of its format."""
    mark = b"IM" if order == "<" else b"MI"
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", version) + mark
    return head + b"".join(variables)


def part(kind: int, content: bytes, order: str = "<") -> bytes:
    """Return a data element, filled up to a multiple of 8 bytes."""
    return struct.pack(f"{order}2I", kind, len(content)) + content + bytes(-len(content) % 8)


def variable(name: bytes, array: NDArray, order: str = "<", **other: int) -> bytes:
    """Return a matrix; `other` overrides class, type, or the bytes that its numbers announce."""
    kind = {"u1": 2, "i2": 3, "u2": 4, "i4": 5, "f8": 9}[array.dtype.str[1:]]
    numbers = array.astype(array.dtype.newbyteorder(order)).tobytes("F")
    content = part(6, struct.pack(f"{order}2I", other.get("mx_class", 9), 0), order)
    content += part(5, struct.pack(f"{order}{array.ndim}i", *array.shape), order)
    content += part(1, name, order)
    data = bytearray(part(other.get("kind", kind), numbers, order))
    data[4:8] = struct.pack(f"{order}I", other.get("announced", len(numbers)))
    return part(14, content + bytes(data), order)


def packed(element: bytes, order: str = "<") -> bytes:
    content = zlib.compress(element)
    return struct.pack(f"{order}2I", 15, len(content)) + content


FULL = np.random.default_rng(5).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
DIGITS = np.array([[10], [1], [2], [9]], np.uint8)
WAYS = {
    "plain": mat_bytes(variable(b"X", FULL), variable(b"y", DIGITS)),
    "packed": mat_bytes(packed(variable(b"X", FULL)), packed(variable(b"y", DIGITS))),
    "y first": mat_bytes(packed(variable(b"y", DIGITS)), variable(b"X", FULL)),
    "big-endian": mat_bytes(
        packed(variable(b"X", FULL, ">"), ">"),
        variable(b"y", DIGITS.astype("i4"), ">"),
        order=">",
    ),
    "y in a row": mat_bytes(variable(b"X", FULL), variable(b"y", DIGITS.T)),
    "numbers of class double": mat_bytes(
        variable(b"X", FULL, mx_class=6), variable(b"y", DIGITS, mx_class=6)
    ),
    "y in its tag": mat_bytes(
        variable(b"X", FULL),
        part(
            14,
            part(6, struct.pack("<2I", 9, 0)) + part(5, struct.pack("<2i", 4, 1))
            + struct.pack("<I", 1 << 16 | 1) + b"y\0\0\0"
            + struct.pack("<I", 4 << 16 | 2) + DIGITS.tobytes(),
        ),
    ),
    "others between": mat_bytes(
        packed(variable(b"Xs", FULL)), packed(variable(b"X", FULL)),
        part(14, part(6, struct.pack("<2I", 17, 0)) + part(1, b"code")),
        variable(b"y", DIGITS), b"rubbish behind it",
    ),
    "X twice": mat_bytes(variable(b"X", FULL), variable(b"X", FULL + 1), variable(b"y", DIGITS)),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_means_the_same(tmp_path: Path, way: str) -> None:
    images, labels = read_mat(written(tmp_path / "x.mat", WAYS[way]))
    np.testing.assert_array_equal(images, FULL.transpose(3, 0, 1, 2))
    assert labels.tolist() == [0, 1, 2, 9]


@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("others between", "X twice")])
def test_scipy_agrees_about_these_files(way: str) -> None:
    theirs = scipy.io.loadmat(io.BytesIO(WAYS[way]))
    np.testing.assert_array_equal(theirs["X"], FULL)
    assert theirs["y"].ravel().tolist() == [10, 1, 2, 9]


HUGE = np.zeros((1, 1), np.uint8)
HOSTILE = {
    "MATLAB 7.3": (mat_bytes(version=0x0200), r"got a file of MATLAB 7\.3 \(HDF5\)"),
    "another version": (mat_bytes(version=0x0300), "another version"),
    "sizes that lie": (
        mat_bytes(variable(b"X", FULL, announced=2**31), variable(b"y", DIGITS)), "X "),
    "a packed size that lies": (
        mat_bytes(packed(variable(b"X", FULL, announced=2**31)), variable(b"y", DIGITS)), "X "),
    "an unknown type": (mat_bytes(variable(b"X", FULL, kind=99)), "X of an unknown type"),
    "a cell": (mat_bytes(variable(b"X", FULL, mx_class=1)), "a X that is not of plain numbers"),
    "more in the packed": (
        mat_bytes(packed(variable(b"X", FULL) + bytes(64)), variable(b"y", DIGITS)),
        "more bytes than it announces"),
    "a name of 2 GiB": (
        mat_bytes(part(14, part(6, bytes(8)) + part(5, bytes(8)) + struct.pack("<2I", 1, 2**31))),
        r"a head of 2,147,483,648 bytes"),
    "a negative size": (
        mat_bytes(part(14, part(6, struct.pack("<2I", 9, 0)) + part(5, struct.pack("<2i", -1, -4))
                       + part(1, b"X") + part(2, bytes(4)))), r"X \[-1, -4\]"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_mat_is_refused(tmp_path: Path, kind: str) -> None:
    content, told = HOSTILE[kind]
    with pytest.raises(DataError, match=rf"x\.mat.*expected .*{told}.*; try the official file"):
        read_mat(written(tmp_path / "x.mat", content))


def test_a_flipped_byte_among_packed_numbers_is_noticed(tmp_path: Path) -> None:
    whole = bytearray(WAYS["packed"])
    whole[500] ^= 1
    with pytest.raises(DataError, match=r"x\.mat: expected SVHN"):
        read_mat(written(tmp_path / "x.mat", bytes(whole)))


@given(st.booleans(), DAMAGES, st.floats(0, 1))
@MANY_FILES
def test_damaged_files_end_in_a_clear_error_or_an_array(
    tmp_path: Path, compress: bool, changes: list[tuple[float, int]], keep: float
) -> None:
    whole = io.BytesIO()
    scipy.io.savemat(whole, {"X": X, "y": Y}, do_compression=compress)
    path = written(tmp_path / "x.mat", damaged(whole.getvalue(), changes, keep))
    try:
        got = read_mat(path)
    except NvlError as error:
        assert "; try " in str(error)
    else:
        assert got is not None
