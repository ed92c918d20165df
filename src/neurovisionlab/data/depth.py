"""Pictures deeper than 8 bits: one rule for a whole set, from its training pictures.

Bytes of pictures scaled one by one would not be comparable: the same grey would be another
number in each. Of whole numbers the rule is the smallest of a few bit depths that holds the
largest value; of floats the smallest of a few ranges. Pictures that are kept apart for the test,
or for validation, choose nothing: what exceeds the range in them is clipped, and counted. (Of a set
without such parts all pictures decide: which of them will test is not known when it is read.)
Pictures of 8 bits in the same set stay as they are.
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
# a picture that was resized or filtered may overshoot its range a little
_TOLERANCE = 1.1
_RANGES = (1.0, 255.0, 65535.0)
_FEW_LEVELS = 32
_MOST = 0.999
_BLOCK = 1 << 20
# the raw mode by which Pillow reads the other byte of each pair
_OTHER_BYTE = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}


def is_deep(picture: Image.Image) -> bool:
    """Say whether a picture, not yet decoded, holds more than 8 bits a channel."""
    return family_of(picture.mode) is not None or is_wide(picture)


def family_of(mode: str) -> Family | None:
    """Return what kind of deep values a mode of Pillow's holds; None if none."""
    if mode == "F":
        return "float"
    return "whole" if mode == "I" or "I;16" in mode else None


@dataclass(frozen=True)
class Extremes:
    """What one deep picture holds.

    Attributes:
        family: whole numbers or floats.
        file_bits: what its format could hold, of whole numbers.
        low, high: its smallest and largest finite value.
        is_finite: nothing in it is infinite or no number.
        counts_V: how often whole numbers 0..65535 occur; larger ones are in the last.
    """

    family: Family
    file_bits: int
    low: float
    high: float
    is_finite: bool = True
    counts_V: NDArray[np.int64] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class DepthRule:
    """How deep pictures of a family become bytes.

    Attributes:
        top: the value that becomes 255; of whole numbers 2^bits - 1.
        bits: of whole numbers; None for floats.
    """

    top: float
    bits: int | None = None

    def apply(self, values: DeepPixels) -> NDArray[np.uint8]:
        """Return bytes of the same shape."""
        if self.bits is not None:
            shifted = values.astype(np.int64) >> (self.bits - 8)
            return shifted.clip(0, 255).astype(np.uint8)
        finite = np.nan_to_num(values.astype(np.float32, copy=False))
        scale = 255.0 / self.top
        with np.errstate(over="ignore"):  # what stood for infinity
            return (finite * scale).clip(0, 255).round().astype(np.uint8)


DepthRules = dict[Family, DepthRule]


def extremes_of(path: Path, picture: Image.Image) -> Extremes:
    """Return what a deep picture, opened from a path, holds; decodes it.

    Raises:
        Exception: what Pillow says of a file it cannot decode.
    """
    if is_wide(picture):
        return _wide_extremes(path, picture)
    strips = Upright(picture).strips()
    return reduce(_joined, (_extremes(np.asarray(strip), picture.mode) for strip in strips))


def _extremes(values: DeepPixels, mode: str) -> Extremes:
    """Return what a part of a picture holds."""
    if mode == "F":
        is_finite = np.isfinite(values)
        finite = values[is_finite]
        low, high = float(finite.min(initial=0)), float(finite.max(initial=0))
        return Extremes("float", 32, low, high, bool(is_finite.all()))
    file_bits = 32 if mode == "I" else 16
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    return Extremes("whole", file_bits, low, high, counts_V=_counts(values))


def _joined(one: Extremes, other: Extremes) -> Extremes:
    """Return what two parts of a picture hold together."""
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
    """Return what a picture of 16 bits a colour holds; opacity does not count."""
    wide = Wide(path, picture)
    high = reduce(_joined, (_extremes(one[..., :3], "") for one in wide.high_strips()))
    if high.high >= 1 << 14:  # the low bytes decide nothing
        return high
    return reduce(_joined, (_extremes(one[..., :3], "") for one in wide.strips()))


def is_wide(picture: Image.Image) -> bool:
    """Say whether a picture, not yet decoded, holds 16 bits of each colour.

    Pillow has no such mode and keeps the high bytes.
    """
    return any(_raw_mode(tile) in _OTHER_BYTE for tile in getattr(picture, "tile", ()))


class Wide:
    """All 16 bits of a picture that `is_wide`, upright, by strips.

    The file is decoded once for the high bytes and, as if the order of bytes were the other, once
    more for the low ones.

    Attributes:
        size: width and height.
    """

    def __init__(self, path: Path, picture: Image.Image) -> None:
        self._path, self._form = path, str(picture.format)
        self._high = Upright(picture)
        self.size = self._high.size

    def high_strips(self, multiple: int = 1) -> Iterator[NDArray[np.uint16]]:
        """Yield strips, uint16 [h, W, 3 or 4], all but the last a multiple of so many rows high.

        The low byte of each value is 0.
        """
        for strip in self._high.strips(multiple):
            yield np.asarray(strip).astype(np.uint16) << np.uint16(8)

    def strips(self, multiple: int = 1) -> Iterator[NDArray[np.uint16]]:
        """Yield strips as `high_strips` does, of whole values."""
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
    for first in range(0, len(flat), _BLOCK):  # bincount makes 8 bytes of each
        block = flat[first : first + _BLOCK].clip(0, len(counts_V) - 1).astype(np.int64)
        counts_V += np.bincount(block, minlength=len(counts_V))
    return counts_V


@dataclass
class Survey:
    """What the deep pictures of a set hold, gathered one by one; little of each is kept.

    Attributes:
        found: {position of the picture: its extremes, without counts}.
        counts_V: counts of the training pictures together.
    """

    num_train: int
    found: dict[int, Extremes] = field(default_factory=dict)
    counts_V: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1 << 16, np.int64))

    def add(self, position: int, one: Extremes) -> None:
        """Take note of the picture at a position in the set."""
        if one.counts_V is not None and position < self.num_train:
            self.counts_V += one.counts_V
        self.found[position] = replace(one, counts_V=None)

    def rules(self) -> DepthRules:
        """Return the rule of each family that occurs, from training pictures where there are."""
        return {
            own: _rule(own, self._deciding(own))
            for own in dict.fromkeys(one.family for one in self.found.values())
        }

    def _deciding(self, own: Family) -> list[Extremes]:
        every = {at: one for at, one in self.found.items() if one.family == own}
        return [one for at, one in every.items() if at < self.num_train] or list(every.values())

    def notes(self, names: Sequence[str]) -> tuple[Statement, ...]:
        """Say how the set's deep pictures were scaled, and what was lost; `names` by position."""
        said: list[Statement] = []
        for own, rule in self.rules().items():
            every = {at: one for at, one in self.found.items() if one.family == own}
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
    """Say where files of 16 bits hold fewer, as those of many cameras and microscopes do."""
    full = max(min(one.file_bits, 16) for one in deciding)
    if rule.bits is not None and rule.bits < full:
        largest = _value(max(one.high for one in deciding))
        yield state(notes.NARROW, largest=largest, full=(1 << full) - 1, bits=rule.bits)


def _few_levels(
    rule: DepthRule, deciding: Sequence[Extremes], counts_V: NDArray[np.int64]
) -> Iterable[Statement]:
    """Warn where few of 256 levels of grey are left, single pixels aside."""
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
