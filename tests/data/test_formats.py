"""Byte formats: what is right is read, what is broken or hostile is refused by name."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchvision.datasets.mnist import read_image_file

from data.stand_ins import DAMAGES, MANY_FILES
from neurovisionlab.core.errors import DataError, NvlError, ResourceError
from neurovisionlab.data.formats import check_fits, read_idx, read_mat, read_npz

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Return the idx file of LeCun's page: magic, big-endian sizes, bytes."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# ── idx ──────────────────────────────────────────────────────────────────────────────────────


def test_idx_is_read_as_torchvision_reads_it(tmp_path: Path) -> None:
    path = written(tmp_path / "x-ubyte", idx_bytes(PICTURES))
    theirs = read_image_file(str(path))
    np.testing.assert_array_equal(read_idx(path), theirs.numpy())


@pytest.mark.parametrize("shape", [(7,), (2, 3), (2, 3, 4), (1, 2, 3, 4), (0, 28, 28)])
def test_idx_of_any_shape_plain_and_packed(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    plain = written(tmp_path / "plain", idx_bytes(array))
    packed = written(tmp_path / "packed.gz", gzip.compress(idx_bytes(array)))
    for path in (plain, packed):
        np.testing.assert_array_equal(read_idx(path), array)
        assert read_idx(path).shape == shape


WHOLE = idx_bytes(PICTURES)
BROKEN_IDX = {
    "empty": b"",
    "three bytes": WHOLE[:3],
    "half a header": WHOLE[:10],
    "one byte short": WHOLE[:-1],
    "header alone": WHOLE[:16],
    "trailing byte": WHOLE + b"\0",
    "wrong magic": b"\1" + WHOLE[1:],
    "floats": WHOLE[:2] + b"\x0d" + WHOLE[3:],
    "no dimensions": b"\0\0\x08\0",
    "too many dimensions": b"\0\0\x08\x09" + WHOLE[4:],
    "a page of HTML": b"<!DOCTYPE html><html>moved</html>",
}


@pytest.mark.parametrize("kind", BROKEN_IDX)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_broken_idx_is_named(tmp_path: Path, kind: str, pack: Callable[[bytes], bytes]) -> None:
    name = "broken" if pack is bytes else "broken.gz"
    path = written(tmp_path / name, pack(BROKEN_IDX[kind]))
    with pytest.raises(DataError, match=rf"{name}.*expected .*, got .*; try "):
        read_idx(path)


def test_a_broken_gzip_is_named(tmp_path: Path) -> None:
    packed = gzip.compress(WHOLE)
    flipped = packed[:15] + bytes([packed[15] ^ 0xFF]) + packed[16:]
    for content in (packed[:-12], WHOLE, b"", flipped):
        path = written(tmp_path / "x.gz", content)
        with pytest.raises(DataError, match=r"x\.gz: expected"):
            read_idx(path)


def test_absurd_sizes_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    head = b"\0\0\x08\x03" + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1)
    for name, content in (("x", head), ("x.gz", gzip.compress(head))):
        with pytest.raises(ResourceError, match=r"expected at most .* GiB .*, got .* GiB"):
            read_idx(written(tmp_path / name, content))


def test_check_fits_names_both_sizes() -> None:
    check_fits(1000, "little")
    with pytest.raises(ResourceError, match=r"much: expected at most [\d.]+ GiB .*1048576\.0 GiB"):
        check_fits(2**50, "much")


# ── .mat ─────────────────────────────────────────────────────────────────────────────────────


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


# ── .npz ─────────────────────────────────────────────────────────────────────────────────────


def npz_with(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy_bytes(array: NDArray, **header: object) -> bytes:
    """Return a .npy file; `header` overrides what it says of itself."""
    stream = io.BytesIO()
    told = np.lib.format.header_data_from_array_1_0(array) | header
    np.lib.format.write_array_header_1_0(stream, told)
    return stream.getvalue() + array.tobytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_is_read(tmp_path: Path, save: Callable[..., None]) -> None:
    names = np.array(["A", "き"])
    save(tmp_path / "x.npz", images=PICTURES, class_names=names, fortran=PICTURES.T)
    got = read_npz(tmp_path / "x.npz")
    assert set(got) == {"images", "class_names", "fortran"}
    np.testing.assert_array_equal(got["images"], PICTURES)
    np.testing.assert_array_equal(got["fortran"], PICTURES.T)
    assert got["class_names"].tolist() == ["A", "き"]


class Bomb:
    """Leaves a trace if it is ever unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


