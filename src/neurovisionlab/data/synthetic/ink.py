"""Rendering of points: depth of each pixel inside the ink, and its coverage.

A pen stroke is the union of discs around its points. The distance to a disc's rim is approximated
by `(r² - d²) / 2r`: exact at the rim, and, as a function of the pixel, linear in (x² + y², x, y,
1). The depth of all pixels in all discs is then a single matrix product.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from neurovisionlab.data.synthetic.glyphs import Points

Plane = NDArray[np.float32]


@cache
def _pixel_terms(size: int) -> Plane:
    """Return (x² + y², x, y, 1) for the centre of each pixel, with the origin in the middle."""
    axis = np.arange(size, dtype=np.float32) - (size - 1) / 2
    y_HW, x_HW = np.meshgrid(axis, axis, indexing="ij")
    terms = [x_HW**2 + y_HW**2, x_HW, y_HW, np.ones_like(x_HW)]
    return np.stack([term.ravel() for term in terms], axis=1).astype(np.float32)


def ink_depth(points_P2: Points, radii_P: NDArray[np.float64], size: int) -> Plane:
    """Return the depth of each pixel in the ink, in pixels, negative outside: float32 [size, size].

    Points are in pixels, (0, 0) in the middle of the image; radii must be positive.
    """
    x_P, y_P = points_P2.T
    inverse_P = 0.5 / radii_P
    discs_4P = np.stack(
        [
            -inverse_P,
            2 * inverse_P * x_P,
            2 * inverse_P * y_P,
            inverse_P * (radii_P**2 - x_P**2 - y_P**2),
        ]
    ).astype(np.float32)
    depth_QP: Plane = _pixel_terms(size) @ discs_4P
    return np.asarray(depth_QP.max(axis=1)).reshape(size, size)


def coverage(depth_HW: Plane, softness: float) -> Plane:
    """Return the coverage of pixels [H, W] by ink, 0..1, with an edge `softness` pixels wide."""
    ramp_HW: Plane = np.clip(0.5 + depth_HW / softness, 0, 1)
    return ramp_HW * ramp_HW * (3 - 2 * ramp_HW)  # smoothstep


def cloud(shape: tuple[int, ...], size: float, rng: np.random.Generator) -> Plane:
    """Return float32 noise, smooth, of zero mean and unit variance, blots about `size` px wide."""
    noise_HW = rng.standard_normal(shape, dtype=np.float32)
    smooth_HW = gaussian_filter(noise_HW, size, mode="wrap")
    return np.asarray((smooth_HW - smooth_HW.mean()) / (smooth_HW.std() + 1e-6), dtype=np.float32)
