"""What is worth knowing about how a data set was read: stored in English, said in any language."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from neurovisionlab.core.speech import Sentence

# control characters, line and paragraph separators, bytes that are no UTF-8
_UNPRINTABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))
_MOST_NAMES = 3
_LONGEST_NAME = 80

NOT_PUBLISHED = Sentence("{name} is not the published file (its MD5 differs)")
NOT_VERIFIED = Sentence("not verified, no published MD5 is known: {names}")
SKIPPED = Sentence("{count} unreadable pictures skipped: {first}")

# what lies in a folder of pictures and is not used
NO_PICTURES = Sentence("not used, files that are no pictures: {count} ({names})")
NOT_READ_KINDS = Sentence(
    "not used, pictures of kinds that cannot be read (raw, vector, HEIC, icons): {count} ({names})"
)
OUTSIDE = Sentence("not used, pictures outside the folders of classes: {count} ({names})")
EMPTY = Sentence("not used, folders without pictures: {count} ({names})")
BESIDE = Sentence("not used, folders beside the parts: {count} ({names})")
RUNS = Sentence("not used, results of runs: {count} ({names})")
HIDDEN = Sentence("not used, hidden files and those of the system: {count} ({names})")
LINKS = Sentence("not used, links to nowhere, in circles or within a class: {count} ({names})")
CLOSED_FOLDERS = Sentence("warning: not used, folders that cannot be opened: {count} ({names})")
CLOSED_FILES = Sentence("warning: not used, files that cannot be opened: {count} ({names})")
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

UNUSED_ARRAYS = Sentence("not used, arrays of other names in {file}: {count} ({names})")

# how what is used was understood
PART_FOLDERS = Sentence("folders understood as parts: {names}")
ONE_CLASS = Sentence(
    "class names that are written with other bytes in another part, taken as one: {count} ({names})"
)
ESCAPED = Sentence("class names that cannot be printed, written otherwise: {count} ({names})")
ABSENT = Sentence("warning: classes without a picture in the {part} part: {count} ({names})")
LOST = Sentence("warning: classes left out, no picture of theirs can be read: {count} ({names})")
FRAMES = Sentence(
    "pictures of several frames or pages, of which the first is used: {count} ({names})"
)

# how pictures of more than 8 bits became bytes
DEEP = Sentence("pictures of more than 8 bits, all scaled alike from 0–{top} to 0–255: {count}")
NARROW = Sentence(
    "warning: the largest of their values in training is {largest}, of 0–{full} that the files "
    "could hold: taken as pictures of {bits} bits"
)
FEW_LEVELS = Sentence(
    "warning: 99.9% of the values of pictures of more than 8 bits lie in {low}–{high}, of 0–{top}: "
    "{levels} of 256 levels of grey are left"
)
NEGATIVE = Sentence("warning: pictures with values below 0, made black: {count} ({names})")
NOT_FINITE = Sentence(
    "warning: pictures with values that are infinite or no numbers: {count} ({names})"
)
CLIPPED = Sentence("warning: pictures with values above {top}, made white: {count} ({names})")

UNUSED_ROWS = Sentence("groups: rows of {table} that are of no image here: {count}, first {first}")
SHARED_GROUPS = Sentence("groups with images in more than one part: {count} of {total}, {names}")
NO_IMAGES = Sentence("classes without any image ({count}): {names}")
LABELS_FROM = Sentence("classes without any image ({count}): {names}; labels run {low} to {high}")
LOOK_ALIKE = Sentence("class names that are hard to see or to tell apart: {names}")

NOTES = (
    NOT_PUBLISHED,
    NOT_VERIFIED,
    SKIPPED,
    *UNUSED,
    UNUSED_ARRAYS,
    PART_FOLDERS,
    ONE_CLASS,
    ESCAPED,
    ABSENT,
    LOST,
    FRAMES,
    DEEP,
    NARROW,
    FEW_LEVELS,
    NEGATIVE,
    NOT_FINITE,
    CLIPPED,
    UNUSED_ROWS,
    SHARED_GROUPS,
    LABELS_FROM,  # before the one that would read it, too
    NO_IMAGES,
    LOOK_ALIKE,
)


def printable(name: str) -> str:
    r"""Return a name that can be printed and stored: what cannot be is written with backslashes.

    >>> printable("a\nb"), printable("caf\udce9")
    ('a\\x0ab', 'caf\\xe9')
    """
    return "".join(
        _escaped(ord(one)) if unicodedata.category(one) in _UNPRINTABLE else one for one in name
    )


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that is no UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def named(sentence: Sentence, names: Sequence[str], **fields: object) -> str:
    """Return a sentence in English with a count and the first few names."""
    few = [_short(printable(name)) for name in names[:_MOST_NAMES]]
    more = ", …" if len(names) > _MOST_NAMES else ""
    return sentence.english.format(count=len(names), names=", ".join(few) + more, **fields)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:30]}…{name[-45:]}"


def some_names(names: Iterable[str], most: int = 8) -> str:
    """Return the first `most` names in one line.

    >>> some_names("ABCD", most=2)
    'A, B, …'
    """
    listed = list(names)
    return ", ".join([*listed[:most], *(["…"] if len(listed) > most else [])])
