"""Images deeper than 8 bits: one rule of scaling for a data set, from its training images.

Scaling images one by one would make them incomparable: the same grey would become different
numbers. For integers the rule is the smallest of a few bit depths that holds the largest value; for
floats the smallest of a few ranges. Images of separate test or validation parts have no influence:
values beyond the range are clipped and counted. (In a data set without such parts all images count:
it is not known at reading which will be for testing.) Images of 8 bits in the same data set are
left unchanged.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neurovisionlab.core.statements import Statement, state
from neurovisionlab.data import notes
from neurovisionlab.data.decoders import opened_picture
from neurovisionlab.data.strips import Upright

Family = Literal["whole", "float"]
DeepPixels = NDArray[np.generic]

_BITS = (8, 10, 12, 14, 16, 24, 32)
# resized or filtered images may slightly exceed their range
_TOLERANCE = 1.1
_RANGES = (1.0, 255.0, 65535.0)
_FEW_LEVELS = 32
_MOST = 0.999
_BLOCK = 1 << 20
# Pillow's raw mode that reads the other byte of each pair
_OTHER_BYTE = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}


def is_deep(picture: Image.Image) -> bool:
    """Return whether an image, not yet decoded, has more than 8 bits per channel."""
    return family_of(picture.mode) is not None or is_wide(picture)


def family_of(mode: str) -> Family | None:
    """Return the kind of deep values of a mode of Pillow; None for 8 bits."""
    if mode == "F":
        return "float"
    return "whole" if mode == "I" or "I;16" in mode else None


@dataclass(frozen=True)
class Extremes:
    """Range and counts of values of one deep image.

    Attributes:
        family: integers ("whole") or floats.
        file_bits: bits per value of its format, for integers.
        low, high: smallest and largest finite value.
        is_finite: no value is infinite or NaN.
        counts_V: int64 [65536], number of occurrences of each integer; larger ones count as the
            last.
    """

    family: Family
    file_bits: int
    low: float
    high: float
    is_finite: bool = True
    counts_V: NDArray[np.int64] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class DepthRule:
    """Conversion of a family of deep images to uint8.

    Attributes:
        top: the value that becomes 255; for integers 2^bits - 1.
        bits: for integers; None for floats.
    """

    top: float
    bits: int | None = None

    def apply(self, values: DeepPixels) -> NDArray[np.uint8]:
        """Return uint8 of the same shape."""
        if self.bits is not None:
            shifted = values.astype(np.int64) >> (self.bits - 8)
            return shifted.clip(0, 255).astype(np.uint8)
        finite = np.nan_to_num(values.astype(np.float32, copy=False))
        scale = 255.0 / self.top
        with np.errstate(over="ignore"):  # values close to infinity
            return (finite * scale).clip(0, 255).round().astype(np.uint8)


DepthRules = dict[Family, DepthRule]


def extremes_of(path: Path, picture: Image.Image) -> Extremes:
    """Decode a deep image, opened from a path, and return its range of values.

    Raises:
        Exception: any error of Pillow about a file that it cannot decode.
    """
    if is_wide(picture):
        return _wide_extremes(path, picture)
    strips = Upright(picture).strips()
    return reduce(_joined, (_extremes(np.asarray(strip), picture.mode) for strip in strips))


def _extremes(values: DeepPixels, mode: str) -> Extremes:
    """Return the range of values of a part of an image."""
    if mode == "F":
        is_finite = np.isfinite(values)
        finite = values[is_finite]
        low, high = float(finite.min(initial=0)), float(finite.max(initial=0))
        return Extremes("float", 32, low, high, bool(is_finite.all()))
    file_bits = 32 if mode == "I" else 16
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    return Extremes("whole", file_bits, low, high, counts_V=_counts(values))


def _joined(one: Extremes, other: Extremes) -> Extremes:
    """Combine the ranges of two parts of an image."""
    counts_V = one.counts_V
    if counts_V is not None and other.counts_V is not None:
        counts_V = counts_V + other.counts_V
    return Extremes(
        one.family,
        one.file_bits,
        min(one.low, other.low),
        max(one.high, other.high),
        one.is_finite and other.is_finite,
        counts_V,
    )


def _wide_extremes(path: Path, picture: Image.Image) -> Extremes:
    """Return the range of an image with 16 bits per colour; alpha does not count."""
    wide = Wide(path, picture)
    high = reduce(_joined, (_extremes(one[..., :3], "") for one in wide.high_strips()))
    if high.high >= 1 << 14:  # the low bytes cannot change the rule
        return high
    return reduce(_joined, (_extremes(one[..., :3], "") for one in wide.strips()))


def is_wide(picture: Image.Image) -> bool:
    """Return whether an image, not yet decoded, has 16 bits per colour.

    Pillow has no such mode and keeps only the high bytes.
    """
    return any(_raw_mode(tile) in _OTHER_BYTE for tile in getattr(picture, "tile", ()))


class Wide:
    """All 16 bits of an image for which `is_wide` holds, upright, by strips.

    The file is decoded once for the high bytes and, with swapped byte order, once more for the low
    bytes.

    Attributes:
        size: width and height.
    """

    def __init__(self, path: Path, picture: Image.Image) -> None:
        self._path, self._form = path, str(picture.format)
        self._high = Upright(picture)
        self.size = self._high.size

    def high_strips(self, multiple: int = 1) -> Iterator[NDArray[np.uint16]]:
        """Yield strips uint16 [h, W, 3 or 4]; all h but the last are multiples of `multiple`.

        The low byte of each value is 0.
        """
        for strip in self._high.strips(multiple):
            yield np.asarray(strip).astype(np.uint16) << np.uint16(8)

    def strips(self, multiple: int = 1) -> Iterator[NDArray[np.uint16]]:
        """Yield strips uint16 [h, W, 3 or 4] like `high_strips`, with complete values."""
        with opened_picture(self._path, [self._form]) as again:
            again.tile = [_swapped(tile) for tile in again.tile]
            low = Upright(again)
        for high, strip in zip(self.high_strips(multiple), low.strips(multiple), strict=True):
            yield high | np.asarray(strip)


def _raw_mode(tile: Any) -> str:
    args = tile[3]
    return str(args[0] if isinstance(args, tuple) and args else args)


def _swapped(tile: Any) -> Any:
    other = _OTHER_BYTE[_raw_mode(tile)]
    args = (other, *tile[3][1:]) if isinstance(tile[3], tuple) else other
    return tile._replace(args=args)


def _counts(values: DeepPixels) -> NDArray[np.int64]:
    flat = values.reshape(-1)
    counts_V = np.zeros(1 << 16, np.int64)
    for first in range(0, len(flat), _BLOCK):  # bincount converts to 8 bytes per value
        block = flat[first : first + _BLOCK].clip(0, len(counts_V) - 1).astype(np.int64)
        counts_V += np.bincount(block, minlength=len(counts_V))
    return counts_V


@dataclass
class Survey:
    """Ranges of the deep images of a data set, collected one by one, with little memory for each.

    Attributes:
        num_train: number of training images, which come first.
        extremes: {position of the image: its range, without counts}.
        counts_V: int64 [65536], sum of the counts of the training images.
    """

    num_train: int
    extremes: dict[int, Extremes] = field(default_factory=dict)
    counts_V: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1 << 16, np.int64))

    def add(self, position: int, one: Extremes) -> None:
        """Add the image at a position of the data set."""
        if one.counts_V is not None and position < self.num_train:
            self.counts_V += one.counts_V
        self.extremes[position] = replace(one, counts_V=None)

    def rules(self) -> DepthRules:
        """Return the rule of each family that occurs, from training images if there are any."""
        return {
            own: _rule(own, self._deciding(own))
            for own in dict.fromkeys(one.family for one in self.extremes.values())
        }

    def _deciding(self, own: Family) -> list[Extremes]:
        every = {at: one for at, one in self.extremes.items() if one.family == own}
        return [one for at, one in every.items() if at < self.num_train] or list(every.values())

    def notes(self, names: Sequence[str]) -> tuple[Statement, ...]:
        """Return notes on the scaling of deep images and its losses; `names` are by position."""
        said: list[Statement] = []
        for own, rule in self.rules().items():
            every = {at: one for at, one in self.extremes.items() if one.family == own}
            deciding = self._deciding(own)
            top = _value(rule.top)
            said.append(state(notes.DEEP, top=top, count=len(every)))
            said += _narrow(rule, deciding)
            said += _few_levels(rule, deciding, self.counts_V)
            lost = {
                notes.NEGATIVE: [at for at, one in every.items() if one.low < 0],
                notes.NOT_FINITE: [at for at, one in every.items() if not one.is_finite],
                notes.CLIPPED: [at for at, one in every.items() if one.high > rule.top],
            }
            said += [
                notes.named(key, [names[at] for at in positions], top=top)
                for key, positions in lost.items()
                if positions
            ]
        return tuple(said)


def _rule(own: Family, deciding: Sequence[Extremes]) -> DepthRule:
    high = max(one.high for one in deciding)
    if own == "whole":
        bits = next(bits for bits in _BITS if high < 1 << bits)
        return DepthRule(float((1 << bits) - 1), bits)
    top = next((top for top in _RANGES if high <= top * _TOLERANCE), high)
    return DepthRule(top)


def _narrow(rule: DepthRule, deciding: Sequence[Extremes]) -> Iterable[Statement]:
    """Note that files of 16 bits use fewer, as those of many cameras and microscopes do."""
    full = max(min(one.file_bits, 16) for one in deciding)
    if rule.bits is not None and rule.bits < full:
        largest = _value(max(one.high for one in deciding))
        yield state(notes.NARROW, largest=largest, full=(1 << full) - 1, bits=rule.bits)


def _few_levels(
    rule: DepthRule, deciding: Sequence[Extremes], counts_V: NDArray[np.int64]
) -> Iterable[Statement]:
    """Warn if few of 256 grey levels are left, outliers aside."""
    low, high = min(one.low for one in deciding), max(one.high for one in deciding)
    total = counts_V.sum()
    if rule.bits is not None and rule.bits <= 16 and total:
        share_V = np.cumsum(counts_V) / total
        low, high = np.searchsorted(share_V, ((1 - _MOST) / 2, 1 - (1 - _MOST) / 2))
    low, high = max(low, 0), min(high, rule.top)
    levels = int((high - low) * 255 / rule.top) + 1
    if levels < _FEW_LEVELS:
        values = {"low": _value(low), "high": _value(high), "top": _value(rule.top)}
        yield state(notes.FEW_LEVELS, levels=levels, **values)


def _value(value: float) -> Statement:
    return state("data.pixel_value", value=float(value))
