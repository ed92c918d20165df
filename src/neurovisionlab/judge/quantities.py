"""Numbers with intervals, and their differences and ratios."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Literal, NamedTuple

# bounded, so that a ratio of two numbers, and a number scaled by its last digit, stay finite
NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")

# "rounding": the ends bound the value with certainty; "chance": the ends are confidence limits
Uncertainty = Literal["rounding", "chance"]


class Quantity(NamedTuple):
    """A value and the ends of its interval; both ends are None if unknown."""

    value: float
    low: float | None = None
    high: float | None = None


def half_unit(text: str) -> float:
    """Return half a unit of the last printed digit.

    >>> half_unit("4.1"), half_unit("2523")
    (0.05, 0.5)
    """
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int), "NUMBER admits finite numbers alone"
    return float(Decimal(5).scaleb(exponent - 1))


def printed(text: str) -> Quantity:
    """Return a printed number with the interval of all values that round to it.

    Raises:
        ValueError: not a plain decimal number (`NUMBER`) with at most 15 digits on each side of the
            point.

    >>> printed("89.7")
    Quantity(value=89.7, low=89.65, high=89.75)
    """
    if not NUMBER.fullmatch(text):
        raise ValueError(f"expected a decimal number, got {text!r}")
    number, half = Decimal(text), Decimal(str(half_unit(text)))
    return Quantity(float(number), float(number - half), float(number + half))


def difference(first: Quantity, second: Quantity, kind: Uncertainty) -> Quantity:
    """Return first − second with its interval; without interval if either has none.

    Chance: the distances from each estimate to its limits are added in squares, which holds for
    independent estimates (MOVER; Zou & Donner 2008, Statistics in Medicine 27, equations 5 and 6)
    and is too wide for positively correlated estimates, such as accuracies on the same images.
    """
    value = first.value - second.value
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Quantity(value)
    down = _joined(first.value - first.low, second.high - second.value, kind)
    up = _joined(first.high - first.value, second.value - second.low, kind)
    return Quantity(value, value - down, value + up)


def ratio(first: Quantity, second: Quantity, kind: Uncertainty) -> Quantity | None:
    """Return first ÷ second with its interval, by way of logarithms; None unless both are above 0.

    An interval that reaches down to 0 has no logarithm: the ratio then has no interval.
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
    """Return the side of a number on which a whole interval lies; None if undecided."""
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
