"""Detection of the encoding of text files written by other programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.data.files import content_of
from neurovisionlab.data.texts import unicode_of

_MOST_BYTES = 256 << 20  # a table of a million images is smaller
# single-byte encodings: Western European, Ukrainian, and one that decodes any byte
_SINGLE_BYTE = ("cp1252", "cp1251", "latin-1")


def texts_of(path: Path) -> Iterator[str]:
    """Yield possible texts of a CSV file: one if its encoding is certain, else the likeliest first.

    Raises:
        DataError: the file is missing, not a regular file, too large, or not text.
    """
    try:
        content = content_of(path, _MOST_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        got = getattr(error, "strerror", None) or str(error)
        raise _no_text(path, got[:1].lower() + got[1:]) from None
    if content.startswith(b"PK\x03\x04"):
        raise _no_text(path, "a workbook or another archive")
    name, mark = unicode_of(content)
    is_certain = bool(mark) or name != "utf-8" or _decoded(content, name) is not None
    encodings = (name,) if is_certain else _SINGLE_BYTE
    content = content.removeprefix(mark)
    texts = [text for one in encodings if (text := _decoded(content, one)) is not None]
    if not texts:
        raise _no_text(path, "bytes that are no text")
    yield from texts


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _no_text(path: Path, got: str) -> DataError:
    remedy = "the path of one, saved as CSV in UTF-8"
    return DataError(mould(f"split.groups {path}", "a CSV file with image,group", got, remedy))
