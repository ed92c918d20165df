"""Bounds on the fields of stored records: wide enough for any cell, safe for every reader.

Records may come from folders of unknown origin. Bounds on numbers lie far beyond real measurements,
so that sums, squares, tables, charts and exports stay finite; strings that become file names are
restricted to safe characters.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from neurovisionlab.core.model_names import no_address

MOST = 2**53  # up to here every whole number is exact in a float, a chart, a browser
MOST_CLASSES = 100_000
_LONGEST_FAILURE = 100_000

Amount = Annotated[int, Field(ge=0, le=MOST)]
Pixels = Annotated[int, Field(ge=1, le=100_000)]
Measure = Annotated[float, Field(ge=0, le=1e30)]  # seconds, MiB, joules, images/s
Loss = Annotated[float, Field(ge=-1e100, le=1e100)]
Epoch = Annotated[int, Field(ge=1, le=1_000_000)]

Words = Annotated[str, Field(max_length=100_000)]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{8,128}\z")]
FileName = Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9._-]{0,199}\z")]
PartName = Annotated[str, Field(pattern=r"^(train|val|test)\z")]

# control characters, lone surrogates, line and paragraph separators
_UNPRINTABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))


def _in_one_line(name: str) -> str:
    if any(unicodedata.category(one) in _UNPRINTABLE for one in name):
        raise ValueError(f"expected printable characters, got {name[:80]!r}; try another name")
    return name


# what a study names: a data set, possibly with its path, or a model
Name = Annotated[str, Field(min_length=1, max_length=5_000), AfterValidator(_in_one_line)]
ModelName = Annotated[Name, AfterValidator(no_address)]


def _moment(text: str) -> str:
    expected = "expected a moment such as 2026-01-31T12:00:00+00:00"
    try:
        found = datetime.fromisoformat(text) if len(text) < 40 else None
    except ValueError:
        found = None
    # a day of slack at both ends: a reader may convert to another time zone
    if found is None or found.tzinfo is None or not 2 <= found.year <= 9998:
        raise ValueError(f"{expected}, got {text[:80]!r}; try that form")
    return text


Moment = Annotated[str, AfterValidator(_moment)]


def _cut(text: object) -> object:
    if isinstance(text, str) and len(text) > _LONGEST_FAILURE:
        half = _LONGEST_FAILURE // 2 - 10
        return f"{text[:half]}\n…\n{text[-half:]}"
    return text


# exception texts have no maximum length: the middle of long ones is cut out
FailureText = Annotated[str, BeforeValidator(_cut)]
