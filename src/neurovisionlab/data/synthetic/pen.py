"""Drawing of one character: strokes are distorted, joined, placed and given a width.

In this module a path is float64 [P, 3]: x, y and the pen's relative width at that point.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from neurovisionlab.data.synthetic.glyphs import POINT_GAP, Glyph, Points
from neurovisionlab.data.synthetic.writers import Style

PenPath = NDArray[np.float64]
Widths = NDArray[np.float64]


class Written(NamedTuple):
    """A drawn character: points [P, 2] in pixels around (0, 0), and the pen's radius at each."""

    points_P2: Points
    radii_P: Widths


def write(glyph: Glyph, style: Style, box: float, rng: np.random.Generator) -> Written:
    """Draw a glyph once so that its ink fits a box with sides of `box` pixels."""
    strokes = _overrun(_loosened(glyph, style.looseness, rng), style.overrun, rng)
    haste = max(1.0, len(glyph) / 4) ** 0.5  # more strokes are written faster and simplified more
    paths = _joined(strokes, haste * style.joining, rng)
    paths = [_smoothed(path, haste * style.rounding) for path in paths]
    path_P3 = np.concatenate(paths)
    trembling_P2 = path_P3[:, :2] - 0.5 + _tremble(len(path_P3), style.wobble, rng)
    points_P2 = _bent(trembling_P2, style, rng) @ _affine(style).T
    width_P = path_P3[:, 2] * _pressure([len(path) for path in paths], style.pressure, rng)
    radius = style.radius * _thrift(len(path_P3))
    return fitted(points_P2, radius * width_P * _nib(points_P2, style.nib), box)


def fitted(points_P2: Points, radii_P: Widths, box: float) -> Written:
    """Scale and centre points so that, pen width included, the longer side fills the box."""
    low_2, high_2 = points_P2.min(axis=0), points_P2.max(axis=0)
    room = box - 2 * float(radii_P.mean())
    scale = room / max(float((high_2 - low_2).max()), 1e-6)
    return Written((points_P2 - (low_2 + high_2) / 2) * scale, radii_P)


def _loosened(glyph: Glyph, looseness: float, rng: np.random.Generator) -> list[Points]:
    """Move, turn and scale every stroke separately, less for more strokes."""
    counts_S = np.array([len(stroke) for stroke in glyph])
    strength = looseness * min(1.0, (4 / len(counts_S)) ** 0.5)
    shift_x_S, shift_y_S, turn_S, growth_S = rng.normal(0, strength, (4, len(counts_S)))
    starts_S = np.concatenate([[0], np.cumsum(counts_S)[:-1]])
    points_P2 = np.concatenate(glyph)
    middle_S2 = np.add.reduceat(points_P2, starts_S, axis=0) / counts_S[:, None]
    matrix_S22 = np.stack([1 + growth_S, -turn_S, turn_S, 1 + growth_S], axis=1).reshape(-1, 2, 2)
    shift_S2 = np.stack([shift_x_S, shift_y_S], axis=1)
    return [
        (stroke - middle_2) @ matrix_22 + middle_2 + shift_2
        for stroke, middle_2, matrix_22, shift_2 in zip(
            glyph, middle_S2, matrix_S22, shift_S2, strict=True
        )
    ]


def _overrun(
    strokes: Sequence[Points], deviation: float, rng: np.random.Generator
) -> Sequence[Points]:
    """Lengthen or shorten strokes at their ends, with this standard deviation in glyph heights."""
    if deviation == 0:
        return strokes
    extras_S = np.rint(rng.normal(0, deviation / POINT_GAP, len(strokes))).astype(int).tolist()
    return [_lengthened(stroke, extra) for stroke, extra in zip(strokes, extras_S, strict=True)]


def _lengthened(stroke_P2: Points, extra: int) -> Points:
    """Add points in the direction of a stroke's end; remove points if `extra` is negative."""
    if extra <= 0:
        return stroke_P2[: max(2, len(stroke_P2) + extra)]
    step_2 = stroke_P2[-1] - stroke_P2[-2]
    return np.concatenate([stroke_P2, stroke_P2[-1] + step_2 * np.arange(1, extra + 1)[:, None]])


_HOP_WIDTH = 0.45  # a fast pen hardly touches the paper


def _joined(strokes: Sequence[Points], chance: float, rng: np.random.Generator) -> list[PenPath]:
    """Connect some strokes with their successors by a thin line."""
    paths = [_path(strokes[0], 1.0)]
    for before_P2, stroke_P2 in pairwise(strokes):
        path_P3 = _path(stroke_P2, 1.0)
        if chance > 0 and rng.random() < chance:
            hop_P3 = _path(_hop(before_P2[-1], stroke_P2[0]), _HOP_WIDTH)
            paths[-1] = np.concatenate([paths[-1], hop_P3, path_P3])
        else:
            paths.append(path_P3)
    return paths


