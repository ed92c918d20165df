"""Image files of any size, mode and depth, decoded to uint8; malicious files are refused."""

from __future__ import annotations

import contextlib
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.data.decoders import (
    Unreadable,
    decoding_bytes,
    opened_picture,
    plain_bytes,
    readable_formats,
    tried,
)
from neurovisionlab.data.depth import (
    DepthRule,
    DepthRules,
    Extremes,
    Survey,
    Wide,
    extremes_of,
    family_of,
    is_deep,
    is_wide,
)
from neurovisionlab.data.flight import Flight
from neurovisionlab.data.formats import check_fits
from neurovisionlab.data.notes import printable
from neurovisionlab.data.strips import (
    STRIP_PIXELS,
    Size,
    Upright,
    reduction,
    stored_size,
    turn_of,
    upright_size,
    write_pixels,
)

SKIP_REMEDY = 'on_bad_image = "skip" in the study (--skip-bad for nvl data)'
SIZE_REMEDY = "image_px = 64 in [protocol] (--px 64 for nvl data), to resize them"
# larger than any photograph for classification, smaller than a decompression bomb
MAX_PIXELS = 100_000_000
MAX_SIDE = 1_000_000

# decoders release the interpreter lock; reading waits for disks
_NUM_THREADS = min(32, (os.cpu_count() or 1) + 4)
_MOST_AT_ONCE = 8

T = TypeVar("T")
S = TypeVar("S")
PictureShape = tuple[int, int, int]  # height, width, channels
Watch = Callable[[int, int], None]  # progress callback (done, total)


@dataclass(frozen=True)
class Decoded:
    """Decoded images of one size, and the unreadable files.

    Attributes:
        images_NHWC: uint8, 1 or 3 channels.
        kept_N: positions of the images in the list of paths, int64.
        broken: a line per skipped file with the reason.
        multiple: positions of files with more than one frame.
        survey: ranges of images of more than 8 bits, and thus their scaling.
    """

    images_NHWC: NDArray[np.uint8]
    kept_N: NDArray[np.int64]
    broken: tuple[str, ...]
    multiple: tuple[int, ...]
    survey: Survey


@dataclass(frozen=True)
class _Header:
    size: Size  # width, height, upright
    is_grey: bool
    is_deep: bool
    has_frames: bool


def decode(
    paths: Sequence[Path],
    image_px: int | None,
    on_bad_image: Literal["stop", "skip"] = "stop",
    watch: Watch = lambda done, total: None,
    num_train: int | None = None,
) -> Decoded:
    """Decode files in parallel to uint8 [N, H, W, 1 or 3]; grey only if all of them are.

    Images are turned upright by EXIF, and transparency is composited on white. Images of more than
    8 bits are reduced to 8 by a common rule, derived from the first `num_train` (see `depth`). With
    `image_px` every image is resized (not cropped) to that square, otherwise all must have the same
    size.

    Args:
        paths: the files.
        image_px: side of the square in pixels.
        on_bad_image: whether an unreadable image raises or is skipped.
        watch: progress callback, (images read, total).
        num_train: number of training images, which come first; None for all.

    Raises:
        DataError: an unreadable image (unless skipped), or different sizes.
        ResourceError: the images together, or an image while it is decoded, do not fit into memory.
    """
    readable_formats()  # Pillow loads its decoders here, not in every thread
    broken = _Broken(on_bad_image == "stop")
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        reading = _Reading(paths, pool, broken)
        good = reading.headers()
        shape = _shape(list(good.values()), image_px, paths)
        survey = Survey(len(paths) if num_train is None else num_train)
        reading.survey([i for i, header in good.items() if header.is_deep], survey)
        check_fits(len(good) * math.prod(shape), f"{len(good):,} pictures")
        images_NHWC = np.empty((len(good), *shape), np.uint8)
        kept = reading.pixels(list(good), images_NHWC, survey.rules(), watch)
    return Decoded(
        images_NHWC[: len(kept)],
        np.array(kept, dtype=np.int64),
        tuple(broken.lines),
        tuple(i for i in kept if good[i].has_frames),
        survey,
    )


