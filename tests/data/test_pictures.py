"""Pictures as people have them: every mode, depth and orientation; hostile ones refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw

from data.stand_ins import DAMAGES, MANY_FILES
from neurovisionlab.core.errors import DataError, NvlError, ResourceError
from neurovisionlab.data import pictures
from neurovisionlab.data.pictures import decode


def scene(width: int = 20, height: int = 12) -> Image.Image:
    """Return a smooth colour picture in which no side looks like another."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 255 // (width + height)]
    return Image.fromarray(np.stack(planes, axis=2).astype(np.uint8))


def one(path: Path, image_px: int | None = None) -> np.ndarray:
    return decode([path], image_px).images_NHWC[0]


def save(picture: Image.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "ppm"])
def test_colours_without_loss(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(scene(), tmp_path / f"x.{suffix}", **options)
    np.testing.assert_array_equal(one(path), np.asarray(scene()))


def test_jpeg_within_its_loss(tmp_path: Path) -> None:
    got = one(save(scene(), tmp_path / "x.JPG", quality=95, subsampling=0))
    assert np.abs(got.astype(int) - np.asarray(scene())).mean() < 4


def test_grey_stays_grey_and_becomes_colour_beside_colour(tmp_path: Path) -> None:
    grey = save(scene().convert("L"), tmp_path / "grey.png")
    colour = save(scene(), tmp_path / "colour.png")
    assert decode([grey], None).images_NHWC.shape == (1, 12, 20, 1)
    np.testing.assert_array_equal(one(grey)[..., 0], np.asarray(scene().convert("L")))
    both = decode([grey, colour], None).images_NHWC
    assert both.shape == (2, 12, 20, 3)
    assert (both[0] == one(grey)).all()


def test_palette_with_and_without_transparency(tmp_path: Path) -> None:
    palette = Image.new("P", (20, 12), 1)
    palette.putpalette([255, 0, 0, 0, 128, 255])
    palette.putpixel((3, 2), 0)
    plain = one(save(palette, tmp_path / "x.png"))
    assert plain[0, 0].tolist() == [0, 128, 255]
    assert plain[2, 3].tolist() == [255, 0, 0]
    clear = one(save(palette, tmp_path / "y.png", transparency=0))
    assert clear[2, 3].tolist() == [255, 255, 255]
    assert clear[0, 0].tolist() == [0, 128, 255]
    assert (one(save(palette, tmp_path / "z.gif")) == plain).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_on_white(tmp_path: Path, mode: str) -> None:
    black = (0, 0, 0) if mode == "RGBA" else (0,)
    picture = Image.new(mode, (4, 3), (*black, 0))
    picture.putpixel((1, 1), (*black, 255))
    picture.putpixel((2, 1), (*black, 128))
    got = one(save(picture, tmp_path / "x.png"))
    assert got.shape == (3, 4, 3 if mode == "RGBA" else 1)
    assert (got[0] == 255).all()
    assert (got[1, 1] == 0).all()
    assert np.abs(got[1, 2].astype(int) - 127).max() <= 1


def test_one_colour_of_grey_may_be_transparent(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 100], [200, 100]], np.uint8))
    got = one(save(picture, tmp_path / "x.png", transparency=100))
    assert got[..., 0].tolist() == [[0, 255], [200, 255]]


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 240).reshape(12, 20).astype(np.uint16)
    for suffix in ("png", "tif"):
        got = one(save(Image.fromarray(deep), tmp_path / f"x.{suffix}"))
        assert got.shape == (12, 20, 1)
        np.testing.assert_array_equal(got[..., 0], deep >> 8)


