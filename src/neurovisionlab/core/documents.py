"""TOML documents written by users: parsing, bounds on their values, and readable errors."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from neurovisionlab.core.errors import SpecError, mould
from neurovisionlab.core.problems import endless, shown

# a cell takes a second at least: more would run for days, and a study's lists are no longer
MOST_CELLS = 100_000
MOST_SEED = 2**63 - 1  # the largest integer that tables and exports hold exactly
_MOST_LINES = 50  # of mistakes reported at once
_DEEPEST = 50


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Parse a TOML document into plain values.

    Raises:
        SpecError: the text is not TOML, or holds values that no field accepts.
    """
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise _too_odd(where, _NESTED) from None
    except ValueError as error:  # not TOML, or an integer that Python refuses to parse
        raise SpecError(f"{where}: expected TOML, got {error}; try to mend that line") from None
    check_plain(document, where)
    return document


_NESTED = f"lists or tables within each other more than {_DEEPEST} times"


def check_plain(document: Mapping[str, Any], where: str) -> None:
    """Refuse values that no field accepts: excessive nesting, integers of excessive length.

    Raises:
        SpecError: the document holds such a value.
    """
    rest: list[tuple[Any, int]] = [(document, 0)]
    while rest:
        value, depth = rest.pop()
        if depth > _DEEPEST:
            raise _too_odd(where, _NESTED)
        if isinstance(value, Mapping):
            rest += [(one, depth + 1) for one in value.values()]
        elif isinstance(value, list | tuple):
            rest += [(one, depth + 1) for one in value]
        elif isinstance(value, int) and endless(value):
            raise _too_odd(where, shown(value))


def _too_odd(where: str, got: str) -> SpecError:
    return SpecError(mould(where, "text, numbers, lists and tables of them", got, "less of it"))


def mistakes(where: str, lines: list[str]) -> SpecError:
    """Return the error that lists all mistakes of a document, or the first of very many."""
    count = "1 mistake" if len(lines) == 1 else f"{len(lines):,} mistakes"
    if len(lines) > _MOST_LINES:
        count += f", the first {_MOST_LINES} of them"
    return SpecError("\n  ".join([f"{where}: {count}", *lines[:_MOST_LINES]]))


def product(factors: Mapping[str, int]) -> str:
    """Return "3 models × 20 seeds"; factors of 1 are left out."""
    return " × ".join(f"{count:,} {name}" for name, count in factors.items() if count != 1)
