"""Processing of decoded images by strips: orientation, white background, resizing, no copies.

All results are bitwise identical to Pillow's results for the whole image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from numbers import Number
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Transpose = Image.Transpose

# number of pixels converted at once: a few copies of them need little memory
STRIP_PIXELS = 1 << 16
_REDUCING_GAP = 3.0
_ORIENTATION = 0x0112
_TURNS: dict[object, Transpose] = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset(
    (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90)
)
# orientations whose first upright rows are the last rows or columns
_FROM_THE_END = frozenset(
    (Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM, Transpose.TRANSVERSE, Transpose.ROTATE_90)
)

Size = tuple[int, int]  # width, height
Box = tuple[int, int, int, int]  # left, top, right, bottom


def turn_of(picture: Image.Image) -> Transpose | None:
    """Return the transposition that turns an image upright, by its EXIF orientation.

    Raises:
        ValueError: the orientation is not a number.
    """
    orientation: object = picture.getexif().get(_ORIENTATION, 1)
    if not isinstance(orientation, Number):
        raise ValueError(f"its orientation is {str(orientation)[:40]!r}, no number")
    return _TURNS.get(orientation)


def stored_size(picture: Image.Image) -> Size:
    """Return width and height as stored; Pillow reports those of a TIFF upright."""
    tags = getattr(picture, "tag_v2", {})
    width, height = picture.size
    return (height, width) if (tags.get(256), tags.get(257)) == (height, width) else (width, height)


def upright_size(size: Size, turn: Transpose | None) -> Size:
    """Return width and height after a transposition."""
    return (size[1], size[0]) if turn in _SIDEWAYS else size


class Upright:
    """An upright image by strips from top to bottom; decodes it.

    Attributes:
        size: width and height.
    """

    def __init__(self, picture: Image.Image) -> None:
        picture.load()
        self._picture = picture
        self._turn = turn_of(picture)
        self.size = upright_size(picture.size, self._turn)

    def whole(self, mode: str) -> Image.Image | None:
        """Return the whole image if it is upright, opaque and in that mode; else None."""
        is_done = self._turn is None and self._picture.mode == mode
        return self._picture if is_done and not _is_clear(self._picture) else None

    def strips(self, multiple: int = 1) -> Iterator[Image.Image]:
        """Yield strips that start and end at multiples of `multiple` rows, or lie between two."""
        if self.size[0] * self.size[1] <= STRIP_PIXELS:
            yield _turned(self._picture, self._turn)
            return
        for top, bottom in _cuts(self.size, multiple):
            yield _turned(self._picture.crop(self._box(top, bottom)), self._turn)

    def _box(self, top: int, bottom: int) -> Box:
        """Return the box of rows in the image as stored."""
        width, height = self.size
        if self._turn in _FROM_THE_END:
            top, bottom = height - bottom, height - top
        return (top, 0, bottom, width) if self._turn in _SIDEWAYS else (0, top, width, bottom)


def _cuts(size: Size, multiple: int = 1) -> Iterator[tuple[int, int]]:
    """Yield (top, bottom) of strips; see `Upright.strips`."""
    width, height = size
    most_rows = max(1, STRIP_PIXELS // width)
    band = max(1, most_rows // multiple) * multiple
    for first in range(0, height, band):
        last = min(first + band, height)
        for top in range(first, last, most_rows):
            yield top, min(top + most_rows, last)


def _turned(picture: Image.Image, turn: Transpose | None) -> Image.Image:
    return picture if turn is None else picture.transpose(turn)


def flat(picture: Image.Image, mode: str) -> Image.Image:
    """Return an image in mode L or RGB, with transparency composited on white."""
    if _is_clear(picture):
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture)
    return picture.convert(mode)


def _is_clear(picture: Image.Image) -> bool:
    return picture.mode in ("LA", "RGBA", "PA") or "transparency" in picture.info


class PixelSource(Protocol):
    """A source of pixels: `size` is width and height."""

    size: Size

    def whole(self, mode: str) -> Image.Image | None:
        """Return the whole image if that needs no work; else None."""

    def strips(self, multiple: int = 1) -> Iterator[Image.Image]:
        """Yield the image from top to bottom; see `Upright.strips`."""


def write_pixels(out_HWC: NDArray[np.uint8], source: PixelSource) -> None:
    """Write an image into uint8 [H, W, 1 or 3], resized to its size."""
    height, width, channels = out_HWC.shape
    mode = "L" if channels == 1 else "RGB"
    if source.size == (width, height):
        _write(out_HWC, (flat(strip, mode) for strip in source.strips()))
    else:
        _write(out_HWC, _cut(_resized(source, mode, (width, height))))


def _write(out_HWC: NDArray[np.uint8], strips: Iterable[Image.Image]) -> None:
    top = 0
    for strip in strips:
        rows_HWC = np.asarray(strip, np.uint8).reshape(strip.height, *out_HWC.shape[1:])
        out_HWC[top : top + strip.height] = rows_HWC
        top += strip.height


def _cut(picture: Image.Image) -> Iterator[Image.Image]:
    for top, bottom in _cuts(picture.size):
        yield picture.crop((0, top, picture.width, bottom))


def reduction(size: Size, wanted: Size) -> Size:
    """Return the integer factors by which Pillow reduces an image before resizing it."""
    across, down = (
        int(have / want / _REDUCING_GAP) or 1 for have, want in zip(size, wanted, strict=True)
    )
    return across, down


def _resized(source: PixelSource, mode: str, wanted: Size) -> Image.Image:
    """Resize like Pillow, which first reduces by an integer factor: that is done by strips."""
    bilinear = Image.Resampling.BILINEAR
    whole = source.whole(mode)
    if whole is not None:
        return whole.resize(wanted, bilinear, reducing_gap=_REDUCING_GAP)
    width, height = source.size
    across, down = reduction(source.size, wanted)
    reduced = Image.new(mode, (-(-width // across), -(-height // down)))
    top = 0
    flats = (flat(strip, mode) for strip in source.strips(down))
    for band in _bands(flats, height, down):
        few = band.reduce((across, down))
        reduced.paste(few, (0, top))
        top += few.height
    return reduced.resize(wanted, bilinear, (0, 0, width / across, height / down))


def _bands(strips: Iterator[Image.Image], height: int, multiple: int) -> Iterator[Image.Image]:
    """Join strips to heights that are multiples of `multiple` rows, except at the image's end."""
    done = 0
    for strip in strips:
        band = strip
        if strip.height % multiple and done + strip.height < height:
            band = Image.new(strip.mode, (strip.width, min(multiple, height - done)))
            _fill(band, strip, strips)
        yield band
        done += band.height


def _fill(band: Image.Image, strip: Image.Image, others: Iterator[Image.Image]) -> None:
    band.paste(strip)
    top = strip.height
    while top < band.height:
        strip = next(others)
        band.paste(strip, (0, top))
        top += strip.height
