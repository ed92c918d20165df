"""Who writes what: writers, their habits, and how one moment differs from the next.

A `Hand` says how a whole population writes. Each of its habits is a `Habit`: writers differ
from each other by `between`, and one writer's pictures differ from each other by `within`.
A `Style` holds one number per habit: of a writer (its averages) or of a single picture.
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
    """One habit: its typical value, its spread between and within writers, its least value."""

    typical: float
    between: float
    within: float
    least: float = -np.inf


class Style(NamedTuple):
    """One number for each habit; the fields of `Hand`, in the same order."""

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
    """How a population writes. Lengths are in glyph heights unless pixels are named."""

    slant: Habit  # shear: x moves by this for each y
    tilt: Habit  # radians, clockwise
    aspect: Habit  # natural logarithm of width over height, added to the glyph's own
    bend: Habit  # slow distortion of the whole character, root mean square
    wobble: Habit  # trembling along a stroke
    looseness: Habit  # every stroke moves, turns and grows on its own
    overrun: Habit  # strokes end too late (or, as often, too early)
    rounding: Habit  # corners are smoothed over this length
    joining: Habit  # chance that the pen stays down on its way to the next stroke
    radius: Habit  # of the pen, pixels
    pressure: Habit  # how much the width varies along a stroke, 0..1
    nib: Habit  # flattening of the pen, natural logarithm of its two radii's ratio
    softness: Habit  # width of the grey edge, pixels


class Task(NamedTuple):
    """One picture to draw: what, by whom, and the random numbers that belong to it alone."""

    label: int
    writer: int
    rng: np.random.Generator


_HEAVY_TAIL = 5.0  # degrees of freedom: now and then a letter really goes wrong


@cache
def _table(hand: Hand) -> NDArray[np.float64]:
    """Return the spreads as rows: typical, between, within, least."""
    return np.array(astuple(hand), dtype=np.float64).T


def writer_style(hand: Hand, rng: np.random.Generator) -> Style:
    """Draw the averages of one writer."""
    typical_F, between_F, _, least_F = _table(hand)
    drawn_F = typical_F + between_F * rng.standard_normal(len(typical_F))
    return Style(*np.maximum(drawn_F, least_F).tolist())


def moment_style(writer: Style, hand: Hand, rng: np.random.Generator) -> Style:
    """Draw how a writer writes this one time."""
    _, _, within_F, least_F = _table(hand)
    drawn_F = np.array(writer) + within_F * rng.standard_t(_HEAVY_TAIL, len(within_F))
    return Style(*np.maximum(drawn_F, least_F).tolist())


def choose_form(
    allographs: Sequence[Allograph], taste: float, loyalty: float, rng: np.random.Generator
) -> Glyph:
    """Choose one of a character's forms.

    `taste` in 0..1 is where the writer's favourite lies among the forms laid end to end; with
    chance `loyalty` the writer takes it, else any form.
    """
    ends_A = np.cumsum([allograph.weight for allograph in allographs])
    at = taste if rng.random() < loyalty else rng.random()
    return allographs[int(np.searchsorted(ends_A, at * ends_A[-1]))].glyph


def balanced_labels(count: int, classes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return `count` labels in random order, each class as often as any other or once more."""
    return rng.permutation(np.arange(count, dtype=np.int64) % classes)


def stream(*key: int) -> np.random.Generator:
    """Return the random numbers that belong to a key; other keys never change them."""
    return np.random.default_rng(np.random.SeedSequence(key))


_LABELS, _WRITER, _PICTURE = range(3)  # what a stream of random numbers is for


class WriterSplit(NamedTuple):
    """A part of a set (train or test): its key, its size, and the first of its writer numbers."""

    key: tuple[int, ...]
    size: int
    first_writer: int
    per_writer: int

    def tasks(self, classes: int) -> Iterator[Task]:
        """Yield the pictures to draw, in order."""
        labels_N = balanced_labels(self.size, classes, stream(*self.key, _LABELS))
        for index, label in enumerate(labels_N.tolist()):
            writer = self.first_writer + index // self.per_writer
            yield Task(label, writer, stream(*self.key, _PICTURE, index))

    def writer_stream(self, writer: int) -> np.random.Generator:
        """Return the random numbers that make a writer what they are."""
        return stream(*self.key, _WRITER, writer - self.first_writer)

    @property
    def writers(self) -> int:
        """How many people write this part."""
        return -(-self.size // self.per_writer)
