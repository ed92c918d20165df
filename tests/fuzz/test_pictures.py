"""Damaged and hostile pictures of every format, read as a folder: pixels, or one clear error."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from data.stand_ins import home_in
from fuzz.mutations import Rng, clear_errors, mutants, rounds
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.own.folders import read_folder_set

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::Warning:PIL")

SIZE = (9, 7)
ORIENTATION, XMP = 0x0112, b'<x tiff:Orientation="6"/>'


def scene(mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 4), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def frames() -> dict[str, Any]:
    """Return how to save a second frame; anew each time, as Pillow leaves marks on it."""
    return {"save_all": True, "append_images": [scene().rotate(180)]}


def deep(dtype: str) -> Image.Image:
    values = np.linspace(0, 4000, SIZE[0] * SIZE[1]).reshape(SIZE[1], SIZE[0])
    return Image.fromarray(values.astype(dtype))


def exif(orientation: int = 6) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    tags[0x010E] = "words"
    return tags


def chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def wide_png(colour: int, channels: int, interlaced: int = 0) -> bytes:
    """Return a PNG of 16 bits a colour, or of 8 interlaced; Pillow writes neither."""
    width, height = SIZE
    bits = 8 if interlaced else 16
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    rows = bytes(2 * (1 + width * channels * 2) * height)
    late = chunk(b"eXIf", exif().tobytes()[6:])
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + late + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def psd() -> bytes:
    """Return a Photoshop file, which Pillow cannot write."""
    width, height = SIZE
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, height, width, 8, 3)
    return head + struct.pack(">IIIH", 0, 0, 0, 0) + bytes(3 * width * height)


@cache
def seeds() -> dict[str, bytes]:
    """Return {name: a small picture} of everything that is read."""
    rgb = scene()
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = {
        "exif.png": saved(rgb, "PNG", exif=exif(), icc_profile=icc),
        "clear.png": saved(scene("RGBA"), "PNG"),
        "palette.png": saved(scene("P"), "PNG", transparency=b"\0\x80"),
        "bits.png": saved(scene("1"), "PNG"),
        "deep.png": saved(deep("u2"), "PNG"),
        "wide.png": wide_png(2, 3),
        "wide_clear.png": wide_png(6, 4),
        "interlaced.png": wide_png(2, 3, 1),
        "frames.apng": saved(rgb, "PNG", **frames()),
        "plain.jpg": saved(rgb, "JPEG", exif=exif(3), icc_profile=icc, xmp=XMP),
        "passes.jpg": saved(rgb, "JPEG", progressive=True),
        "print.jpg": saved(scene("CMYK"), "JPEG"),
        "two.mpo": saved(rgb, "MPO", **frames()),
        "plain.bmp": saved(rgb, "BMP"),
        "palette.bmp": saved(scene("P"), "BMP"),
        "plain.dib": saved(rgb, "DIB"),
        "frames.gif": saved(scene("P"), "GIF", transparency=3, **frames()),
        "frames.tif": saved(rgb, "TIFF", exif=exif(), **frames()),
        "deep.tif": saved(deep("u2"), "TIFF"),
        "float.tif": saved(deep("f4"), "TIFF"),
        "whole.tif": saved(deep("i4"), "TIFF", compression="tiff_lzw"),
        "fax.tif": saved(scene("1"), "TIFF", compression="group4"),
        "plain.webp": saved(rgb, "WEBP", exif=exif(), xmp=XMP),
        "frames.webp": saved(scene("RGBA"), "WEBP", lossless=True, **frames()),
        "plain.jp2": saved(rgb, "JPEG2000"),
        "bare.j2k": saved(scene("L"), "JPEG2000", no_jp2=True),
        "plain.ppm": saved(rgb, "PPM"),
        "deep.pgm": saved(deep("u2"), "PPM"),
        "text.ppm": b"P3\n2 2\n255\n" + b"1 2 3 " * 4,
        "float.pfm": saved(deep("f4"), "PPM"),
        "plain.qoi": saved(scene("RGBA"), "QOI"),
        "plain.tga": saved(rgb, "TGA"),
        "packed.tga": saved(scene("RGBA"), "TGA", compression="tga_rle"),
        "plain.pcx": saved(rgb, "PCX"),
        "plain.psd": psd(),
        "script.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 7\n%%EndComments\nshowpage\n",
    }
    packings = ("packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "lzma", "zstd")
    for packing in packings:
        try:
            found[f"{packing}.tif"] = saved(rgb, "TIFF", compression=packing, exif=exif(8))
        except (OSError, ValueError, RuntimeError):  # this libtiff has no such
            continue
    if "AVIF" in Image.SAVE:
        found["plain.avif"] = saved(rgb, "AVIF", exif=exif())
    return found


def odd_exif(rng: Rng) -> bytes:
    """Return EXIF whose orientation may be of any type, count and value, and may be elsewhere."""
    order = rng.choice("<>")
    kind, count = rng.choice((*range(14), 255, 65535)), rng.choice((0, 1, 1, 1, 2, 3, 5, 1 << 31))
    value = rng.choice((b"6\0\0\0", b"\0\6\0\0", b"\6\0\0\0", rng.randbytes(4), b"\x1a\0\0\0"))
    entry = struct.pack(f"{order}HHI", ORIENTATION, kind, count) + value
    tags = rng.randrange(1, 4)
    tail = struct.pack(f"{order}I", rng.choice((0, 0, 8, 26, 1 << 31))) + rng.randbytes(24)
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}IH", 8, tags) + entry * tags + tail


def with_exif(name: str, rng: Rng) -> bytes:
    """Return a PNG or a JPEG with odd EXIF or XMP."""
    tags = odd_exif(rng)
    if name == "exif.png":
        start, rest = seeds()["bits.png"][:33], seeds()["bits.png"][33:]
        text = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.replace(b"6", rng.randbytes(2))
        return start + rng.choice((chunk(b"eXIf", tags), chunk(b"iTXt", text))) + rest
    content = b"Exif\0\0" + tags
    app = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    return seeds()["passes.jpg"][:2] + app + seeds()["passes.jpg"][2:]


def mended(png: bytes) -> bytes:
    """Return a damaged PNG with right checksums, so that what they protect is looked at."""
    out, at = bytearray(png[:8]), 8
    while at + 12 <= len(png):
        length = min(struct.unpack(">I", png[at : at + 4])[0], len(png) - at - 12)
        body = png[at + 4 : at + 8 + length]
        out += struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(out)


def hostile_files(rng: Rng, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents; some are called by another format's name, or by none."""
    every = sorted(seeds())
    for number in range(count):
        name = rng.choice(every)
        if name in ("exif.png", "plain.jpg") and rng.random() < 0.3:
            content = with_exif(name, rng)
        else:
            (content,) = mutants(seeds()[name], rng, 1, list(seeds().values()))
            if content.startswith(b"\x89PNG") and rng.random() < 0.7:
                content = mended(content)
        suffix = Path(rng.choice(every) if rng.random() < 0.1 else name).suffix
        yield f"{number}{suffix if rng.random() < 0.9 else ''}", content


