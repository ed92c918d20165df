"""The .npz format: what is wanted is read in place, what is hostile is refused by name."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.stand_ins import DAMAGES, MANY_FILES, damaged
from neurovisionlab.core.errors import DataError, NvlError
from neurovisionlab.data.npz import opened_npz

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
KEYS = ("images", "labels", "class_names")


def read_npz(path: Path, *keys: str) -> dict[str, NDArray]:
    """Return arrays of a file: those that are used, unless others are named."""
    with opened_npz(path) as file:
        found = {}
        for key in keys or KEYS:
            header = file.header(key)
            if header is not None:
                found[key] = np.empty(header.shape, header.dtype)
                file.fill(key, found[key])
        return found


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


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
    got = read_npz(tmp_path / "x.npz", "images", "class_names", "fortran")
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


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = npz_with(tmp_path / "x.npz", {"images.npy": npy_bytes(PICTURES)})
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


@given(DAMAGES, st.floats(0, 1))
@MANY_FILES
def test_damaged_files_end_in_a_clear_error_or_an_array(
    tmp_path: Path, changes: list[tuple[float, int]], keep: float
) -> None:
    whole = io.BytesIO()
    np.savez(whole, images=PICTURES, labels=np.arange(5))
    path = written(tmp_path / "x.npz", damaged(whole.getvalue(), changes, keep))
    try:
        got = read_npz(path)
    except NvlError as error:
        assert "; try " in str(error) and "allow_pickle" not in str(error)
    else:
        assert got is not None
