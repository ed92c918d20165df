"""Pictures deeper than 8 bits: one rule for a set, decided by its training pictures."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from data.stand_ins import home_in
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.pictures import Decoded, decode
from neurovisionlab.data.sources import load
from neurovisionlab.out.said import note_text

Values = NDArray[np.generic]
SIZE = (6, 8)


def ramp(low: float, high: float, dtype: str) -> Values:
    return np.linspace(low, high, SIZE[0] * SIZE[1]).reshape(SIZE).astype(dtype)


def png(values: Values, path: Path, orientation: int = 1) -> Path:
    """Write uint16 [H, W] or [H, W, 3 or 4] as a PNG of 16 bits; Pillow writes no such colours."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    height, width, channels = np.atleast_3d(values).shape
    colour = {1: 0, 3: 2, 4: 6}[channels]
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = chunk(b"eXIf", exif.tobytes()[6:]) if orientation else b""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    content = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    )
    content += turned + chunk(b"IDAT", zlib.compress(rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content + chunk(b"IEND", b""))
    return path


def tiff(values: Values, path: Path, deflate: bool = False) -> Path:
    """Write any array of numbers as a TIFF, in its own byte order."""
    order = ">" if values.dtype.byteorder == ">" else "<"
    height, width, channels = np.atleast_3d(values).shape
    data = zlib.compress(values.tobytes()) if deflate else values.tobytes()
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    start, bits = 8 + 2 + 12 * 10 + 4, values.dtype.itemsize * 8
    fields = [(256, width), (257, height), (258, start), (259, 8 if deflate else 1)]
    fields += [(262, 2 if channels == 3 else 1), (273, start + 12), (277, channels), (278, height)]
    fields += [(279, len(data)), (339, start + 6)]
    out = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}IH", 8, len(fields))
    for tag, value in fields:
        is_list = tag in (258, 339) and channels == 3
        if is_list or tag in (273, 279):
            out += struct.pack(f"{order}HHII", tag, 3 if is_list else 4, 3 if is_list else 1, value)
        else:
            short = {258: bits, 339: kind}.get(tag, value)
            out += struct.pack(f"{order}HHIHH", tag, 3, 1, short, 0)
    out += struct.pack(f"{order}I6H", 0, *[bits] * 3, *[kind] * 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out + data)
    return path


def notes_of(decoded: Decoded, paths: Sequence[Path]) -> str:
    return "\n".join(map(note_text, decoded.survey.notes([path.name for path in paths])))


def both(paths: Sequence[Path], num_train: int | None = None) -> tuple[list[Values], str]:
    got = decode(paths, None, num_train=num_train)
    return list(got.images_NHWC), notes_of(got, paths)


