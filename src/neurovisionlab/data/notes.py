"""What is worth knowing about how a data set was read: stored in English, said in any language."""

from __future__ import annotations

from collections.abc import Iterable

from neurovisionlab.core.speech import Sentence

NOT_PUBLISHED = Sentence("{name} is not the published file (its MD5 differs)")
NOT_VERIFIED = Sentence("not verified, no published MD5 is known: {names}")
SKIPPED = Sentence("{count} unreadable pictures skipped: {first}")

UNUSED_ROWS = Sentence("groups: rows of {table} that are of no image here: {count}, first {first}")
SHARED_GROUPS = Sentence("groups with images in more than one part: {count} of {total}, {names}")
NO_IMAGES = Sentence("classes without any image ({count}): {names}")
LABELS_FROM = Sentence("classes without any image ({count}): {names}; labels run {low} to {high}")
LOOK_ALIKE = Sentence("class names that are hard to see or to tell apart: {names}")

NOTES = (
    NOT_PUBLISHED,
    NOT_VERIFIED,
    SKIPPED,
    UNUSED_ROWS,
    SHARED_GROUPS,
    LABELS_FROM,  # before the one that would read it, too
    NO_IMAGES,
    LOOK_ALIKE,
)


def some_names(names: Iterable[str], most: int = 8) -> str:
    """Return the first `most` names in one line.

    >>> some_names("ABCD", most=2)
    'A, B, …'
    """
    listed = list(names)
    return ", ".join([*listed[:most], *(["…"] if len(listed) > most else [])])
