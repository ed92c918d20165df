"""A number with its interval, and what two of them say together."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Literal, NamedTuple

# bounded, so that a ratio of two is finite, and so is one times the power of ten of its digits
NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")

# "rounding": the ends bound the value with certainty; "chance": they are confidence limits
Uncertainty = Literal["rounding", "chance"]


class Quantity(NamedTuple):
    """A value and the ends of its interval; both ends are None where none is known."""

    value: float
    low: float | None = None
    high: float | None = None


def half_unit(text: str) -> float:
    """Return half a unit of the last digit that `text` prints.

    >>> half_unit("4.1"), half_unit("2523")
    (0.05, 0.5)
    """
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int), "NUMBER admits finite numbers alone"
    return float(Decimal(5).scaleb(exponent - 1))


def printed(text: str) -> Quantity:
    """Return what a printed number stands for: all values that round to it.

    Raises:
        ValueError: not a plain decimal number (`NUMBER`): 15 digits at most on each side of the
            point.

    >>> printed("89.7")
    Quantity(value=89.7, low=89.65, high=89.75)
    """
    if not NUMBER.fullmatch(text):
        raise ValueError(f"expected a decimal number, got {text!r}")
    number, half = Decimal(text), Decimal(str(half_unit(text)))
    return Quantity(float(number), float(number - half), float(number + half))


def difference(first: Quantity, second: Quantity, kind: Uncertainty) -> Quantity:
    """Return first − second with its interval; no interval where one of the two has none.

    Chance: the distances from each estimate to its limits are added in squares, which holds for
    independent estimates (MOVER; Zou & Donner 2008, Statistics in Medicine 27, equations 5 and
    6) and is too wide for estimates that move together, as accuracies on the same images do.
    """
    value = first.value - second.value
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Quantity(value)
    down = _joined(first.value - first.low, second.high - second.value, kind)
    up = _joined(first.high - first.value, second.value - second.low, kind)
    return Quantity(value, value - down, value + up)


def ratio(first: Quantity, second: Quantity, kind: Uncertainty) -> Quantity | None:
    """Return first ÷ second with its interval, by way of logarithms; None unless both are above 0.

    An interval that reaches down to 0 has no logarithm: then the ratio has no interval either.
    """
    if first.value <= 0 or second.value <= 0:
        return None
    value = first.value / second.value
    logs = difference(_log(first), _log(second), kind)
    if logs.low is None or logs.high is None:
        return Quantity(value)
    low, high = (value * math.exp(end - logs.value) for end in (logs.low, logs.high))
    return Quantity(value, low, high)


def side(quantity: Quantity, of: float) -> Literal["above", "below"] | None:
    """Return on which side of a number a whole interval lies; None if that cannot be told."""
    if quantity.low is None or quantity.high is None:
        return None
    if quantity.low > of:
        return "above"
    return "below" if quantity.high < of else None


def _joined(one: float, other: float, kind: Uncertainty) -> float:
    return math.hypot(one, other) if kind == "chance" else one + other


def _log(quantity: Quantity) -> Quantity:
    low, high = quantity.low, quantity.high
    if low is None or high is None or low <= 0:
        return Quantity(math.log(quantity.value))
    return Quantity(math.log(quantity.value), math.log(low), math.log(high))
