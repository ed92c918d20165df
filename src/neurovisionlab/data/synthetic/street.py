"""House numbers: digits and cut-off neighbours on a wall, seen by a cheap camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.data.synthetic.glyphs import Allograph, Points
from neurovisionlab.data.synthetic.ink import ink_depth
from neurovisionlab.data.synthetic.paint import Paint, mixed_paint, painted, photographed, wall
from neurovisionlab.data.synthetic.pen import Written, write
from neurovisionlab.data.synthetic.strengths import STREET_SIZE, Street
from neurovisionlab.data.synthetic.writers import (
    Hand,
    Style,
    Task,
    choose_form,
    moment_style,
    writer_style,
)


class Sign(NamedTuple):
    """One house's number sign: shape, form and paint of its digits, and the camera's blur."""

    style: Style
    taste: float
    paint: Paint
    blur: float


class _Lettering(NamedTuple):
    """Properties shared by all digits of one photograph; the height is in pixels."""

    style: Style
    taste: float
    height: float


@dataclass(frozen=True)
class HouseNumbers:
    """Drawing method of the street data set: images uint8 [32, 32, 3]."""

    forms: tuple[tuple[Allograph, ...], ...]
    hand: Hand
    street: Street

    @property
    def classes(self) -> int:
        """Number of digits."""
        return len(self.forms)

    def writer(self, rng: np.random.Generator) -> Sign:
        """Create a random house with its sign."""
        median, deviation = self.street.blur
        blur = median * float(np.exp(rng.normal(0, deviation)))
        style = writer_style(self.hand, rng)
        return Sign(style, float(rng.random()), mixed_paint(self.street, rng), blur)

    def picture(self, task: Task, sign: Sign) -> NDArray[np.uint8]:
        """Draw one digit of a house's number: uint8 [32, 32, 3]."""
        rng = task.rng
        style = moment_style(sign.style, self.hand, rng)
        height = max(14.0, rng.normal(*self.street.height))
        number = self._number(task, _Lettering(style, sign.taste, height))
        points_P2, radii_P = _seen(number, style.tilt, self.street, rng)
        depth_HW = ink_depth(points_P2, radii_P, STREET_SIZE)
        photo_HW3 = painted(wall(sign.paint, self.street, rng), depth_HW, sign.paint)
        return photographed(photo_HW3, sign.blur, self.street, rng)

    def _number(self, task: Task, lettering: _Lettering) -> Written:
        """Draw the digit in the middle and possibly a neighbour on each side."""
        middle = self._digit(task.label, lettering, task.rng)
        row = [middle]
        for side in (-1, 1):
            if task.rng.random() < self.street.neighbour:
                other = int(task.rng.integers(self.classes))
                gap = lettering.height * task.rng.uniform(*self.street.gap)
                row.append(_beside(self._digit(other, lettering, task.rng), middle, side, gap))
        points, radii = zip(*row, strict=True)
        return Written(np.concatenate(points), np.concatenate(radii))

    def _digit(self, digit: int, lettering: _Lettering, rng: np.random.Generator) -> Written:
        """Draw one digit; the whole row is tilted later."""
        glyph = choose_form(self.forms[digit], lettering.taste, 1.0, rng)
        upright = lettering.style._replace(tilt=0.0)
        return write(glyph, upright, lettering.height, rng)


def _half_width(digit: Written) -> float:
    return float(np.abs(digit.points_P2[:, 0]).max() + digit.radii_P.mean())


def _beside(digit: Written, middle: Written, side: int, gap: float) -> Written:
    """Move a digit left (side -1) or right (side 1) of the middle one."""
    away = side * (_half_width(middle) + gap + _half_width(digit))
    return digit._replace(points_P2=digit.points_P2 + np.array([away, 0.0]))


def _seen(number: Written, tilt: float, street: Street, rng: np.random.Generator) -> Written:
    """Tilt a row of digits, apply perspective, and drop points outside of the image."""
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    points_P2 = number.points_P2 @ turn.T
    far_2 = rng.normal(0, street.perspective / STREET_SIZE, 2)
    shrink_P = 1 / np.maximum(1 + points_P2 @ far_2, 0.3)
    seen_P2 = points_P2 * shrink_P[:, None] + rng.normal(0, street.off_centre, 2)
    near_P = _in_sight(seen_P2)
    # every other point is enough for strokes this broad
    return Written(seen_P2[near_P][::2], (number.radii_P * shrink_P)[near_P][::2])


def _in_sight(points_P2: Points) -> NDArray[np.bool_]:
    margin = 5  # pixels: wide pens and shadows reach into the image from outside
    return np.asarray(np.abs(points_P2).max(axis=1) < STREET_SIZE / 2 + margin)
