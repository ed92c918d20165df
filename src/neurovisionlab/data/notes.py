"""Keys of notes on how a data set was read; `out.words` has the text of each."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from neurovisionlab.core.statements import Stated, Statement, state

# control characters, lone surrogates, line and paragraph separators
_UNPRINTABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))
_MOST_NAMES = 3
_LONGEST_NAME = 80

NOT_PUBLISHED = "data.not_published"
NOT_VERIFIED = "data.not_verified"
SKIPPED = "data.skipped"

# files in a folder of images that are not used
NO_PICTURES = "data.no_pictures"
NOT_READ_KINDS = "data.not_read_kinds"
OUTSIDE = "data.outside"
EMPTY = "data.empty"
BESIDE = "data.beside"
RUNS = "data.runs"
HIDDEN = "data.hidden"
LINKS = "data.links"
CLOSED_FOLDERS = "data.closed_folders"
CLOSED_FILES = "data.closed_files"
UNUSED = (
    CLOSED_FOLDERS,
    CLOSED_FILES,
    NOT_READ_KINDS,
    OUTSIDE,
    EMPTY,
    BESIDE,
    NO_PICTURES,
    LINKS,
    RUNS,
    HIDDEN,
)

UNUSED_ARRAYS = "data.unused_arrays"

# interpretation of the files that are used
PART_FOLDERS = "data.part_folders"
ONE_CLASS = "data.one_class"
ESCAPED = "data.escaped"
ABSENT = "data.absent"
LOST = "data.lost"
FRAMES = "data.frames"

# conversion of images of more than 8 bits to uint8
DEEP = "data.deep"
NARROW = "data.narrow"
FEW_LEVELS = "data.few_levels"
NEGATIVE = "data.negative"
NOT_FINITE = "data.not_finite"
CLIPPED = "data.clipped"

UNUSED_ROWS = "data.unused_rows"
SHARED_GROUPS = "data.shared_groups"
NO_IMAGES = "data.no_images"
LABELS_FROM = "data.labels_from"
LOOK_ALIKE = "data.look_alike"


def printable(name: str) -> str:
    r"""Return a name that can be printed and stored, other characters as backslash escapes.

    >>> printable("a\nb"), printable("caf\udce9")
    ('a\\x0ab', 'caf\\xe9')
    """
    return "".join(
        _escaped(ord(one)) if unicodedata.category(one) in _UNPRINTABLE else one for one in name
    )


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # Python's representation of a byte that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def named(key: str, names: Sequence[str], **fields: Stated) -> Statement:
    """Return a statement with a count and the first few names."""
    few = [_short(printable(name)) for name in names[:_MOST_NAMES]]
    more = ("…",) if len(names) > _MOST_NAMES else ()
    return state(key, count=len(names), names=(*few, *more), **fields)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:30]}…{name[-45:]}"


def some_names(names: Iterable[str], most: int = 8) -> str:
    """Return the first `most` names in one line.

    >>> some_names("ABCD", most=2)
    'A, B, …'
    """
    listed = list(names)
    return ", ".join([*listed[:most], *(["…"] if len(listed) > most else [])])
