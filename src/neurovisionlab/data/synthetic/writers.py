"""Writers and their styles, and variation between the images of one writer.

A `Hand` describes a population. Each of its fields is a `Habit`: writers differ from each other by
`between`, and the images of one writer differ by `within`. A `Style` has one number per habit: of a
writer (averages) or of a single image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.data.synthetic.glyphs import Allograph, Glyph


class Habit(NamedTuple):
    """One property: typical value, standard deviations between and within writers, minimum."""

    typical: float
    between: float
    within: float
    least: float = -np.inf


class Style(NamedTuple):
    """One number per habit; the fields of `Hand`, in the same order."""

    slant: float
    tilt: float
    aspect: float
    bend: float
    wobble: float
    looseness: float
    overrun: float
    rounding: float
    joining: float
    radius: float
    pressure: float
    nib: float
    softness: float


@dataclass(frozen=True)
class Hand:
    """Style of a population. Lengths are in glyph heights unless pixels are named."""

    slant: Habit  # shear: x moves by this for each y
    tilt: Habit  # radians, clockwise
    aspect: Habit  # natural logarithm of width over height, added to the glyph's own
    bend: Habit  # slow distortion of the whole character, root mean square
    wobble: Habit  # trembling along a stroke
    looseness: Habit  # separate displacement, rotation and scaling of every stroke
    overrun: Habit  # strokes end too late (or, as often, too early)
    rounding: Habit  # corners are smoothed over this length
    joining: Habit  # probability that the pen stays down on its way to the next stroke
    radius: Habit  # of the pen, pixels
    pressure: Habit  # variation of the width along a stroke, 0..1
    nib: Habit  # flattening of the pen, natural logarithm of the ratio of its radii
    softness: Habit  # width of the grey edge, pixels


class Task(NamedTuple):
    """One image to draw: label, writer, and its own random generator."""

    label: int
    writer: int
    rng: np.random.Generator


_HEAVY_TAIL = 5.0  # degrees of freedom: occasional large deviations


@cache
def _table(hand: Hand) -> NDArray[np.float64]:
    """Return [4, habits]: typical, between, within, least."""
    return np.array(astuple(hand), dtype=np.float64).T


def writer_style(hand: Hand, rng: np.random.Generator) -> Style:
    """Draw the average style of one writer."""
    typical_F, between_F, _, least_F = _table(hand)
    drawn_F = typical_F + between_F * rng.standard_normal(len(typical_F))
    return Style(*np.maximum(drawn_F, least_F).tolist())


def moment_style(writer: Style, hand: Hand, rng: np.random.Generator) -> Style:
    """Draw the style of a writer in one image."""
    _, _, within_F, least_F = _table(hand)
    drawn_F = np.array(writer) + within_F * rng.standard_t(_HEAVY_TAIL, len(within_F))
    return Style(*np.maximum(drawn_F, least_F).tolist())


def choose_form(
    allographs: Sequence[Allograph], taste: float, loyalty: float, rng: np.random.Generator
) -> Glyph:
    """Choose one of a character's forms.

    `taste` in 0..1 is the position of the writer's preferred form, by cumulative weight; it is
    chosen with probability `loyalty`, else a random form.
    """
    ends_A = np.cumsum([allograph.weight for allograph in allographs])
    at = taste if rng.random() < loyalty else rng.random()
    return allographs[int(np.searchsorted(ends_A, at * ends_A[-1]))].glyph


def balanced_labels(count: int, classes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return `count` labels in random order, int64; class sizes differ by at most one."""
    return rng.permutation(np.arange(count, dtype=np.int64) % classes)


def stream(*key: int) -> np.random.Generator:
    """Return the random generator of a key, independent of other keys."""
    return np.random.default_rng(np.random.SeedSequence(key))


_LABELS, _WRITER, _PICTURE = range(3)  # purpose of a random stream


class WriterSplit(NamedTuple):
    """A part of a data set (train or test): key, size, and number of its first writer."""

    key: tuple[int, ...]
    size: int
    first_writer: int
    per_writer: int

    def tasks(self, classes: int) -> Iterator[Task]:
        """Yield the images to draw, in order."""
        labels_N = balanced_labels(self.size, classes, stream(*self.key, _LABELS))
        for index, label in enumerate(labels_N.tolist()):
            writer = self.first_writer + index // self.per_writer
            yield Task(label, writer, stream(*self.key, _PICTURE, index))

    def writer_stream(self, writer: int) -> np.random.Generator:
        """Return the random generator of a writer's properties."""
        return stream(*self.key, _WRITER, writer - self.first_writer)

    @property
    def writers(self) -> int:
        """Number of writers of this part."""
        return -(-self.size // self.per_writer)