@dataclass
class _Reading:
    """Three passes over the same files: headers, depth, pixels."""

    paths: Sequence[Path]
    pool: ThreadPoolExecutor
    broken: _Broken

    def __post_init__(self) -> None:
        self.flight = Flight()

    def headers(self) -> dict[int, _Header]:
        """Return {position: header} of the images with a readable header."""
        good: dict[int, _Header] = {}
        bad: list[tuple[Path, str]] = []
        each = partial(_header, flight=self.flight)
        for i, found in enumerate(_in_order(self.pool, each, self.paths)):
            if isinstance(found, Unreadable):
                bad.append((self.paths[i], found.why))
            else:
                good[i] = found
        self.broken.add(bad)
        return good

    def survey(self, deep: Sequence[int], survey: Survey) -> None:
        """Collect the ranges of deep images at these positions; damaged ones are skipped."""
        each = partial(_extremes, flight=self.flight)
        found = _in_order(self.pool, each, [self.paths[i] for i in deep], most=1)
        for i, extremes in zip(deep, found, strict=True):
            if not isinstance(extremes, Unreadable):  # else reported when its pixels are read
                survey.add(i, extremes)

    def pixels(
        self,
        positions: Sequence[int],
        images_NHWC: NDArray[np.uint8],
        rules: DepthRules,
        watch: Watch,
    ) -> list[int]:
        """Fill the first rows with the readable images; return their positions."""
        kept: list[int] = []
        self.flight.expect(images_NHWC.nbytes)

        def each(slot: int) -> Unreadable | None:
            path = self.paths[positions[slot]]
            return read_picture(path, images_NHWC[slot], rules, self.flight)

        slots = range(len(positions))
        for slot, problem in enumerate(_in_order(self.pool, each, slots)):
            watch(slot + 1, len(positions))
            self.flight.owed -= images_NHWC[slot].nbytes
            if problem is not None:
                self.broken.add([(self.paths[positions[slot]], problem.why)])
                continue
            if len(kept) < slot:  # fill the gap, instead of copying all at the end
                images_NHWC[len(kept)] = images_NHWC[slot]
            kept.append(positions[slot])
        return kept


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[S], T], items: Sequence[S], most: int = _MOST_AT_ONCE
) -> Iterator[T]:
    """Yield the results of work on each item, in order; a few items are processed ahead.

    Up to `most` items are submitted to a thread at once: submitting takes as long as a small image.
    """
    size = min(most, max(1, len(items) // (8 * _NUM_THREADS)))
    waiting: deque[Future[list[T]]] = deque()
    try:
        for first in range(0, len(items), size):
            some = items[first : first + size]
            waiting.append(pool.submit(lambda some: [work(one) for one in some], some))
            if len(waiting) > 2 * _NUM_THREADS:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        for one in waiting:
            one.cancel()


class _Broken:
    """Collector of unreadable files; the first raises if requested."""

    def __init__(self, stops: bool) -> None:
        self.stops = stops
        self.lines: list[str] = []

    def add(self, found: Iterable[tuple[Path, str]]) -> None:
        """Add files with the reasons.

        Raises:
            DataError: there is a file, and unreadable files are not skipped.
        """
        new = [(printable(str(path)), printable(problem)) for path, problem in found]
        self.lines += [f"{path}: {problem}" for path, problem in new]
        if new and self.stops:
            path, problem = new[0]
            more = f" (and {len(new) - 1} more)" if len(new) > 1 else ""
            raise DataError(mould(path, "a readable picture", f"{problem}{more}", SKIP_REMEDY))


@contextlib.contextmanager
def _taking(flight: Flight, num_bytes: int, picture: Image.Image, path: Path) -> Iterator[None]:
    """Reserve the memory for decoding an image, and release its pixels before the reservation."""
    with flight.taking(num_bytes, path):
        try:
            yield
        finally:
            picture.close()


def _header(path: Path, flight: Flight) -> _Header | Unreadable:
    return tried(lambda: _read_header(path, flight))


def _read_header(path: Path, flight: Flight) -> _Header:
    with opened_picture(path, gate=flight.opening) as picture:
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise OSError(f"{width}×{height} pixels, more than {MAX_PIXELS:,}")
        if max(width, height) > MAX_SIDE:
            raise OSError(f"{width}×{height} pixels, a side of more than {MAX_SIDE:,}")
        mode, deep = picture.mode, is_deep(picture)  # before decoding, after which all have 8 bits
        is_grey = mode in ("1", "L", "LA", "I", "F") or "I;16" in mode
        # Pillow decodes PNG files to read their orientation
        cost = decoding_bytes(picture) if picture.format == "PNG" else 0
        with _taking(flight, cost, picture, path):
            size = upright_size(stored_size(picture), turn_of(picture))
            return _Header(size, is_grey, deep, _has_frames(picture))


def _has_frames(picture: Image.Image) -> bool:
    """Return whether a file has further images; layers of a PSD do not count."""
    found = tried(lambda: bool(getattr(picture, "is_animated", False)))
    return picture.format != "PSD" and found is True  # else it is damaged after the first


def _extremes(path: Path, flight: Flight) -> Extremes | Unreadable:
    def read() -> Extremes:
        with (
            opened_picture(path, gate=flight.opening) as picture,
            _taking(flight, _cost(picture), picture, path),
        ):
            return extremes_of(path, picture)

    return tried(read)


def read_picture(
    path: Path, out_HWC: NDArray[np.uint8], rules: DepthRules, flight: Flight
) -> Unreadable | None:
    """Read one file into uint8 [H, W, 1 or 3], deep images by the rules of the data set.

    Returns:
        None, or the reason why it cannot be read.

    Raises:
        ResourceError: the image does not fit into memory while it is decoded.
    """

    def read() -> None:
        with opened_picture(path, gate=flight.opening) as picture:
            cost = _cost(picture) + _resizing_bytes(picture.size, out_HWC)
            with _taking(flight, cost, picture, path):
                _write_bytes(path, picture, rules, out_HWC)

    return tried(read)


def _cost(picture: Image.Image) -> int:
    """Return an upper estimate of the memory for reading an image, without its result, in bytes."""
    width, height = picture.size
    again, each = (plain_bytes(picture), 64) if is_wide(picture) else (0, 32)
    return (
        decoding_bytes(picture)
        + again
        + each * min(width * height, max(STRIP_PIXELS, width, height))
    )


def _resizing_bytes(size: Size, out_HWC: NDArray[np.uint8]) -> int:
    """Return the bytes kept between an image's strips, in any orientation, and its result."""
    height, width, _ = out_HWC.shape
    if size == (width, height):
        return 0
    kept = 0
    for across, down in (size, size[::-1]):
        steps = reduction((across, down), (width, height))
        reduced, band = across * down // (steps[0] * steps[1]), across * min(steps[1], down)
        kept = max(kept, int(reduced + band))
    return int(4 * (kept + width * height))


def _write_bytes(
    path: Path, picture: ImageFile.ImageFile, rules: DepthRules, out_HWC: NDArray[np.uint8]
) -> None:
    """Write an image upright, deep images reduced; Pillow alone would clip greys to white."""
    whole = rules.get("whole")
    if whole is not None and whole.bits != 16 and is_wide(picture):
        write_pixels(out_HWC, _NarrowedWide(Wide(path, picture), whole))
    else:
        write_pixels(out_HWC, _Shallow(Upright(picture), rules))


class _NarrowedWide:
    """An image with 16 bits per colour, reduced to 8."""

    def __init__(self, wide: Wide, rule: DepthRule) -> None:
        self._wide, self._rule = wide, rule
        self.size = wide.size

    def whole(self, mode: str) -> None:
        """Return None: the image must be reduced by strips."""

    def strips(self, multiple: int = 1) -> Iterator[Image.Image]:
        for values_HWC in self._wide.strips(multiple):
            bytes_HWC = self._rule.apply(values_HWC)
            bytes_HWC[..., 3:] = values_HWC[..., 3:] >> 8  # alpha scales the same way at any depth
            yield Image.fromarray(bytes_HWC)


class _Shallow:
    """An image of any other kind in 8 bits per channel."""

    def __init__(self, upright: Upright, rules: DepthRules) -> None:
        self._upright, self._rules = upright, rules
        self.size = upright.size

    def whole(self, mode: str) -> Image.Image | None:
        return self._upright.whole(mode)

    def strips(self, multiple: int = 1) -> Iterator[Image.Image]:
        for strip in self._upright.strips(multiple):
            family = family_of(strip.mode)
            if family is None:
                yield strip
            else:
                yield Image.fromarray(self._rules[family].apply(np.asarray(strip)))


def _shape(headers: Sequence[_Header], image_px: int | None, paths: Sequence[Path]) -> PictureShape:
    if not headers:
        where = printable(str(paths[0].parent))
        raise DataError(mould(where, "pictures", "none readable", "another folder"))
    width, height = (image_px, image_px) if image_px else _common_size(headers, paths)
    return (height, width, 1 if all(header.is_grey for header in headers) else 3)


def _common_size(headers: Sequence[_Header], paths: Sequence[Path]) -> tuple[int, int]:
    sizes = sorted({header.size for header in headers}, key=lambda size: size[0] * size[1])
    if len(sizes) == 1:
        return sizes[0]
    low, high = (f"{width}×{height}" for width, height in (sizes[0], sizes[-1]))
    where = printable(str(paths[0].parent.parent))
    raise DataError(
        mould(
            "image_px",
            "one size for all pictures of a folder",
            f"{len(sizes)} sizes from {low} to {high} in {where}",
            SIZE_REMEDY,
        )
    )
