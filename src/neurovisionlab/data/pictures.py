"""Picture files of any size, mode and depth, decoded to bytes; hostile ones are refused."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.data.depth import (
    Extremes,
    Rules,
    Survey,
    extremes_of,
    is_deep,
    is_wide,
    wide_values,
)
from neurovisionlab.data.formats import check_fits
from neurovisionlab.data.notes import printable

SUFFIXES = frozenset(
    (
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".bmp",
        ".dib",
        ".gif",
        ".tif",
        ".tiff",
        ".webp",
        ".avif",
        ".avifs",
        ".jp2",
        ".j2k",
        ".j2c",
        ".jpx",
        ".jpf",
        ".pgm",
        ".ppm",
        ".pbm",
        ".pnm",
        ".pfm",
        ".qoi",
        ".tga",
        ".pcx",
    )
)
SKIP_REMEDY = 'on_bad_image = "skip" in the study (--skip-bad for nvl data)'
SIZE_REMEDY = "image_px = 64 in [protocol] (--px 64 for nvl data), to resize them"
# they start other programs, hold no pixels, or call any bytes a picture
_NEVER_READ = frozenset(
    (
        "EPS",
        "WMF",
        "BUFR",
        "GRIB",
        "HDF5",
        "MPEG",
        "FITS",
        "IPTC",
        "PCD",
        "MCIDAS",
        "SPIDER",
        "XVTHUMB",
        "IMT",
    )
)
# no photograph of a thing to classify is larger; a decompression bomb is
MAX_PIXELS = 100_000_000

Shape = tuple[int, int, int]  # height, width, channels
Watch = Callable[[int, int], None]  # (done, total): a sign of life for a progress bar


@dataclass(frozen=True)
class Decoded:
    """Pictures of one size, and what could not be read.

    `kept_N` are positions in the list of paths; `broken` names each skipped file and why;
    `multiple` are positions of pictures with more frames than the first; `survey` tells how those
    of more than 8 bits were scaled.
    """

    images_NHWC: NDArray[np.uint8]
    kept_N: NDArray[np.int64]
    broken: tuple[str, ...]
    multiple: tuple[int, ...]
    survey: Survey


@dataclass(frozen=True)
class _Header:
    size: tuple[int, int]  # width, height, as shown upright
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

    Upright by EXIF, transparency laid on white. Pictures of more than 8 bits are reduced to 8 by
    one rule for all of them, from the first `num_train` (see `depth`). With `image_px` every
    picture is resized (not cut) to that square, otherwise all must have one size.

    Raises:
        DataError: a picture that cannot be read (unless they are skipped) or differing sizes.
        ResourceError: all together do not fit into memory.
    """
    readable_formats()  # Pillow loads its decoders here, not in every thread
    with ThreadPoolExecutor() as pool:
        headers = list(pool.map(_try_header, paths))
        broken = _Broken(on_bad_image == "stop")
        broken.add((paths[i], h) for i, h in enumerate(headers) if isinstance(h, str))
        good = {i: header for i, header in enumerate(headers) if isinstance(header, _Header)}
        shape = _shape(list(good.values()), image_px, paths)
        survey = Survey(len(paths) if num_train is None else num_train)
        deep = [i for i, header in good.items() if header.is_deep]
        for i, extremes in zip(
            deep, pool.map(_try_extremes, (paths[i] for i in deep)), strict=True
        ):
            if extremes is not None:
                survey.add(i, extremes)
        check_fits(len(good) * math.prod(shape), f"{len(good):,} pictures")
        images_NHWC = np.empty((len(good), *shape), np.uint8)
        rules = survey.rules()

        def fill(slot: int, path: Path) -> str | None:
            try:
                images_NHWC[slot] = read_picture(path, shape, rules)
            except _UNREADABLE as error:
                return _told(error)
            return None

        fine = np.ones(len(good), dtype=bool)
        wanted = [paths[i] for i in good]
        for slot, problem in enumerate(pool.map(fill, range(len(good)), wanted)):
            watch(slot + 1, len(good))
            if problem is not None:
                fine[slot] = False
                broken.add([(wanted[slot], problem)])
    kept_N = np.array(list(good), dtype=np.int64)[fine]
    return Decoded(
        images_NHWC if fine.all() else images_NHWC[fine],
        kept_N,
        tuple(broken.lines),
        tuple(i for i in kept_N.tolist() if good[i].has_frames),
        survey,
    )


