"""Text for CSV cells, protected against interpretation as a formula by spreadsheets.

Such text is prefixed with an apostrophe, as OWASP recommends; numbers are unchanged. Control
characters are escaped (`neutral`). Parquet and JSON have the original names.
"""

from __future__ import annotations

import re

from neurovisionlab.out.neutral import neutral

# start of a formula, also after characters that programs skip, and in East Asian wide forms
_PASSED_OVER = "[\\s\"'`\u200b-\u200f\u2018-\u201f\u2060\ufeff]*"
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
_BEGINS = re.compile(f"(?:{_PASSED_OVER}[{_SIGNS}]|[\t\r\n])")
# positions at which a program splits a cell if it expects separators other than commas
_WITHIN = re.compile(f"([;\t\r\n])(?={_PASSED_OVER}[{_SIGNS}])")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def in_csv(value: object) -> object:
    """Return a value for a CSV cell; values other than text are returned unchanged.

    >>> [in_csv(value) for value in ("vit-tiny", "=1+1", "-0.5", -0.5)]
    ['vit-tiny', "'=1+1", '-0.5', -0.5]
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    text = neutral(value)
    apart = _WITHIN.sub(r"\1'", text)
    return f"'{apart}" if _BEGINS.match(text) else apart


def from_csv(cell: str) -> str:
    """Return the text that `in_csv` wrote, unless a separator within it was marked.

    >>> from_csv("'=1+1"), from_csv("'quoted'")
    ('=1+1', "'quoted'")
    """
    is_marked = cell.startswith("'") and _BEGINS.match(cell[1:]) is not None
    return cell[1:] if is_marked else cell