@pytest.mark.parametrize(
    ("high", "bits"),
    [
        (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16383, 14),
        (16384, 16), (65535, 16),
    ],
)  # fmt: skip
def test_the_bits_of_a_set_are_those_its_largest_value_needs(
    tmp_path: Path, high: int, bits: int
) -> None:
    values = [ramp(0, high, "u2"), ramp(0, high // 3, "u2")]
    paths = [png(one, tmp_path / f"{n}.png") for n, one in enumerate(values)]
    got, said = both(paths)
    for one, wanted in zip(got, values, strict=True):
        np.testing.assert_array_equal(one[..., 0], wanted >> (bits - 8))
    assert f"all scaled alike from 0–{2**bits - 1} to 0–255: 2" in said
    narrow = f"is {high}, of 0–65535 that the files could hold: taken as pictures of {bits} bits"
    assert (narrow in said) == (bits < 16)
    assert "levels of grey" not in said


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(("high", "shift"), [(4095, 4), (65535, 8)])
def test_colours_of_sixteen_bits(tmp_path: Path, channels: int, high: int, shift: int) -> None:
    values = np.random.default_rng(0).integers(0, high + 1, (*SIZE, channels), dtype=np.uint16)
    values[0, 0, :3] = high
    values[..., 3:] = 65535
    (got,), said = both([png(values, tmp_path / "x.png")])
    np.testing.assert_array_equal(got, values[..., :3] >> shift)
    assert ("taken as pictures of 12 bits" in said) == (shift == 4)


@pytest.mark.parametrize("channels", [3, 4])
def test_deep_colours_need_no_exif_to_be_seen(tmp_path: Path, channels: int) -> None:
    """Pillow decodes a PNG without EXIF to look for some behind its pixels."""
    values = np.random.default_rng(0).integers(0, 4096, (*SIZE, channels), dtype=np.uint16)
    values[..., 3:] = 65535
    (got,), said = both([png(values, tmp_path / "x.png", 0)])
    np.testing.assert_array_equal(got, values[..., :3] >> 4)
    assert "taken as pictures of 12 bits" in said


def test_strips_of_deep_pictures_hold_what_the_whole_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    grey, colour = (rng.integers(0, 4096, (60, 50, *more), dtype=np.uint16) for more in ((), (3,)))
    share = rng.random((60, 50)).astype("<f4")
    share[7, 7] = np.nan
    paths = [png(grey, tmp_path / "1.png"), png(colour, tmp_path / "2.png", 6)]
    paths.append(tiff(share, tmp_path / "3.tif"))
    found = []
    for pixels in (1 << 18, 130):
        monkeypatch.setattr("neurovisionlab.data.strips.STRIP_PIXELS", pixels)
        got = decode(paths, 20)
        found.append((got.images_NHWC.tobytes(), notes_of(got, paths), str(got.survey.extremes)))
        found[-1] += (got.survey.counts_V.tobytes(),)
    assert found[0] == found[1]
    assert "infinite or no numbers: 1 (3.tif)" in found[0][1]


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_deep_colours_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    values = np.random.default_rng(0).integers(1024, 4096, (*SIZE, 3), dtype=np.uint16)
    turned = {1: values, 3: values[::-1, ::-1], 6: np.rot90(values, -1)}[orientation]
    (got,), _ = both([png(values, tmp_path / "x.png", orientation)])
    np.testing.assert_array_equal(got, turned >> 4)


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_colour_tiffs_of_sixteen_bits(tmp_path: Path, dtype: str, deflate: bool) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (*SIZE, 3)).astype(dtype)
    values[0, 0] = 4000
    stored = values.astype("<u2") if deflate else values  # as libtiff would have it
    (got,), _ = both([tiff(stored, tmp_path / "x.tif", deflate)])
    np.testing.assert_array_equal(got, values >> 4)


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i2", ">i2", "<i4", ">i4"])
def test_whole_numbers_of_every_kind(tmp_path: Path, dtype: str) -> None:
    values = ramp(0, 4095, dtype)
    (got,), said = both([tiff(values, tmp_path / "x.tif")])
    np.testing.assert_array_equal(got[..., 0], values.astype(int) >> 4)
    assert "0–4095 to 0–255: 1" in said


@pytest.mark.parametrize(("high", "bits"), [(255, 8), (65535, 16), (100_000, 24), (2**30, 32)])
def test_whole_numbers_of_thirty_two_bits(tmp_path: Path, high: int, bits: int) -> None:
    values = ramp(0, high, "<i4")
    (got,), _ = both([tiff(values, tmp_path / "x.tif")])
    np.testing.assert_array_equal(got[..., 0], values >> (bits - 8))


def test_values_below_zero_become_black_and_that_is_said(tmp_path: Path) -> None:
    values = ramp(-1000, 4000, "<i2")
    paths = [tiff(values, tmp_path / "x.tif"), tiff(values.clip(0), tmp_path / "y.tif")]
    got, said = both(paths)
    for one in got:
        np.testing.assert_array_equal(one[..., 0], values.clip(0) >> 4)
    assert "values below 0, made black: 1 (x.tif)" in said


@pytest.mark.parametrize("top", [1, 255, 65535])
def test_floats_of_a_set_are_scaled_alike(tmp_path: Path, top: int) -> None:
    values = [ramp(0, top, "<f4"), ramp(0, top / 500, "<f4"), ramp(0, top / 2, ">f4")]
    paths = [tiff(one, tmp_path / f"{n}.tif") for n, one in enumerate(values)]
    got, said = both(paths)
    for one, wanted in zip(got, values, strict=True):
        by_hand = wanted.astype(float) * 255 / top
        assert np.abs(one[..., 0] - by_hand).max() <= 0.5 + 1e-4
    assert f"0–{top} to 0–255: 3" in said


def test_floats_beyond_all_ranges_go_by_their_largest(tmp_path: Path) -> None:
    (got,), said = both([tiff(ramp(0, 2e6, "<f4"), tmp_path / "x.tif")])
    assert got.max() == 255
    assert "0–2000000 to 0–255" in said


def test_a_filter_may_overshoot_a_little(tmp_path: Path) -> None:
    (got,), said = both([tiff(ramp(0, 1.02, "<f4"), tmp_path / "x.tif")])
    assert np.abs(got[..., 0] - ramp(0, 1.02, "<f8").clip(0, 1) * 255).max() <= 0.51
    assert "values above 1, made white: 1 (x.tif)" in said


def test_floats_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    values = ramp(0, 1, "<f4")
    values[0, :4] = [np.nan, np.inf, -np.inf, -0.5]
    paths = [tiff(values, tmp_path / "x.tif"), tiff(abs(ramp(0, 1, "<f4")), tmp_path / "y.tif")]
    (one, _), said = both(paths)
    assert one[0, :4, 0].tolist() == [0, 255, 0, 0]
    assert one[-1, -1, 0] == 255
    assert "infinite or no numbers: 1 (x.tif)" in said
    assert "below 0, made black: 1 (x.tif)" in said


def test_pictures_of_eight_bits_among_deep_ones_stay_as_they_are(tmp_path: Path) -> None:
    shallow = ramp(0, 255, "u1")
    Image.fromarray(shallow).save(tmp_path / "8.png")
    Image.fromarray(shallow > 99).save(tmp_path / "1.png")
    deep = ramp(0, 4095, "u2")
    paths = [tmp_path / "8.png", tmp_path / "1.png", png(deep, tmp_path / "16.png")]
    (eight, bit, sixteen), said = both(paths)
    np.testing.assert_array_equal(eight[..., 0], shallow)
    np.testing.assert_array_equal(bit[..., 0], (shallow > 99) * 255)
    np.testing.assert_array_equal(sixteen[..., 0], deep >> 4)
    assert "to 0–255: 1" in said


def test_sets_of_eight_bits_need_no_word(tmp_path: Path) -> None:
    Image.fromarray(ramp(0, 20, "u1")).save(tmp_path / "x.png")
    assert both([tmp_path / "x.png"])[1] == ""


def test_pictures_of_the_test_part_choose_nothing(tmp_path: Path) -> None:
    bright, dark = ramp(0, 60_000, "u2"), ramp(0, 4000, "u2")
    paths = [png(dark, tmp_path / "a.png"), png(bright, tmp_path / "b.png")]
    (one, other), said = both(paths, num_train=1)
    np.testing.assert_array_equal(one[..., 0], dark >> 4)
    np.testing.assert_array_equal(other[..., 0], (bright >> 4).clip(0, 255))
    assert "values above 4095, made white: 1 (b.png)" in said
    (one, other), said = both(paths, num_train=2)
    np.testing.assert_array_equal(one[..., 0], dark >> 8)
    assert "made white" not in said


def test_a_single_bright_pixel_is_seen_through(tmp_path: Path) -> None:
    values = np.tile(ramp(0, 4000, "u2"), (40, 40))
    values[0, 0] = 65535
    (got,), said = both([png(values, tmp_path / "x.png")])
    assert len(np.unique(got)) == 17
    assert "99.9% of the values of pictures of more than 8 bits lie in 0–4000, of 0–65535" in said
    assert "16 of 256 levels of grey are left" in said


def test_a_broken_deep_picture_is_skipped(tmp_path: Path) -> None:
    paths = [png(ramp(0, 4095, "u2"), tmp_path / f"{n}.png") for n in range(3)]
    paths[1].write_bytes(paths[1].read_bytes()[:-40])
    got = decode(paths, None, "skip")
    assert got.kept_N.tolist() == [0, 2]
    assert "to 0–255: 2" in notes_of(got, paths)


def folder_set(folder: Path) -> ImageSet:
    return load(DataRef(name=f"folder:{folder}"), home_in(folder.parent))


def test_a_folder_says_how_its_pictures_were_scaled(tmp_path: Path) -> None:
    for part, high in (("train", 4000), ("test", 5000)):
        for name in ("cat", "dog"):
            png(ramp(0, high, "u2"), tmp_path / "set" / part / name / "1.png")
    got = folder_set(tmp_path / "set")
    np.testing.assert_array_equal(got.images_NHWC[0, ..., 0], ramp(0, 4000, "u2") >> 4)
    said = got.provenance.notes
    assert "made white: 2 (test/cat/1.png, test/dog/1.png)" in "\n".join(map(note_text, said))


def test_whole_sixteen_bits_have_the_digest_of_before(tmp_path: Path) -> None:
    for name, low in (("cat", 0), ("dog", 9000)):
        png(ramp(low, 65535, "u2"), tmp_path / "set" / name / "1.png")
    assert folder_set(tmp_path / "set").digest.startswith("5e0492368d949ab5")
