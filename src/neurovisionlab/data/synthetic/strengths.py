"""All parameters of the synthetic data sets.

They were tuned by visual comparison with real letters, kana and house numbers, and by the accuracy
of simple classifiers on both. `glyphs` has the frequencies of forms. Increment `GENERATOR_VERSION`
in the package's `__init__` when any of them changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from neurovisionlab.data.synthetic.writers import Habit, Hand

PEN_SIZE = 28  # pixels
LETTER_BOX = 24.0  # EMNIST leaves a margin of two pixels
KANA_BOX = 27.0  # KMNIST leaves none

IMAGES_PER_WRITER = 20
LOYALTY = 0.82  # probability that a writer uses their preferred form of a character

LETTER_HAND = Hand(
    slant=Habit(0.10, 0.14, 0.05),
    tilt=Habit(0.0, 0.05, 0.06),
    aspect=Habit(0.0, 0.15, 0.09),
    bend=Habit(0.028, 0.010, 0.008, 0.005),
    wobble=Habit(0.004, 0.002, 0.001, 0.0),
    looseness=Habit(0.024, 0.016, 0.008, 0.0),
    overrun=Habit(0.024, 0.020, 0.012, 0.0),
    rounding=Habit(0.060, 0.030, 0.012, 0.010),
    joining=Habit(0.08, 0.15, 0.0, 0.0),
    radius=Habit(1.40, 0.40, 0.12, 0.85),
    pressure=Habit(0.12, 0.08, 0.03, 0.0),
    nib=Habit(0.0, 0.15, 0.05),
    softness=Habit(1.9, 0.30, 0.25, 1.0),
)

KANA_HAND = Hand(
    slant=Habit(0.0, 0.09, 0.06),
    tilt=Habit(0.0, 0.05, 0.05),
    aspect=Habit(-0.22, 0.14, 0.12),
    bend=Habit(0.040, 0.012, 0.012, 0.01),
    wobble=Habit(0.006, 0.003, 0.002, 0.0),
    looseness=Habit(0.034, 0.016, 0.010, 0.0),
    overrun=Habit(0.030, 0.020, 0.020, 0.0),
    rounding=Habit(0.070, 0.030, 0.012, 0.015),
    joining=Habit(0.50, 0.30, 0.0, 0.0),
    radius=Habit(1.32, 0.30, 0.12, 0.80),
    pressure=Habit(0.45, 0.15, 0.08, 0.10),
    nib=Habit(0.30, 0.25, 0.08),
    softness=Habit(0.8, 0.12, 0.12, 0.6),
)


@dataclass(frozen=True)
class Paper:
    """Effects of paper and scanner on the ink."""

    fading: float  # variation of the ink along the paper, 0..1
    grain: float  # roughness of the ink's edge, standard deviation in pixels
    specks: float  # mean number of stray marks per image
    gamma: float  # standard deviation of the logarithm of the ink's gamma


LETTER_PAPER = Paper(fading=0.03, grain=0.06, specks=0.0, gamma=0.25)
KANA_PAPER = Paper(fading=0.08, grain=0.15, specks=0.5, gamma=0.15)


STREET_SIZE = 32  # pixels
PICTURES_PER_SIGN = 8

SIGN_HAND = Hand(
    slant=Habit(0.03, 0.08, 0.02),
    tilt=Habit(0.0, 0.05, 0.07),
    aspect=Habit(0.0, 0.22, 0.05),
    bend=Habit(0.008, 0.008, 0.004, 0.0),
    wobble=Habit(0.0, 0.0, 0.0, 0.0),
    looseness=Habit(0.0, 0.006, 0.004, 0.0),
    overrun=Habit(0.0, 0.0, 0.0, 0.0),
    rounding=Habit(0.030, 0.020, 0.0, 0.008),
    joining=Habit(0.0, 0.0, 0.0, 0.0),
    radius=Habit(2.3, 0.70, 0.08, 0.9),
    pressure=Habit(0.0, 0.0, 0.0, 0.0),
    nib=Habit(0.1, 0.35, 0.02),
    softness=Habit(1.0, 0.0, 0.0),
)


@dataclass(frozen=True)
class Street:
    """Parameters of the street and the camera. Colours and light are in 0..1."""

    height: tuple[float, float] = (25.0, 1.9)  # of a digit, pixels: mean, standard deviation
    off_centre: float = 0.85  # standard deviation of the digit's position, pixels
    perspective: float = 0.06  # standard deviation of the relative shrinking of the far side
    neighbour: float = 0.50  # probability of a cut-off digit, per side
    gap: tuple[float, float] = (0.02, 0.30)  # between digits, least and most, digit heights
    contrast: tuple[float, float] = (0.44, 0.88)  # of paint and wall, least and most
    vivid: float = 0.30  # probability that paint or wall has a strong colour
    outlined: float = 0.15  # probability of a rim of a third colour around the digits
    hollow: float = 0.01  # probability that digits consist of their rim only
    shadow: float = 0.25  # probability of a shadow beside the digits
    edge: float = 0.35  # probability that the edge of the sign is visible
    clutter: float = 0.038  # standard deviation of blots on the wall
    shade: float = 0.13  # standard deviation of the light's change across the picture
    blur: tuple[float, float] = (0.64, 0.36)  # pixels: median, deviation of the logarithm
    noise: float = 0.008  # standard deviation of the camera's noise


STREET = Street()