def test_floats_are_read_on_either_scale(tmp_path: Path) -> None:
    share = np.linspace(0, 1, 240, dtype=np.float32).reshape(12, 20)
    for values in (share, share * 255):
        got = one(save(Image.fromarray(values), tmp_path / "x.tif"))
        np.testing.assert_array_equal(got[..., 0], (share * 255).round())


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    bits = np.random.default_rng(0).random((12, 20)) > 0.5
    got = one(save(Image.fromarray(bits), tmp_path / "x.png"))
    assert got.shape == (12, 20, 1)
    np.testing.assert_array_equal(got[..., 0], bits * 255)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_colour_spaces_of_print_and_film(tmp_path: Path, mode: str) -> None:
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(scene(), srgb, lab, outputMode="LAB")
    else:
        picture = scene().convert(mode)
    suffix = "jpg" if mode == "CMYK" else "tif"
    got = one(
        save(picture, tmp_path / f"x.{suffix}", **({"quality": 95} if suffix == "jpg" else {}))
    )
    assert got.shape == (12, 20, 3)
    assert np.abs(got.astype(int) - np.asarray(scene())).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    # what a camera stores: the upright scene, undone by each orientation's own turn
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = scene() if undo is None else scene().transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(stored, tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(one(path), np.asarray(scene()))


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_scans_that_lie_on_their_side_keep_their_shape(
    tmp_path: Path, orientation: int, compression: str
) -> None:
    turn = {3: "ROTATE_180", 6: "ROTATE_90", 8: "ROTATE_270"}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = scene().transpose(Image.Transpose[turn])
    path = save(stored, tmp_path / "x.tif", exif=exif, compression=compression)
    np.testing.assert_array_equal(one(path), np.asarray(scene()))


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_an_orientation_that_means_nothing_turns_nothing(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(scene(), tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(one(path), np.asarray(scene()))


def test_skipped_pictures_leave_the_others_in_order(tmp_path: Path) -> None:
    paths = [save(Image.new("L", (5, 4), n), tmp_path / f"{n}.gif") for n in range(40)]
    broken = {0, 3, 4, 17, 39}
    for number in broken:
        paths[number].write_bytes(paths[number].read_bytes()[:-10])  # its header is whole
    got = decode(paths, None, "skip")
    assert got.kept_N.tolist() == sorted(set(range(40)) - broken)
    assert got.images_NHWC[:, 0, 0, 0].tolist() == got.kept_N.tolist()
    assert len(got.images_NHWC) == 35


def test_resizing_is_pillows(tmp_path: Path) -> None:
    big = scene(200, 90)
    got = one(save(big, tmp_path / "x.png"), 16)
    theirs = np.asarray(big.resize((16, 16), Image.Resampling.BILINEAR))
    assert np.abs(got.astype(int) - theirs).max() <= 2


def test_mixed_sizes_ask_for_a_size(tmp_path: Path) -> None:
    paths = [save(scene(20 + n, 12), tmp_path / f"{n}.png") for n in range(3)]
    with pytest.raises(DataError, match=r"image_px: .*3 sizes from 20×12 to 22×12.*try image_px ="):
        decode(paths, None)
    assert decode(paths, 10).images_NHWC.shape == (3, 10, 10, 3)


def test_animated_pictures_give_their_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("L", (5, 5), value) for value in (10, 200)]
    path = save(frames[0], tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert (one(path) == 10).all()


def broken_files(folder: Path) -> dict[str, Path]:
    whole = save(scene(), folder / "whole.png").read_bytes()
    contents = {
        "truncated.png": whole[: len(whole) // 2],
        "truncated.jpg": save(scene(), folder / "whole.jpg").read_bytes()[:300],
        "empty.png": b"",
        "words.png": b"this is no picture",
        "page.jpg": b"<!DOCTYPE html>",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def test_a_broken_picture_stops_and_is_named(tmp_path: Path) -> None:
    for name, path in broken_files(tmp_path).items():
        with pytest.raises(DataError) as caught:
            decode([tmp_path / "whole.png", path], 12)
        assert str(caught.value).startswith(f"{path}: expected a readable picture, got "), name
        assert '; try on_bad_image = "skip" in the study (--skip-bad for' in str(caught.value)


def test_broken_pictures_are_counted_when_they_stop(tmp_path: Path) -> None:
    broken = list(broken_files(tmp_path).values())[2:]
    with pytest.raises(DataError, match=r"\(and 2 more\)"):
        decode(broken, 12)


def test_broken_pictures_are_skipped_and_named(tmp_path: Path) -> None:
    broken = list(broken_files(tmp_path).values())
    good = tmp_path / "whole.png"
    paths = [broken[0], good, *broken[1:], good]
    got = decode(paths, None, "skip")
    assert got.kept_N.tolist() == [1, len(paths) - 1]
    np.testing.assert_array_equal(got.images_NHWC, [np.asarray(scene())] * 2)
    assert len(got.broken) == len(broken)
    for path in broken:
        assert sum(line.startswith(f"{path}: ") for line in got.broken) == 1


def test_nothing_readable_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected pictures, got none readable"):
        decode(list(broken_files(tmp_path).values())[2:], None, "skip")


def png_of(width: int, height: int) -> bytes:
    """Return a PNG that announces any size and holds a few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.mark.parametrize("side", [10_001, 50_000, 2**31 - 1])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_unopened(tmp_path: Path, side: int) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_of(side, side))
    with pytest.raises(DataError, match=r"bomb\.png: expected a readable picture"):
        decode([bomb], 16)


@pytest.mark.parametrize("size", [(9, 1_000_001), (1_000_001, 9)])
def test_a_picture_that_is_a_line_is_refused_unopened(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    (tmp_path / "line.png").write_bytes(png_of(*size))
    with pytest.raises(DataError, match="pixels, a side of more than 1,000,000"):
        decode([tmp_path / "line.png"], 16)


@pytest.mark.parametrize("size", [(9, 200_000), (200_000, 9)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_long_picture_takes_little_more_than_itself(
    tmp_path: Path, size: tuple[int, int], orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reduced in one direction only by a large factor."""
    monkeypatch.setattr("neurovisionlab.data.flight.available_bytes", lambda: 100 << 20)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(Image.new("RGBA", size, (1, 2, 3, 255)), tmp_path / "x.png", exif=exif)
    assert one(path, 16)[0, 0].tolist() == [1, 2, 3]


def test_too_many_pictures_for_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def little(num_bytes: int, what: str) -> None:
        if num_bytes > 100:
            raise ResourceError(f"{what}: {num_bytes}")

    monkeypatch.setattr(pictures, "check_fits", little)
    with pytest.raises(ResourceError, match="2 pictures: 384"):
        decode([save(scene(), tmp_path / "x.png")] * 2, 8)


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = save(scene(), tmp_path / "x.png")
    decode([path] * 3, 8, "stop", lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@given(
    st.sampled_from(
        [
            "png",
            "jpg",
            "gif",
            "tif",
            "bmp",
            "webp",
            "pgm",
            "jp2",
            "tga",
            "pcx",
            "ico",
            "qoi",
            "deep.png",
            "deep.tif",
        ]
    ),
    DAMAGES,
    st.floats(0, 1),
)
@MANY_FILES
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_pictures_end_in_pixels_or_in_their_name(
    tmp_path: Path, suffix: str, changes: list[tuple[float, int]], keep: float
) -> None:
    path = tmp_path / f"x.{suffix}"
    picture = scene().convert("L") if suffix == "pgm" else scene()
    ImageDraw.Draw(picture).line((0, 0, 9, 9))
    if suffix.startswith("deep"):
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 16)
    picture.save(path)
    content = bytearray(path.read_bytes())
    for place, value in changes:
        reach = min(len(content), 100) if value % 2 else len(content)
        content[int(place * (reach - 1))] = value
    path.write_bytes(content[: len(content) if keep > 0.3 else int(3 * keep * len(content))])
    try:
        got = decode([path], 8).images_NHWC
    except NvlError as error:
        assert str(path) in str(error)
    else:
        assert got.shape[:3] == (1, 8, 8)
