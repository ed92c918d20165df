"""Decoding of image files with Pillow: accepted formats, limits on memory, errors.

Files may be of unknown origin. Only formats that Pillow decodes itself are accepted: no external
program and no installed plug-in is used. Any error of a decoder is reported.
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

# {format: file suffixes}
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
# without a magic number: only the suffix identifies them
_BY_SUFFIX = frozenset(("TGA", "PCX"))

# memory for decoding besides the image itself, measured in bytes per pixel; see `decoding_bytes`
_BESIDE = {"WEBP": 14, "AVIF": 12, "JPEG2000": 24, "QOI": 6, "GIF": 4, "PPM": 4, "PSD": 2}
# bytes read before the size in pixels is known, and beyond what the pixels can need
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
    """Result in place of an unreadable image: the reason, in one line."""

    why: str


def tried(work: Callable[[], T]) -> T | Unreadable:
    """Return the result of reading one image, or why it is unreadable: other images are unaffected.

    Raises:
        NvlError: an error for the user, not about this image.
        ResourceError: file descriptors or memory are exhausted: the content of a data set must not
            depend on that.
    """
    try:
        return work()
    except NvlError:
        raise
    except Exception as error:  # decoders may raise anything for damaged files
        # a decoder that runs out of memory exceeded the needs of such an image: see `flight`
        files.refuse_shortage(error, "pictures")
        return Unreadable(_told(error))


def _told(error: Exception) -> str:
    """Return the reason in one line, without the path, which is printed beside it."""
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
    """Return the accepted formats that this version of Pillow can read."""
    Image.init()
    return tuple(name for name in Image.ID if name in _SUFFIXES_OF)


@cache
def formats_for(suffix: str) -> tuple[str, ...]:
    """Return the formats possible for a file suffix in lower case."""
    own = {name for name in _BY_SUFFIX if suffix in _SUFFIXES_OF[name]}
    return tuple(name for name in readable_formats() if name not in _BY_SUFFIX or name in own)


@contextlib.contextmanager
def opened_picture(
    path: Path, formats: Sequence[str] = (), gate: Gate = lambda file_bytes: _OPEN
) -> Iterator[ImageFile.ImageFile]:
    """Open an image in a regular file, without decoding it.

    Args:
        path: path of the file.
        formats: accepted formats; by default all that its suffix permits.
        gate: returns the context in which a file of the given size is read.

    Raises:
        Exception: any error of the system or of Pillow; see `tried`.
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
    """A large file with a limit on the bytes read: it may be sparse, or announce false sizes."""

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
    """Return the bytes of an image in Pillow's memory, without temporary memory of decoding."""
    width, height = picture.size
    is_small = picture.mode in ("1", "L", "P")
    return width * height * (1 if is_small else 2 if "I;16" in picture.mode else 4)


def decoding_bytes(picture: Image.Image) -> int:
    """Return an upper estimate of the memory, in bytes, for decoding an opened image.

    Raises:
        ValueError: the file announces a part larger than any such image needs.
    """
    width, height = picture.size
    form, plain = picture.format or "", plain_bytes(picture)
    if form in ("JPEG", "MPO"):
        # with several scans all coefficients are kept, two bytes each
        file: IO[bytes] | None = getattr(picture, "fp", None)
        passes = file is None or _is_in_passes(file)
        beside = width * height * 2 * len(picture.getbands()) if passes else 0
    elif form == "TIFF":
        beside = _tiff_bytes(picture, plain)
    else:
        beside = width * height * _BESIDE.get(form, 0)
    return plain + beside


def _tiff_bytes(picture: Image.Image, plain: int) -> int:
    """Return the extra memory for a TIFF: a strip or tile, or a copy before it is rotated."""
    tags = getattr(picture, "tag_v2", {})
    lengths = [one for tag in (279, 325) for one in _numbers(tags.get(tag))]
    packed = max(lengths, default=0)
    if packed > _MOST_HEAD_BYTES + 4 * plain:
        raise ValueError(f"{packed:,} bytes in one piece")
    width, height = picture.size
    rows = min((*_numbers(tags.get(278)), max(width, height)))
    unpacked = width * rows * sum(_numbers(tags.get(258, (1,)))) // 8
    if tags.get(259, 1) == 1:  # uncompressed: read by strips, a single strip by small blocks
        unpacked = 2 * packed if len(lengths) > 1 else 0
    elif 322 in tags:  # by tiles
        unpacked = plain
    return unpacked + (plain if tags.get(274, 1) != 1 else 0)


def _numbers(value: object) -> list[int]:
    """Return the integers of a tag that may hold anything."""
    values = value if isinstance(value, tuple) else (value,)
    return [one for one in values if isinstance(one, int)]


def _is_in_passes(file: IO[bytes]) -> bool:
    """Return whether a JPEG has more than one scan, that is, progressive or separate components."""
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
            return True  # unexpected: assume the larger need
        if head[1] == 0xFF:  # a fill byte
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
