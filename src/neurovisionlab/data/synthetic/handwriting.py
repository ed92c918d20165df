"""Handwritten data sets: an alphabet, a pen and a scanner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.data.synthetic.glyphs import Allograph
from neurovisionlab.data.synthetic.ink import Plane, cloud, coverage, ink_depth
from neurovisionlab.data.synthetic.pen import write
from neurovisionlab.data.synthetic.strengths import LOYALTY, PEN_SIZE, Paper
from neurovisionlab.data.synthetic.writers import (
    Hand,
    Style,
    Task,
    choose_form,
    moment_style,
    writer_style,
)


class Writer(NamedTuple):
    """One writer: average style, and the position of the preferred form, 0..1, per class [C]."""

    style: Style
    tastes_C: NDArray[np.float64]


@dataclass(frozen=True)
class Handwriting:
    """Drawing method of a handwritten data set: images uint8 [28, 28, 1], white ink on black."""

    forms: tuple[tuple[Allograph, ...], ...]
    hand: Hand
    paper: Paper
    box: float

    @property
    def classes(self) -> int:
        """Number of characters in the alphabet."""
        return len(self.forms)

    def writer(self, rng: np.random.Generator) -> Writer:
        """Create a random writer."""
        return Writer(writer_style(self.hand, rng), rng.random(self.classes))

    def picture(self, task: Task, writer: Writer) -> NDArray[np.uint8]:
        """Draw the task's character once in a writer's style: uint8 [28, 28, 1]."""
        rng = task.rng
        style = moment_style(writer.style, self.hand, rng)
        glyph = choose_form(self.forms[task.label], writer.tastes_C[task.label], LOYALTY, rng)
        points_P2, radii_P = write(glyph, style, self.box, rng)
        depth_HW = ink_depth(points_P2, radii_P, PEN_SIZE)
        grey_HW = _scanned(_rough(depth_HW, self.paper, rng), style.softness, self.paper, rng)
        grey_HWC = grey_HW[..., None]
        return np.rint(255 * grey_HWC).astype(np.uint8)


def _rough(depth_HW: Plane, paper: Paper, rng: np.random.Generator) -> Plane:
    """Roughen the edge of the ink."""
    return depth_HW + paper.grain * cloud(depth_HW.shape, 0.7, rng)


def _scanned(depth_HW: Plane, softness: float, paper: Paper, rng: np.random.Generator) -> Plane:
    """Return the brightness of each pixel of ink on this paper, 0..1, at most about 1."""
    ink_HW = coverage(depth_HW, softness)
    ink_HW = np.maximum(ink_HW / ink_HW.max(), _specks(depth_HW.shape, paper.specks, rng))
    fade_HW = paper.fading * np.abs(cloud(depth_HW.shape, 3.0, rng))
    gamma = np.float32(np.exp(rng.normal(0, paper.gamma)))
    return np.asarray(np.clip(ink_HW * (1 - fade_HW), 0, 1) ** gamma, dtype=np.float32)


def _specks(shape: tuple[int, ...], average: float, rng: np.random.Generator) -> Plane:
    """Return small faint marks at random places, `average` on average."""
    marks_HW = np.zeros(shape, dtype=np.float32)
    for _ in range(rng.poisson(average)):
        row, column = rng.integers(0, shape[0] - 1), rng.integers(0, shape[1] - 1)
        marks_HW[row : row + 2, column : column + 2] = rng.uniform(0.1, 0.7, (2, 2))
    return marks_HW
