"""Colours, walls and cameras: from the depth of the ink to a colour photograph.

A photo is float32 [32, 32, 3], red, green and blue, 0..1 unless stated otherwise.
"""

from __future__ import annotations

from colorsys import hsv_to_rgb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift

from neurovisionlab.data.synthetic.ink import Plane, cloud, coverage
from neurovisionlab.data.synthetic.strengths import STREET_SIZE, Street

Colour = NDArray[np.float32]
Photo = NDArray[np.float32]


class Paint(NamedTuple):
    """The colours of a house number sign (red, green, blue, 0..1) and the style of its digits."""

    wall_3: Colour
    digit_3: Colour
    rim_3: Colour
    rim_width: float  # pixels, 0 for none
    shadow_2: NDArray[np.float64]  # offset of the shadow: pixels down, pixels right


def mixed_paint(street: Street, rng: np.random.Generator) -> Paint:
    """Draw random paint of a sign: two colours of sufficient contrast, rim and shadow."""
    contrast = rng.uniform(*street.contrast) * rng.choice((-1, 1))
    middle = rng.uniform(abs(contrast) / 2, 1 - abs(contrast) / 2)
    wall_3 = _colour(middle - contrast / 2, street, rng)
    digit_3 = _colour(middle + contrast / 2, street, rng)
    rim_3 = _colour(rng.uniform(0, 1), street, rng)
    fate = rng.random()
    rim_width = rng.uniform(0.8, 2.0) if fate < street.hollow + street.outlined else 0.0
    if fate < street.hollow:  # only the rim is painted; the inside shows the wall
        rim_3, digit_3 = digit_3, wall_3
    shadow_2 = rng.uniform(-2.5, 2.5, 2) * (rng.random() < street.shadow)
    return Paint(wall_3, digit_3, rim_3, rim_width, shadow_2)


_HUES = ((0.08, 0.04, 0.55), (0.60, 0.04, 0.33), (0.5, 0.5, 0.12))
"""Brick and wood, sky and enamel, any: mean hue, standard deviation, share."""

_LUMA_3 = np.array([0.299, 0.587, 0.114])  # brightness of red, green and blue (BT.601)


def _colour(grey: float, street: Street, rng: np.random.Generator) -> Colour:
    """Return a random colour of about this brightness, dull or vivid."""
    mean, deviation, _ = _HUES[rng.choice(len(_HUES), p=[share for *_, share in _HUES])]
    vivid = rng.random() < street.vivid
    saturation = rng.beta(4, 3) if vivid else 0.6 * rng.beta(1.5, 3)
    saturation *= 1.15 - 0.55 * grey  # bright surfaces are bleached by the sun
    pure_3 = np.array(hsv_to_rgb(rng.normal(mean, deviation) % 1, saturation, 1.0))
    toned_3 = pure_3 * (grey / float(pure_3 @ _LUMA_3))
    return np.asarray(np.clip(toned_3, 0.02, 0.98), dtype=np.float32)


def wall(paint: Paint, street: Street, rng: np.random.Generator) -> Photo:
    """Return the wall behind the digits, [32, 32, 3]: blots, and sometimes the edge of the sign."""
    shape = (STREET_SIZE, STREET_SIZE)
    blots_HW = street.clutter * cloud(shape, rng.uniform(1.0, 5.0), rng)
    wall_HW3 = paint.wall_3 + blots_HW[..., None]
    if rng.random() < street.edge:
        beyond_3 = _colour(rng.uniform(0, 1), street, rng)
        beyond_HW = coverage(_slope(rng) - np.float32(rng.uniform(9, 17)), 1.0)
        wall_HW3 = _over(wall_HW3, beyond_3, beyond_HW)
    return wall_HW3


def _slope(rng: np.random.Generator) -> Plane:
    """Return each pixel's distance from the centre along a nearly vertical or level direction."""
    angle = rng.integers(4) * np.pi / 2 + rng.normal(0, 0.12)
    axis = np.arange(STREET_SIZE, dtype=np.float32) - (STREET_SIZE - 1) / 2
    return np.asarray(
        float(np.cos(angle)) * axis + float(np.sin(angle)) * axis[:, None], dtype=np.float32
    )


def painted(wall_HW3: Photo, depth_HW: Plane, paint: Paint) -> Photo:
    """Paint digits on a wall [H, W, 3]: first their shadow, then the rim, then the inside."""
    photo_HW3 = wall_HW3
    if paint.shadow_2.any():
        fallen_HW = shift(depth_HW, paint.shadow_2, order=1, mode="nearest")
        photo_HW3 = photo_HW3 * (1 - 0.55 * coverage(fallen_HW, 1.5))[..., None]
    if paint.rim_width > 0:
        rim_HW = coverage(depth_HW + np.float32(paint.rim_width), 1.0)
        photo_HW3 = _over(photo_HW3, paint.rim_3, rim_HW)
    return _over(photo_HW3, paint.digit_3, coverage(depth_HW, 1.0))


def _over(below_HW3: Photo, colour_3: Colour, cover_HW: Plane) -> Photo:
    return below_HW3 + cover_HW[..., None] * (colour_3 - below_HW3)


def photographed(
    photo_HW3: Photo, blur: float, street: Street, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Simulate a camera: uneven light, `blur` pixels of blur, and noise; uint8 [32, 32, 3]."""
    light_HW = 1 + street.shade * float(rng.normal()) * _slope(rng) / (STREET_SIZE / 2)
    blurred_HW3 = gaussian_filter(photo_HW3 * light_HW[..., None], (blur, blur, 0), truncate=3.0)
    noise_HW3 = rng.standard_normal(photo_HW3.shape, dtype=np.float32)
    # cheap cameras compress, which turns noise into blots
    blots_HW3 = noise_HW3 + np.roll(noise_HW3, 1, axis=0) + np.roll(noise_HW3, 1, axis=1)
    seen_HW3 = blurred_HW3 + street.noise * float(np.exp(0.5 * rng.normal())) * blots_HW3
    return np.asarray(np.rint(255 * np.clip(seen_HW3, 0, 1)), dtype=np.uint8)
