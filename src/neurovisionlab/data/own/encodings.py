"""Text files as other programs write them: which encoding was it?"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from neurovisionlab.core.errors import DataError, mould

_MARKS = (  # longest first: UTF-32's mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# bytes of one letter each: Western Europe's, Ukraine's, and one that has a letter for every byte
_SINGLE_BYTE = ("cp1252", "cp1251", "latin-1")


def texts_of(path: Path) -> Iterator[str]:
    """Yield what a CSV file may say: once where its encoding is certain, else likeliest first.

    Raises:
        DataError: no such file, or one that is no text.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        got = getattr(error, "strerror", None) or str(error)
        raise _no_text(path, got[:1].lower() + got[1:]) from None
    if content.startswith(b"PK\x03\x04"):
        raise _no_text(path, "a workbook or another archive")
    encodings = _encodings(content)
    texts = [text for one in encodings if (text := _decoded(content, one)) is not None]
    if not texts:
        raise _no_text(path, "bytes that are no text")
    yield from texts


def _encodings(content: bytes) -> tuple[str, ...]:
    for mark, name in _MARKS:
        if content.startswith(mark):
            return (name,)
    later, earlier = content[1::2].count(0), content[::2].count(0)
    if later + earlier > len(content) / 4:  # without its mark: letters of ASCII have one NUL each
        return ("utf-16-le" if later > earlier else "utf-16-be",)
    return ("utf-8",) if _decoded(content, "utf-8") is not None else _SINGLE_BYTE


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _no_text(path: Path, got: str) -> DataError:
    remedy = "the path of one, saved as CSV in UTF-8"
    return DataError(mould(f"split.groups {path}", "a CSV file with image,group", got, remedy))