def read_both_ways(folder: Path, rng: Rng, said: str, count: int) -> None:
    """Write a folder of good pictures and hostile ones, and read it: skipping, and stopping."""
    files = dict(hostile_files(rng, count))
    for class_name in ("cat", "dog"):
        (folder / class_name).mkdir(parents=True)
        (folder / class_name / "good.png").write_bytes(seeds()["bits.png"])
    for name, content in files.items():
        (folder / "cat" / name).write_bytes(content)
    image_px = rng.choice((None, 5, 16))
    for on_bad_image in ("skip", "stop"):
        ref = DataRef(name=f"folder:{folder}", image_px=image_px, on_bad_image=on_bad_image)
        with clear_errors(f"{said}, {on_bad_image}, image_px {image_px}", files):
            images = read_folder_set(ref, home_in(folder))
            assert 2 <= len(images.images_NHWC) <= 2 + count


def fuzz(tmp_path: Path, seconds: float) -> None:
    for number, (said, rng) in enumerate(rounds("pictures", seconds)):
        read_both_ways(tmp_path / str(number), rng, said, 8)


def test_a_few_damaged_pictures_end_in_pixels_or_in_clear_errors(tmp_path: Path) -> None:
    fuzz(tmp_path, 1)


@pytest.mark.slow
def test_damaged_pictures_end_in_pixels_or_in_clear_errors(tmp_path: Path) -> None:
    fuzz(tmp_path, 35)


def test_the_seeds_are_pictures(tmp_path: Path) -> None:
    for name, content in seeds().items():
        for class_name in ("cat", "dog"):
            path = tmp_path / name / class_name / name
            path.parent.mkdir(parents=True)
            path.write_bytes(content if name != "script.png" else seeds()["bits.png"])
        ref = DataRef(name=f"folder:{tmp_path / name}")
        assert len(read_folder_set(ref, home_in(tmp_path)).images_NHWC) == 2, name
