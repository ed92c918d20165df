"""Encoding of an image for a page."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE_PX = 56
MOST_PX = 4 * SIDE_PX  # maximum of either side


def png(image_HWC: NDArray[np.uint8]) -> bytes:
    """Return an image uint8 [H, W, 1 or 3] as a PNG of at most 224 px, small ones enlarged."""
    picture = Image.fromarray(image_HWC[..., 0] if image_HWC.shape[2] == 1 else image_HWC)
    scale = max(1, round(SIDE_PX / max(picture.size)))
    larger = picture.resize(
        (picture.width * scale, picture.height * scale), Image.Resampling.NEAREST
    )
    larger.thumbnail((MOST_PX, MOST_PX))
    buffer = io.BytesIO()
    larger.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