def _path(points_P2: Points, width: float) -> PenPath:
    path_P3 = np.empty((len(points_P2), 3))
    path_P3[:, :2], path_P3[:, 2] = points_P2, width
    return path_P3


def _hop(start_2: Points, end_2: Points) -> Points:
    """Return the points on the straight line between two positions."""
    count = int(np.hypot(*(end_2 - start_2)) / POINT_GAP)
    return start_2 + (end_2 - start_2) * (np.arange(1, count + 1)[:, None] / (count + 1))


def _smoothed(path_P3: PenPath, rounding: float) -> PenPath:
    """Round corners by averaging along the path; the ends are kept in place."""
    sigma = min(rounding / POINT_GAP, len(path_P3) / 6)
    # continuing the path point-symmetrically beyond its ends keeps the ends in place
    reach = min(int(3 * sigma) + 1, len(path_P3) - 1)
    head_P3 = 2 * path_P3[0] - path_P3[reach:0:-1]
    tail_P3 = 2 * path_P3[-1] - path_P3[-2 : -2 - reach : -1]
    padded_P3 = np.concatenate([head_P3, path_P3, tail_P3])
    smooth_P3: PenPath = gaussian_filter1d(padded_P3, sigma, axis=0, truncate=3.0)
    return smooth_P3[reach:-reach]


def _waves(count: int, longest: float, rng: np.random.Generator) -> Widths:
    """Return smooth noise of unit variance along `count` points, wavelengths up to `longest`."""
    t_P1 = np.arange(count)[:, None] * (2 * np.pi * POINT_GAP / longest)
    frequency_K, phase_K = rng.uniform(1, 2.5, 3), rng.uniform(0, 2 * np.pi, 3)
    waves_PK = np.sin(frequency_K * t_P1 + phase_K)
    return np.asarray(waves_PK.sum(axis=1) * (2 / 3) ** 0.5)


def _tremble(count: int, wobble: float, rng: np.random.Generator) -> Points:
    """Return the displacement of each point by a trembling hand."""
    if wobble == 0:
        return np.zeros((count, 2))
    return wobble * np.stack([_waves(count, 0.7, rng), _waves(count, 0.7, rng)], axis=1)


def _pressure(counts: Sequence[int], strength: float, rng: np.random.Generator) -> Widths:
    """Return the relative width along strokes of `counts` points: pressed at first, then lifted."""
    if strength == 0:
        return np.ones(sum(counts))
    t_P = np.concatenate([np.arange(count) / (count - 1) for count in counts])
    lift_P = 0.25 - 0.2 * t_P - 0.9 * t_P**6
    return np.maximum(1 + strength * (lift_P + 0.4 * _waves(len(t_P), 0.9, rng)), 0.35)


_NIB_ANGLE = 1.2  # radians: strokes down and slightly to the right are thickest


def _nib(points_P2: Points, flattening: float) -> Widths:
    """Return the relative width of a flat pen by its direction of movement."""
    step_P2 = np.diff(points_P2, axis=0, append=points_P2[-1:])
    angle_P = np.arctan2(step_P2[:, 1], step_P2[:, 0])
    return np.asarray(np.exp(0.5 * flattening * np.cos(2 * (angle_P - _NIB_ANGLE))))


_LONG_CHARACTER = 2.8  # glyph heights of stroke that fit at full pen width


def _thrift(count: int) -> float:
    """Return the factor by which characters with long strokes are drawn thinner."""
    return float(min(1.0, (_LONG_CHARACTER / (count * POINT_GAP)) ** 0.5))


def _bent(points_P2: Points, style: Style, rng: np.random.Generator) -> Points:
    """Distort the plane by a few slow waves, with a mean amplitude of `bend` glyph heights."""
    waves = 4
    directions_2K = rng.normal(0, 3.5, (2, waves))
    phases_K = rng.uniform(0, 2 * np.pi, waves)
    amplitudes_K2 = rng.normal(0, style.bend * np.sqrt(2 / waves), (waves, 2))
    return np.asarray(points_P2 + np.sin(points_P2 @ directions_2K + phases_K) @ amplitudes_K2)


def _affine(style: Style) -> Points:
    """Return the 2 by 2 matrix of aspect, slant (upper parts to the right) and tilt, in order."""
    sine, cosine = np.sin(style.tilt), np.cos(style.tilt)
    stretch = np.exp(style.aspect / 2)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.asarray(turn @ [[1, -style.slant], [0, 1]] @ np.diag([stretch, 1 / stretch]))
