"""Text files and paths written by users: read where they are unambiguous, else one error."""

from __future__ import annotations

import codecs
import errno
import os
import stat
from pathlib import Path

from neurovisionlab.core.errors import SpecError, mould
from neurovisionlab.data.files import opened

_LONGEST_NAME_BYTES = 255
MOST_BYTES = 1 << 20  # of a file written by a user
_MARKS = (  # UTF-32 first: its mark starts with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNMARKED = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def user_path(written: str | os.PathLike[str], what: str) -> Path:
    """Return a user's path, with ~ replaced by the home folder.

    Args:
        written: the path.
        what: its name in messages.

    Raises:
        SpecError: the home folder is unknown, or the path is not a valid file name.
    """
    path = possible_path(written, what)
    try:
        return path.expanduser()
    except RuntimeError:  # an unknown user, or an unknown home folder
        got = f"{str(path)!r}, a home folder that is not known here"
        raise SpecError(mould(what, "a path", got, "the full path")) from None


def possible_path(written: str | os.PathLike[str], what: str) -> Path:
    """Return a path as written, whether or not it exists.

    Raises:
        SpecError: the path is not a valid file name.
    """
    text = os.fspath(written)
    try:
        names = os.fsencode(text).split(os.fsencode(os.sep))
    except UnicodeEncodeError:
        got = f"{text!r}, which is no text"
        raise SpecError(mould(what, "a path", got, "another name")) from None
    if "\0" in text or max(map(len, names)) > _LONGEST_NAME_BYTES:
        expected = f"a path, its names of at most {_LONGEST_NAME_BYTES} bytes and without NUL"
        got = repr(text) if len(text) < 80 else f"{text[:60]!r}… ({len(text)} characters)"
        raise SpecError(mould(what, expected, got, "another name"))
    return Path(text)


def is_there(path: Path) -> bool:
    """Return whether a file of that name exists, even without permission to query it."""
    try:
        path.stat()
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ENOTDIR)
    return True


def read_text(path: Path, kind: str = "a TOML file") -> str:
    r"""Return a file's text in any Unicode encoding, with lines ended by \n.

    UTF-8, UTF-16 and UTF-32 are read, with a byte order mark or, if unambiguous, without.

    Raises:
        SpecError: not a regular file, not readable, too large, or not Unicode text.
    """
    where = str(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            got = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
            raise SpecError(mould(where, kind, got, "the path of a file"))
        with opened(path) as file:  # it may have been replaced since
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        got = error.strerror or str(error)
        raise SpecError(mould(where, f"{kind} one can read", got, "another file")) from None
    if len(content) > MOST_BYTES:
        got = "a larger one"
        raise SpecError(mould(where, f"{kind} of at most {MOST_BYTES:,} bytes", got, "another"))
    return decoded(content, where)


def decoded(content: bytes, where: str) -> str:
    r"""Return bytes as text, with lines ended by \n.

    Raises:
        SpecError: not Unicode text, or ambiguous.
    """
    name, mark = unicode_of(content)
    text = _decoded_as(content.removeprefix(mark), name, where)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise SpecError(mould(where, "text", f"a NUL byte in line {line}", "to save it as UTF-8"))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def unicode_of(content: bytes) -> tuple[str, bytes]:
    """Return the Unicode encoding of bytes (UTF-8 by default), and their byte order mark."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name, mark
    # UTF-8 text has no NUL bytes; ASCII letters in the wider encodings do
    wide = [one for one in _UNMARKED if _looks_like(content, one)] if b"\0" in content else []
    return wide[0] if len(wide) == 1 else "utf-8", b""


def _decoded_as(content: bytes, name: str, where: str) -> str:
    try:
        return content.decode(name)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        got = f"byte 0x{content[error.start]:02x} in line {line}"
        usual = name.upper().removesuffix("-LE").removesuffix("-BE")
        remedy = "to save it as UTF-8 in your editor"
        raise SpecError(mould(where, f"text in {usual}", got, remedy)) from None


def _looks_like(content: bytes, name: str) -> bool:
    """Return whether bytes decode to text: no control characters, at least half of it ASCII."""
    try:
        text = content.decode(name)
    except UnicodeDecodeError:
        return False
    ascii_letters = sum(letter.isascii() for letter in text)
    controls = any(letter < " " and letter not in "\t\r\n" for letter in text)
    return not controls and 2 * ascii_letters >= len(text) > 0
