"""Picture files given to Pillow: in which formats, how much of a file, at what cost, what failed.

A file of a stranger may be anything. Only formats are tried that Pillow decodes itself: no other
program is started, no plug-in that somebody installed is asked. Whatever a decoder raises is told.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar, cast

from PIL import Image, ImageFile, UnidentifiedImageError

from neurovisionlab.core.errors import NvlError
from neurovisionlab.data import files
from neurovisionlab.data.notes import printable

# {format: suffixes by which its pictures are known}
_SUFFIXES_OF = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".mpo",),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpx", ".jpf"),
    "PPM": (".pgm", ".ppm", ".pbm", ".pnm", ".pfm"),
    "QOI": (".qoi",),
    "TGA": (".tga",),
    "PCX": (".pcx",),
    "PSD": (),  # by content alone
}
SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES_OF.values() for suffix in suffixes)
# they begin with nothing that tells them from other bytes: only the suffix does
_BY_SUFFIX = frozenset(("TGA", "PCX"))

# what decoding takes beside the picture itself, bytes a pixel, measured; see `decoding_bytes`
_BESIDE = {"WEBP": 14, "AVIF": 12, "JPEG2000": 24, "QOI": 6, "GIF": 4, "PPM": 4, "PSD": 2}
# of a file read before its size in pixels is known, and beyond what its pixels can need
_MOST_HEAD_BYTES = 64 << 20
_MOST_WHOLE_BYTES = 256 << 20
_LONGEST = 200
# markers of a JPEG
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_SCAN = 0xDA

T = TypeVar("T")
Gate = Callable[[int], contextlib.AbstractContextManager[object]]
_OPEN = contextlib.nullcontext()


class Unreadable(NamedTuple):
    """In the place of what was to be read: what is wrong, in one line."""

    why: str


def tried(work: Callable[[], T]) -> T | Unreadable:
    """Return what came of reading one picture; whatever a decoder raises costs that picture alone.

    Raises:
        NvlError: meant for the user, not of the picture.
        ResourceError: the machine has no more files or memory to give now: what a set holds must
            not depend on that.
    """
    try:
        return work()
    except NvlError:
        raise
    except Exception as error:  # of damaged bytes decoders may raise anything
        # a decoder without memory was asked for more than such a picture needs: see `flight`
        files.refuse_shortage(error, "pictures")
        return Unreadable(_told(error))


def _told(error: Exception) -> str:
    """Return what is wrong in one line; without the path, which stands beside it."""
    text = str(error)
    if isinstance(error, UnidentifiedImageError):
        text = "damaged, or in no format that is read"
    elif isinstance(error, OSError):
        text = error.strerror or text
    else:
        text = f"{type(error).__name__}: {text}" if text else ""
    line = printable(" ".join(text.split())) or type(error).__name__
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


@cache
def readable_formats() -> tuple[str, ...]:
    """Return the names of the formats that this Pillow can read and we let it."""
    Image.init()
    return tuple(name for name in Image.ID if name in _SUFFIXES_OF)


@cache
def formats_for(suffix: str) -> tuple[str, ...]:
    """Return the formats that a file whose name ends so, in small letters, may have."""
    own = {name for name in _BY_SUFFIX if suffix in _SUFFIXES_OF[name]}
    return tuple(name for name in readable_formats() if name not in _BY_SUFFIX or name in own)


@contextlib.contextmanager
def opened_picture(
    path: Path, formats: Sequence[str] = (), gate: Gate = lambda file_bytes: _OPEN
) -> Iterator[ImageFile.ImageFile]:
    """Open a picture in an ordinary file; nothing is decoded yet.

    Args:
        path: where it is.
        formats: that it may have; by default all that its suffix allows.
        gate: returns what to enter before a file of so many bytes is read.

    Raises:
        Exception: what the system or Pillow says of it; see `tried`.
    """
    formats = tuple(formats) or formats_for(path.suffix.lower())
    with files.opened(path) as file:
        num_bytes = os.fstat(file.fileno()).st_size
        with gate(num_bytes):
            if num_bytes <= _MOST_HEAD_BYTES:
                with Image.open(file, formats=formats) as picture:
                    yield picture
                return
            with (
                _Counted(cast(Any, file).raw) as counted,  # files opens it buffered
                Image.open(counted, formats=formats) as picture,
            ):
                counted.left = _MOST_HEAD_BYTES + 2 * plain_bytes(picture)
                yield picture


class _Counted(io.BufferedReader):
    """A large file of which only so much is read: it may be sparse, and sizes in it lies."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self.left = _MOST_HEAD_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            rest = os.fstat(self.fileno()).st_size - self.tell()
            if rest > _MOST_WHOLE_BYTES:
                raise OSError(f"{rest >> 20:,} MiB, more than {_MOST_WHOLE_BYTES >> 20}")
            return super().read()
        content = super().read(min(size, self.left + 1))
        self.left -= len(content)
        if self.left < 0:
            raise OSError("more to be read than its pixels can need")
        return content


