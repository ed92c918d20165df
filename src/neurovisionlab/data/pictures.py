"""Picture files of any size, mode and depth, decoded to bytes; hostile ones are refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.data.formats import check_fits

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
)
# no photograph of a thing to classify is larger; a decompression bomb is
MAX_PIXELS = 100_000_000

Watch = Callable[[int, int], None]  # (done, total): a sign of life for a progress bar


@dataclass(frozen=True)
class Decoded:
    """Pictures of one size, and what could not be read.

    `kept_N` are positions in the list of paths; `broken` names each skipped file and why.
    """

    images_NHWC: NDArray[np.uint8]
    kept_N: NDArray[np.int64]
    broken: tuple[str, ...]


@dataclass(frozen=True)
class _Header:
    size: tuple[int, int]  # width, height, as shown upright
    is_grey: bool


def decode(
    paths: Sequence[Path],
    image_px: int | None,
    on_bad_image: Literal["stop", "skip"] = "stop",
    watch: Watch = lambda done, total: None,
) -> Decoded:
    """Decode files in parallel to uint8 [N, H, W, 1 or 3]; grey only if all of them are.

    Upright by EXIF, transparency laid on white, 16 bits reduced to 8. With `image_px` every
    picture is resized (not cut) to that square, otherwise all must have one size.

    Raises:
        DataError: a picture that cannot be read (unless they are skipped) or differing sizes.
        ResourceError: all together do not fit into memory.
    """
    with ThreadPoolExecutor() as pool:
        headers = list(pool.map(_try_header, paths))
        broken = {path: h for path, h in zip(paths, headers, strict=True) if isinstance(h, str)}
        good = [i for i, header in enumerate(headers) if isinstance(header, _Header)]
        if on_bad_image == "stop" and broken:
            raise _broken_error(broken)
        known = [header for header in headers if isinstance(header, _Header)]
        width, height = (image_px, image_px) if image_px else _common_size(known, paths)
        channels = 1 if all(header.is_grey for header in known) else 3
        check_fits(len(good) * width * height * channels, f"{len(good):,} pictures")
        images_NHWC = np.empty((len(good), height, width, channels), np.uint8)

        def fill(slot: int) -> str | None:
            try:
                images_NHWC[slot] = read_picture(paths[good[slot]], (width, height), channels)
            except _UNREADABLE as error:
                return f"{error}"
            return None

        fine = np.ones(len(good), dtype=bool)
        for slot, problem in enumerate(pool.map(fill, range(len(good)))):
            watch(slot + 1, len(good))
            if problem is not None:
                fine[slot] = False
                broken[paths[good[slot]]] = problem
                if on_bad_image == "stop":
                    raise _broken_error(broken)
    kept_N = np.array(good, dtype=np.int64)[fine]
    lines = tuple(f"{path}: {problem}" for path, problem in broken.items())
    return Decoded(images_NHWC if fine.all() else images_NHWC[fine], kept_N, lines)


_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    UnidentifiedImageError,
    Image.DecompressionBombError,
)


def _try_header(path: Path) -> _Header | str:
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                return f"{width}×{height} pixels, more than {MAX_PIXELS:,}"
            if picture.getexif().get(0x0112, 1) >= 5:  # orientations 5..8 lie on their side
                width, height = height, width
            mode = picture.mode
            return _Header((width, height), mode in ("1", "L", "LA", "I", "F") or "I;16" in mode)
    except _UNREADABLE as error:
        return str(error) or type(error).__name__


def read_picture(path: Path, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """Read one file to uint8 [H, W, channels] of `size` (width, height).

    Raises:
        OSError, SyntaxError, ValueError: what Pillow says of a file it cannot decode.
    """
    with Image.open(path) as opened:
        picture = _to_eight_bits(ImageOps.exif_transpose(opened))
    if picture.mode in ("LA", "RGBA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture)
    picture = picture.convert("L" if channels == 1 else "RGB")
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(picture, np.uint8).reshape(size[1], size[0], channels)


def _to_eight_bits(picture: Image.Image) -> Image.Image:
    """Reduce deep greys by what their format means; Pillow alone would clip them to white."""
    if "I;16" in picture.mode or picture.mode == "I":
        values = np.asarray(picture).astype(np.int64)
        deep = "I;16" in picture.mode or values.max(initial=0) > 255
        return Image.fromarray((values >> 8 if deep else values).clip(0, 255).astype(np.uint8))
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture))
        scale = 255.0 if values.max(initial=0) <= 1 else 1.0
        return Image.fromarray((values * scale).clip(0, 255).round().astype(np.uint8))
    return picture


def _common_size(headers: Sequence[_Header], paths: Sequence[Path]) -> tuple[int, int]:
    sizes = sorted({header.size for header in headers}, key=lambda size: size[0] * size[1])
    if len(sizes) == 1:
        return sizes[0]
    if not sizes:
        raise DataError(mould(str(paths[0].parent), "pictures", "none readable", "another folder"))
    low, high = (f"{width}×{height}" for width, height in (sizes[0], sizes[-1]))
    raise DataError(
        mould(
            "image_px",
            "one size for all pictures of a folder",
            f"{len(sizes)} sizes from {low} to {high} in {paths[0].parent.parent}",
            "image_px = 64 in [protocol], to resize them",
        )
    )


def _broken_error(broken: dict[Path, str]) -> DataError:
    path, problem = next(iter(broken.items()))
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return DataError(
        mould(str(path), "a readable picture", f"{problem}{more}", 'on_bad_image = "skip"')
    )