class _Broken:
    """Collects what cannot be read; the first ends everything if that is wanted."""

    def __init__(self, stops: bool) -> None:
        self.stops = stops
        self.lines: list[str] = []

    def add(self, found: Iterable[tuple[Path, str]]) -> None:
        """Take note of files and what is wrong with them.

        Raises:
            DataError: there is one, and broken pictures stop.
        """
        new = [(printable(str(path)), printable(problem)) for path, problem in found]
        self.lines += [f"{path}: {problem}" for path, problem in new]
        if new and self.stops:
            path, problem = new[0]
            more = f" (and {len(new) - 1} more)" if len(new) > 1 else ""
            raise DataError(mould(path, "a readable picture", f"{problem}{more}", SKIP_REMEDY))


# decoders meet damaged bytes with errors of all these kinds
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    ArithmeticError,
    TypeError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
    UnidentifiedImageError,
    Image.DecompressionBombError,
)


def _told(error: BaseException) -> str:
    """Return what is wrong; without the path, which stands beside it."""
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error) or type(error).__name__


@cache
def readable_formats() -> tuple[str, ...]:
    """Return the names of the formats that this Pillow can read and we let it."""
    Image.init()
    return tuple(name for name in Image.ID if name not in _NEVER_READ)


def _try_header(path: Path) -> _Header | str:
    try:
        with Image.open(path, formats=readable_formats()) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                return f"{width}×{height} pixels, more than {MAX_PIXELS:,}"
            if picture.getexif().get(0x0112, 1) >= 5:  # orientations 5..8 lie on their side
                width, height = height, width
            mode, deep = picture.mode, is_deep(picture)
            is_grey = mode in ("1", "L", "LA", "I", "F") or "I;16" in mode
            return _Header((width, height), is_grey, deep, _has_frames(picture))
    except _UNREADABLE as error:
        return _told(error)


def _has_frames(picture: Image.Image) -> bool:
    """Say whether there are more pictures in the file; layers of a drawing are none."""
    try:
        return picture.format != "PSD" and bool(getattr(picture, "is_animated", False))
    except _UNREADABLE:  # damaged behind the first
        return False


def _try_extremes(path: Path) -> Extremes | None:
    try:
        with Image.open(path, formats=readable_formats()) as picture:
            return extremes_of(path, picture)
    except _UNREADABLE:  # to be told when it is read
        return None


def read_picture(path: Path, shape: Shape, rules: Rules) -> NDArray[np.uint8]:
    """Read one file to uint8 of a shape (height, width, channels); deep ones by the set's rules.

    Raises:
        OSError, SyntaxError, ValueError: what Pillow says of a file it cannot decode.
    """
    height, width, channels = shape
    with Image.open(path, formats=readable_formats()) as opened:
        picture = _to_eight_bits(path, opened, rules)
    if picture.mode in ("LA", "RGBA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture)
    picture = picture.convert("L" if channels == 1 else "RGB")
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(picture, np.uint8).reshape(shape)


def _to_eight_bits(path: Path, opened: Image.Image, rules: Rules) -> Image.Image:
    """Return a picture upright, deep ones reduced; Pillow alone would clip greys to white."""
    whole = rules.get("whole")
    if whole is not None and whole.bits != 16 and is_wide(opened):
        values_HWC = wide_values(path, opened)
        bytes_HWC = whole.apply(values_HWC)
        bytes_HWC[..., 3:] = values_HWC[..., 3:] >> 8  # opaque is the same at any depth
        return Image.fromarray(bytes_HWC)
    picture = ImageOps.exif_transpose(opened)
    if picture.mode == "F":
        return Image.fromarray(rules["float"].apply(np.asarray(picture)))
    if picture.mode == "I" or "I;16" in picture.mode:
        return Image.fromarray(rules["whole"].apply(np.asarray(picture)))
    return picture


def _shape(headers: Sequence[_Header], image_px: int | None, paths: Sequence[Path]) -> Shape:
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
