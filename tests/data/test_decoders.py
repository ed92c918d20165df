"""What Pillow is given of a file, what it costs, and what is said where it fails."""

from __future__ import annotations

import errno
import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from data.stand_ins import home_in
from neurovisionlab.core.errors import DataError, ResourceError
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data import decoders, depth, files, pictures
from neurovisionlab.data.decoders import (
    SUFFIXES,
    Unreadable,
    decoding_bytes,
    opened_picture,
    readable_formats,
    tried,
)
from neurovisionlab.data.own.kinds import FileKind, kind_by_content
from neurovisionlab.data.pictures import decode
from neurovisionlab.data.sources import describe, load
from neurovisionlab.out.said import note_text

POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
    b"%%EndProlog\n0 0 8 8 rectfill\nshowpage\n%%EOF\n"
)


def scene(mode: str = "RGB", size: tuple[int, int] = (20, 12)) -> Image.Image:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def saved(path: Path, picture: Image.Image | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (picture or scene()).save(path, **options)
    return path


def chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


# ── formats ──────────────────────────────────────────────────────────────────────────────────


def test_no_other_program_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostScript would be given to Ghostscript; a stand-in of it leaves a mark when started."""
    bin_dir, mark = tmp_path / "bin", tmp_path / "mark"
    bin_dir.mkdir()
    for name in ("gs", "gswin32c", "gswin64c", "gswin64", "ps2pdf"):
        (bin_dir / name).write_text(f"#!/bin/sh\necho 10.0 > {mark}\n")
        (bin_dir / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_dir), prepend=os.pathsep)
    names = [f"x{suffix}" for suffix in sorted(SUFFIXES)] + ["x.eps", "x.ps", "x", "x.dat"]
    for name in names:
        for class_name in ("cat", "dog"):
            saved(tmp_path / "set" / class_name / "good.png")
            (tmp_path / "set" / class_name / name).write_bytes(POSTSCRIPT)
    ref = DataRef(name=f"folder:{tmp_path / 'set'}", on_bad_image="skip", image_px=8)
    notes = "\n".join(map(note_text, load(ref, home_in(tmp_path)).provenance.notes))
    assert f"{2 * len(SUFFIXES)} unreadable pictures skipped" in notes
    assert "damaged, or in no format that is read" in notes
    assert not mark.exists()
    # the stand-in would be: the file is PostScript, and Pillow would start it
    with pytest.raises(OSError), Image.open(tmp_path / "set" / "cat" / "x.eps") as picture:
        picture.load()
    assert mark.exists()


def test_what_others_taught_pillow_is_not_used(tmp_path: Path) -> None:
    asked = []

    def accept(prefix: bytes) -> bool:
        asked.append(prefix)
        return True

    Image.init()
    before = list(Image.ID)
    Image.register_open("STRANGE", lambda *_: pytest.fail("opened"), accept)
    Image.ID.insert(0, Image.ID.pop())
    readable_formats.cache_clear()
    try:
        (tmp_path / "x.png").write_bytes(b"strange")
        assert decode([saved(tmp_path / "y.png"), tmp_path / "x.png"], 8, "skip").kept_N == [0]
        assert kind_by_content(tmp_path / "x.png") is FileKind.OTHER
    finally:
        Image.ID[:] = before
        del Image.OPEN["STRANGE"]
        readable_formats.cache_clear()
    assert not asked


def test_every_format_that_is_read_is_there_or_left_out_by_this_pillow() -> None:
    assert {"PNG", "JPEG", "GIF", "TIFF", "BMP", "PPM", "WEBP"} <= set(readable_formats())
    started = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "FITS", "ICNS", "ICO", "IPTC"}
    assert not started & set(readable_formats())


def test_bytes_without_a_signature_are_read_only_under_their_own_suffix(tmp_path: Path) -> None:
    for suffix, form in ((".tga", "TGA"), (".pcx", "PCX")):
        own, other = saved(tmp_path / f"x{suffix}"), tmp_path / f"x{suffix}.png"
        other.write_bytes(own.read_bytes())
        got = decode([own, other], 8, "skip")
        assert got.kept_N.tolist() == [0], form


# ── whatever a decoder raises costs one picture ──────────────────────────────────────────────


class OddError(Exception):
    """An error that nobody expects."""


ERRORS = [
    OddError("a\nb\x1b[31m"),
    MemoryError(),
    RecursionError("too deep"),
    UserWarning("odd"),
    TypeError("'>=' not supported"),
    AssertionError(),
    NotImplementedError("x" * 10_000),
    StopIteration(),
    OSError(5, "Input/output error"),
]


@pytest.mark.parametrize("stage", ["_read_header", "extremes_of", "_write_bytes"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_any_exception_at_any_stage_costs_one_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, error: Exception
) -> None:
    deep = Image.fromarray(np.arange(240, dtype=np.uint16).reshape(12, 20) * 250)
    paths = [saved(tmp_path / f"{n}.png", deep) for n in range(3)]
    real: Callable[..., Any] = getattr(pictures, stage)

    def fails(*args: Any) -> Any:
        if args[0] == paths[1]:
            raise error
        return real(*args)

    monkeypatch.setattr(pictures, stage, fails)
    got = decode(paths, 8, "skip")
    if stage == "extremes_of":  # then the others' rule serves it, too
        assert got.kept_N.tolist() == [0, 1, 2]
        return
    assert got.kept_N.tolist() == [0, 2]
    assert (got.images_NHWC[0] == got.images_NHWC[1]).all()
    (line,) = got.broken
    assert line.isprintable()
    assert len(line) < 300 + len(str(tmp_path))
    assert type(error).__name__ in line or "Input/output error" in line
    with pytest.raises(DataError, match=r"1\.png: expected a readable picture"):
        decode(paths, 8)


@pytest.mark.parametrize("error", ERRORS[:-1], ids=lambda error: type(error).__name__)
def test_any_exception_leaves_a_file_to_its_first_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    (tmp_path / "words").write_bytes(b"words")
    saved(tmp_path / "x.png").rename(tmp_path / "x")
    monkeypatch.setattr(Image, "open", fails)
    assert kind_by_content(tmp_path / "words") is FileKind.OTHER
    assert kind_by_content(tmp_path / "x") is FileKind.PICTURE


def test_who_stops_the_program_is_obeyed() -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tried(stopped)


def test_errors_meant_for_the_user_pass() -> None:
    def full() -> None:
        raise ResourceError("x: expected a, got b; try c")

    with pytest.raises(ResourceError):
        tried(full)


def test_warnings_made_errors_cost_one_picture(tmp_path: Path) -> None:
    good = saved(tmp_path / "good.png")
    exif = b"II*\0\x08\0\0\0\x09\0" + b"\x12\x01\x02\0\xff\xff\xff\xff\xff\xff\xff\x7f"
    bad = saved(tmp_path / "bad.jpg", exif=b"Exif\0\0" + exif)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = decode([good, bad], 8, "skip")
    assert 0 in got.kept_N


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.tif", "x.webp"])
def test_an_orientation_stored_as_text_costs_one_picture(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(tmp_path / name, exif=exif).read_bytes()
    number = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    if number not in content:
        number = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    text = number[:2] + (b"\2\0" if number[2:4] == b"\3\0" else b"\0\2") + number[4:8] + b"6\0\0\0"
    assert content.count(number) == 1
    content = content.replace(number, text)
    if name.endswith("png"):
        at = content.index(b"eXIf")
        length = struct.unpack(">I", content[at - 4 : at])[0]
        mended = chunk(b"eXIf", content[at + 4 : at + 4 + length])
        content = content[: at - 4] + mended + content[at + 8 + length :]
    (tmp_path / name).write_bytes(content)
    good = saved(tmp_path / "good.png")
    got = decode([good, tmp_path / name, good], 8, "skip")
    assert len(got.kept_N) + len(got.broken) == 3
    assert {0, 2} <= set(got.kept_N.tolist())
    assert name == "x.tif" or "its orientation is '6', no number" in got.broken[0]


def test_a_link_to_itself_costs_one_picture(tmp_path: Path) -> None:
    for class_name in ("cat", "dog"):
        saved(tmp_path / "set" / class_name / "good.png")
    (tmp_path / "set" / "cat" / "loop.png").symlink_to("loop.png")
    ref = DataRef(name=f"folder:{tmp_path / 'set'}", on_bad_image="skip")
    got = load(ref, home_in(tmp_path))
    assert len(got.images_NHWC) == 2
    assert "loop.png: Too many levels of symbolic links" in "\n".join(
        map(note_text, got.provenance.notes)
    )


# ── what is no file is not opened ────────────────────────────────────────────────────────────

WAITS = """
import sys
from pathlib import Path
from neurovisionlab.core.errors import NvlError
from neurovisionlab.data.own.encodings import texts_of
from neurovisionlab.data.own.kinds import kind_by_content
from neurovisionlab.data.pictures import decode
from neurovisionlab.data.texts import read_text
good, *odd = map(Path, sys.argv[1:])
for path in odd:
    print(decode([good, path, good], 8, "skip").broken, kind_by_content(path).name)
    for read in (read_text, lambda path: list(texts_of(path))):
        try:
            read(path)
        except NvlError as error:
            print(error)
"""


def test_pipes_and_devices_are_not_opened_by_whoever_is_given_one(tmp_path: Path) -> None:
    """As if they had come in the place of files between listing and reading them."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("pipe.png")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    good = saved(tmp_path / "good.png")
    odd = [str(tmp_path / name) for name in ("pipe.png", "link.png", "zero.jpg")]
    done = subprocess.run(
        [sys.executable, "-c", WAITS, str(good), *odd],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.count("no ordinary file',) UNREADABLE") == 3
    assert done.stdout.count("expected a TOML file, got a pipe or a device") == 3
    assert done.stdout.count("a CSV file with image,group, got no ordinary file") == 3


# ── how much is read, and what it costs ──────────────────────────────────────────────────────


@pytest.mark.parametrize("where", ["early", "late"])
def test_a_piece_that_no_picture_needs_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(decoders, "_MOST_HEAD_BYTES", 100_000)
    content = saved(tmp_path / "x.png").read_bytes()
    at = 33 if where == "early" else content.index(b"IEND") - 4
    piece = chunk(b"juNK", bytes(200_000))
    (tmp_path / "x.png").write_bytes(content[:at] + piece + content[at:])
    good = saved(tmp_path / "good.png")
    (line,) = decode([good, tmp_path / "x.png"], 8, "skip").broken
    assert "more to be read than its pixels can need" in line


def test_a_file_that_is_read_at_once_may_not_be_huge(tmp_path: Path) -> None:
    good, huge = saved(tmp_path / "good.png"), saved(tmp_path / "x.webp")
    with huge.open("r+b") as file:
        file.truncate(1 << 31)  # sparse: it takes no room on disk
    (line,) = decode([good, huge], 8, "skip").broken
    assert "2,047 MiB, more than 256" in line or "2,048 MiB, more than 256" in line


def opened_cost(path: Path) -> float:
    """Return what decoding is said to take, in bytes a pixel."""
    with opened_picture(path) as picture:
        return decoding_bytes(picture) / (picture.width * picture.height)


def test_what_decoding_costs_by_mode_and_format(tmp_path: Path) -> None:
    costs = {"1": 1, "L": 1, "P": 1, "LA": 4, "RGB": 4, "RGBA": 4}
    for mode, cost in costs.items():
        assert opened_cost(saved(tmp_path / "x.png", scene(mode))) == cost
    deep = Image.fromarray(np.zeros((50, 50), np.uint16))
    assert opened_cost(saved(tmp_path / "deep.png", deep)) == 2
    assert opened_cost(saved(tmp_path / "x.webp")) > 12


def test_a_jpeg_in_several_passes_keeps_its_coefficients(tmp_path: Path) -> None:
    plain = saved(tmp_path / "x.jpg")
    assert opened_cost(plain) == 4
    assert opened_cost(saved(tmp_path / "y.jpg", progressive=True)) == 4 + 6
    content = plain.read_bytes()
    scan = content.index(b"\xff\xda")
    one = content[:scan] + b"\xff\xff\xda\0\x08\x01\x01\0\0\x3f\0" + content[scan + 14 :]
    (tmp_path / "z.jpg").write_bytes(one)  # its first scan is of one colour
    assert opened_cost(tmp_path / "z.jpg") == 4 + 6


def test_a_tiff_in_one_strip_is_unpacked_beside_its_picture(tmp_path: Path) -> None:
    size = (200, 200)
    many = saved(tmp_path / "x.tif", scene(size=size), compression="tiff_lzw", strip_size=600)
    one = saved(tmp_path / "y.tif", scene(size=size), compression="tiff_lzw", strip_size=1 << 20)
    assert 4 < opened_cost(many) < 4.5
    assert opened_cost(one) == 4 + 3


def test_a_tiff_that_announces_a_huge_strip_is_refused(tmp_path: Path) -> None:
    content = saved(tmp_path / "x.tif", compression="tiff_lzw").read_bytes()
    at = content.index(struct.pack("<HHI", 279, 4, 1)) + 8
    huge = content[:at] + struct.pack("<I", 1 << 31) + content[at + 4 :]
    (tmp_path / "y.tif").write_bytes(huge)
    (line,) = decode([tmp_path / "x.tif", tmp_path / "y.tif"], 8, "skip").broken
    assert "2,147,483,648 bytes in one piece" in line


def test_pixels_are_let_go_before_others_take_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Image.Image] = []
    write = pictures._write_bytes

    def kept(path: Path, picture: ImageFile.ImageFile, *others: Any) -> None:
        write(path, picture, *others)
        held.append(picture)

    monkeypatch.setattr(pictures, "_write_bytes", kept)
    decode([saved(tmp_path / "x.png")], 8)
    with pytest.raises(ValueError, match="closed"):
        held[0].getpixel((0, 0))


def test_extremes_keep_no_counts_of_each_strip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts of a strip are half a MiB: each is joined to the others' before the next."""
    order: list[str] = []

    def noted(name: str, real: Callable[..., Any], *args: Any) -> Any:
        order.append(name)
        return real(*args)

    for name in ("_extremes", "_joined"):
        monkeypatch.setattr(depth, name, partial(noted, name, getattr(depth, name)))
    monkeypatch.setattr("neurovisionlab.data.strips.STRIP_PIXELS", 40)
    deep = Image.fromarray(np.arange(4000, dtype=np.uint16).reshape(100, 40))
    decode([saved(tmp_path / "x.png", deep)], 8)
    assert order == ["_extremes", *["_extremes", "_joined"] * 99]


def test_unreadable_says_why() -> None:
    def broken() -> None:
        raise ValueError("a\n b")

    assert tried(broken) == Unreadable("ValueError: a b")
    assert isinstance(tried(lambda: Image.open(io.BytesIO(b"x"))), Unreadable)


@pytest.mark.parametrize("place", ["listing", "content", "header"])
def test_a_machine_out_of_open_files_leaves_no_picture_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    for name in ("a/1.png", "a/2", "b/1.png", "b/2"):  # two are known by their content alone
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / name, "PNG")

    def short(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    if place == "listing":
        monkeypatch.setattr(os, "scandir", short)
    else:
        opened = files.opened

        def sometimes(path: Path) -> object:
            is_chosen = path.suffix == ("" if place == "content" else ".png")
            return short(path) if is_chosen else opened(path)

        monkeypatch.setattr(files, "opened", sometimes)
    ref = DataRef(name=f"folder:{tmp_path}", image_px=8, on_bad_image="skip")
    with pytest.raises(ResourceError, match="again when less runs beside it"):
        describe(ref, home_in(tmp_path))
