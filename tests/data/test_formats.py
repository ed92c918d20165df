"""The idx format: what is right is read, what is broken or hostile is refused by name."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchvision.datasets.mnist import read_image_file

from data.stand_ins import DAMAGES, MANY_FILES, damaged
from neurovisionlab.core.errors import DataError, NvlError, ResourceError
from neurovisionlab.data import formats
from neurovisionlab.data.formats import check_fits, empty_set, fill_idx, idx_shape

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Return the idx file of LeCun's page: magic, big-endian sizes, bytes."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the whole content of an idx file."""
    out = np.empty(idx_shape(path), np.uint8)
    fill_idx(path, out)
    return out


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
        with pytest.raises(DataError, match=r"expected [\d,]{30,} bytes for .*, got [\d,]+"):
            read_idx(written(tmp_path / name, content))


def test_check_fits_names_both_sizes() -> None:
    check_fits(1000, "little")
    with pytest.raises(ResourceError, match=r"much: expected at most [\d.]+ GiB .*1048576\.0 GiB"):
        check_fits(2**50, "much")


@pytest.mark.parametrize("shape", [(10**6, 28, 28), (400, 28)])
def test_what_a_small_file_cannot_hold_is_refused_before_memory_is_taken(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    head = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    for name, content in (("x", head), ("x.gz", gzip.compress(head)[:9])):
        with pytest.raises(DataError, match="expected"):
            idx_shape(written(tmp_path / name, content))


def test_a_bomb_is_read_no_further_than_it_announces(tmp_path: Path) -> None:
    """A gzip of 256 MiB of zeros behind a header for two images is refused after one byte more."""
    head = idx_bytes(np.zeros((2, 4, 3), np.uint8))
    path = written(tmp_path / "x.gz", gzip.compress(head + bytes(256 << 20)))
    with pytest.raises(DataError, match=r"x\.gz: expected 24 bytes for \[2, 4, 3\], got more"):
        read_idx(path)


def test_pixels_are_read_to_their_places_whatever_the_order_of_axes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (57, 9, 7), dtype=np.uint8)
    path = written(tmp_path / "x", idx_bytes(pictures))
    for most in (1, 7, 64, 1000, 1 << 20):
        monkeypatch.setattr(formats.blocks, "_TURNED_BYTES", most)
        monkeypatch.setattr(formats.blocks, "_BLOCK_BYTES", most)
        set_NHWC = np.zeros((57, 7, 9, 3), np.uint8)
        fill_idx(path, set_NHWC[..., 1].transpose(0, 2, 1))
        np.testing.assert_array_equal(set_NHWC[..., 1], pictures.transpose(0, 2, 1))
        assert not set_NHWC[..., (0, 2)].any()


def test_room_for_a_set_that_cannot_be_is_refused() -> None:
    with pytest.raises(ResourceError, match=r"x: expected at most .* GiB"):
        empty_set("x", [(2**31, 1000, 1000, 3), (1, 1000, 1000, 3)])
    with pytest.raises(ResourceError, match="x: expected room for"):
        empty_set("x", [(0, 2**32 - 1, 2**32 - 1, 1)])


def test_what_fits_is_what_the_process_can_still_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "available_bytes", lambda: 400 << 20)
    check_fits(299 << 20, "some")
    with pytest.raises(ResourceError, match=r"some: expected at most 0\.3 GiB .*, got 0\.3 GiB"):
        check_fits(301 << 20, "some")


@given(st.sampled_from(["x", "x.gz"]), DAMAGES, st.floats(0, 1))
@MANY_FILES
def test_damaged_files_end_in_a_clear_error_or_an_array(
    tmp_path: Path, name: str, changes: list[tuple[float, int]], keep: float
) -> None:
    content = gzip.compress(WHOLE) if name == "x.gz" else WHOLE
    path = written(tmp_path / name, damaged(content, changes, keep))
    try:
        got = read_idx(path)
    except NvlError as error:
        assert "; try " in str(error)
    else:
        assert got is not None
