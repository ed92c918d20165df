"""Contact sheets: random images of every class on one sheet, for visual inspection."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.names import ascii_form
from neurovisionlab.data.files import write_whole
from neurovisionlab.data.images import ImageSet

_CELL_PX = 56  # small images are enlarged by an integer factor up to about this, large ones reduced
_GAP_PX = 4
_MARGIN_PX = 16
_PAPER, _INK, _FAINT = (250, 250, 248), (32, 32, 36), (120, 120, 126)
_WIDTH_PER_HEIGHT = 1.5


@dataclass(frozen=True)
class _Layout:
    cell_px: int
    label_px: int
    num_images: int
    num_rows: int
    num_columns: int

    @property
    def block_px(self) -> int:
        return self.label_px + self.num_images * (self.cell_px + _GAP_PX)

    @property
    def size(self) -> tuple[int, int]:
        width = self.num_columns * (self.block_px + _MARGIN_PX) + _MARGIN_PX
        return width, self.top_px + self.num_rows * (self.cell_px + _GAP_PX) + _MARGIN_PX

    @property
    def top_px(self) -> int:
        return 2 * _MARGIN_PX + 36


def sheet(images: ImageSet, num_images: int = 10, seed: int = 0) -> Image.Image:
    """Return a contact sheet with a row per class: `num_images` random images of all parts.

    Rows wrap into columns. The same seed selects the same images; labels are plain ASCII.
    """
    layout = _layout(images, num_images)
    canvas = Image.new("RGB", layout.size, _PAPER)
    pen = ImageDraw.Draw(canvas)
    _write_title(pen, images, num_images, seed)
    rng = np.random.default_rng(seed)
    for label, name in enumerate(images.class_names):
        column, row = divmod(label, layout.num_rows)
        x = _MARGIN_PX + column * (layout.block_px + _MARGIN_PX)
        y = layout.top_px + row * (layout.cell_px + _GAP_PX)
        middle = (x + layout.label_px - 10, y + layout.cell_px // 2)
        pen.text(middle, _label(name), fill=_INK, font=_font(18), anchor="rm")
        members = np.flatnonzero(images.labels_N == label)
        for place, index in enumerate(rng.permutation(members)[:num_images]):
            picture = _cell(images.images_NHWC[index], layout.cell_px)
            canvas.paste(picture, (x + layout.label_px + place * (layout.cell_px + _GAP_PX), y))
    return canvas


def write_sheet(images: ImageSet, path: Path, num_images: int = 10, seed: int = 0) -> Path:
    """Write `sheet` as a PNG file and return its path.

    Raises:
        DataError: the name does not end in .png, or the file cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise DataError(mould("contact sheet", "a name ending in .png", str(path), "sheet.png"))
    picture = sheet(images, num_images, seed)
    if images.images_NHWC.shape[3] == 1:
        picture = picture.convert("L")
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    try:
        write_whole(path, content.getvalue())
    except OSError as error:
        got = error.strerror or str(error)
        raise DataError(mould(str(path), "a place to write to", got, "another folder")) from None
    return path


def _layout(images: ImageSet, num_images: int) -> _Layout:
    side = max(images.images_NHWC.shape[1:3])
    cell_px = side * max(1, round(_CELL_PX / side)) if side <= _CELL_PX else _CELL_PX
    widest = max(_font(18).getlength(_label(name)) for name in images.class_names)
    num_classes = len(images.class_names)
    choices = [
        _Layout(cell_px, math.ceil(widest) + 16, num_images, -(-num_classes // columns), columns)
        for columns in range(1, num_classes + 1)
    ]
    return min(
        choices, key=lambda one: abs(math.log(one.size[0] / one.size[1] / _WIDTH_PER_HEIGHT))
    )


def _label(name: str) -> str:
    text = ascii_form(name)
    return text if len(text) <= 16 else f"{text[:15]}~"


def _write_title(pen: ImageDraw.ImageDraw, images: ImageSet, num_images: int, seed: int) -> None:
    kind = "synthetic" if images.provenance.synthetic else "real"
    facts = f"{len(images.labels_N):,} {kind} images, {len(images.class_names)} classes"
    pen.text((_MARGIN_PX, _MARGIN_PX), ascii_form(_short(images.name)), fill=_INK, font=_font(22))
    chosen = f"{facts}; {num_images} random ones a class (seed {seed})"
    pen.text((_MARGIN_PX, _MARGIN_PX + 28), chosen, fill=_FAINT, font=_font(14))


def _short(name: str) -> str:
    """Return the last component of the path of a data set named by its path."""
    return name if ":" not in name else Path(name.split(":", 1)[1]).name


def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def _cell(image_HWC: NDArray[np.uint8], cell_px: int) -> Image.Image:
    picture = Image.fromarray(image_HWC[..., 0] if image_HWC.shape[2] == 1 else image_HWC)
    scale = cell_px / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    return picture.resize(size, how).convert("RGB")