def test_pickled_objects_are_refused_and_never_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    objects = np.array([Bomb(trace)], dtype=object)
    np.savez(tmp_path / "x.npz", images=PICTURES, labels=objects)
    with pytest.raises(DataError, match=r"labels\.npy: expected numbers or text, got Python obj"):
        read_npz(tmp_path / "x.npz")
    assert not trace.exists()
    np.load(tmp_path / "x.npz", allow_pickle=True)["labels"]
    assert trace.exists(), "the trap was no trap"


def test_headers_that_lie_are_refused(tmp_path: Path) -> None:
    for shape in [(6, 4, 3), (4, 4, 3), (2**40, 2**20), (2**62, 4), (10**30,)]:
        path = npz_with(tmp_path / "x.npz", {"images.npy": npy_bytes(PICTURES, shape=shape)})
        with pytest.raises(NvlError, match=r"x\.npz.*expected"):
            read_npz(path)


def test_what_is_no_npz_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", images=PICTURES)
    whole = (tmp_path / "whole.npz").read_bytes()
    stream = io.BytesIO()
    np.save(stream, PICTURES)
    for content in (b"", b"no zip", whole[: len(whole) // 2], whole[:-30], stream.getvalue()):
        with pytest.raises(DataError, match=r"x\.npz: expected an \.npz of plain arrays"):
            read_npz(written(tmp_path / "x.npz", content))


def test_a_foreign_member_or_a_flipped_byte_is_refused(tmp_path: Path) -> None:
    path = npz_with(tmp_path / "x.npz", {"images.npy": npy_bytes(PICTURES), "read.me": b"hello"})
    with pytest.raises(DataError, match=r"x\.npz: expected"):
        read_npz(path)
    path = npz_with(path, {"images.npy": npy_bytes(PICTURES)})
    whole = bytearray(path.read_bytes())
    whole[180] ^= 1  # among the pixels: the zip's own CRC notices
    with pytest.raises(DataError, match=r"x\.npz: expected"):
        read_npz(written(path, bytes(whole)))


def test_a_locked_npz_is_refused(tmp_path: Path) -> None:
    path = npz_with(tmp_path / "x.npz", {"images.npy": npy_bytes(PICTURES)})
    whole = bytearray(path.read_bytes())
    whole[6] |= 1  # the bit that asks for a password, in both headers
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DataError, match=r"x\.npz: expected .*password"):
        read_npz(written(path, bytes(whole)))


# ── whatever the bytes ───────────────────────────────────────────────────────────────────────


@given(
    st.sampled_from(["idx", "idx.gz", "mat", "npz"]),
    DAMAGES,
    st.floats(0, 1),
)
@MANY_FILES
def test_damaged_files_end_in_a_clear_error_or_an_array(
    tmp_path: Path, kind: str, changes: list[tuple[float, int]], keep: float
) -> None:
    path = tmp_path / f"x.{kind}"
    if kind == "mat":
        scipy.io.savemat(path, {"X": X, "y": Y})
    elif kind == "npz":
        np.savez(path, images=PICTURES, labels=np.arange(5))
    else:
        path.write_bytes(gzip.compress(WHOLE) if kind == "idx.gz" else WHOLE)
    content = bytearray(path.read_bytes())
    # most headers stand at the beginning: strike there as often as anywhere
    for place, value in changes:
        reach = min(len(content), 200) if value % 2 else len(content)
        content[int(place * (reach - 1))] = value
    path.write_bytes(content[: len(content) if keep > 0.5 else int(2 * keep * len(content))])
    read = {"mat": read_mat, "npz": read_npz}.get(kind, read_idx)
    try:
        got = read(path)
    except NvlError as error:
        assert "; try " in str(error)
    else:
        assert got is not None