def plain_bytes(picture: Image.Image) -> int:
    """Return what a picture takes as Pillow keeps it, without what decoding takes besides."""
    width, height = picture.size
    is_small = picture.mode in ("1", "L", "P")
    return width * height * (1 if is_small else 2 if "I;16" in picture.mode else 4)


def decoding_bytes(picture: Image.Image) -> int:
    """Return about how much memory decoding a picture, just opened, takes at most.

    Raises:
        ValueError: a piece of the file is announced that no such picture can need.
    """
    width, height = picture.size
    form, plain = picture.format or "", plain_bytes(picture)
    if form in ("JPEG", "MPO"):
        # in several passes: all coefficients are kept, two bytes each
        file: IO[bytes] | None = getattr(picture, "fp", None)
        passes = file is None or _is_in_passes(file)
        beside = width * height * 2 * len(picture.getbands()) if passes else 0
    elif form == "TIFF":
        beside = _tiff_bytes(picture, plain)
    else:
        beside = width * height * _BESIDE.get(form, 0)
    return plain + beside


def _tiff_bytes(picture: Image.Image, plain: int) -> int:
    """Return what is kept beside a TIFF: a strip or tile of it, or itself before it is turned."""
    tags = getattr(picture, "tag_v2", {})
    lengths = [one for tag in (279, 325) for one in _numbers(tags.get(tag))]
    packed = max(lengths, default=0)
    if packed > _MOST_HEAD_BYTES + 4 * plain:
        raise ValueError(f"{packed:,} bytes in one piece")
    width, height = picture.size
    rows = min((*_numbers(tags.get(278)), max(width, height)))
    unpacked = width * rows * sum(_numbers(tags.get(258, (1,)))) // 8
    if tags.get(259, 1) == 1:  # not packed: read by strips, a single one by small blocks
        unpacked = 2 * packed if len(lengths) > 1 else 0
    elif 322 in tags:  # by tiles
        unpacked = plain
    return unpacked + (plain if tags.get(274, 1) != 1 else 0)


def _numbers(value: object) -> list[int]:
    """Return the whole numbers of a tag that may hold anything."""
    values = value if isinstance(value, tuple) else (value,)
    return [one for one in values if isinstance(one, int)]


def _is_in_passes(file: IO[bytes]) -> bool:
    """Say whether the first scan of a JPEG is not the only one: its colours come by and by."""
    place = file.tell()
    try:
        return _has_partial_scan(file)
    finally:
        file.seek(place)


def _has_partial_scan(file: IO[bytes]) -> bool:
    num_components = 0
    file.seek(2)
    while True:
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return True  # something odd: better too much
        if head[1] == 0xFF:  # a byte that fills
            file.seek(-3, io.SEEK_CUR)
            continue
        length = int.from_bytes(head[2:], "big") - 2
        if head[1] in _FRAMES:
            content = file.read(length)
            if head[1] in _PROGRESSIVE or len(content) < 6:
                return True
            num_components = content[5]
        elif head[1] == _SCAN:
            return file.read(1) != bytes([num_components])
        else:
            file.seek(length, io.SEEK_CUR)
