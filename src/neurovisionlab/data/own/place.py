"""Folders of users' own images, and the order of their parts."""

from __future__ import annotations

from pathlib import Path

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import Provenance, Span
from neurovisionlab.data.notes import printable

PARTS = ("train", "val", "test")
OWN = Provenance("the user's own", "the user's own")


def locate(ref: DataRef, home: DataHome) -> Path:
    """Return the folder named by "folder:DIR" or "npz:DIR": as written, else below the data folder.

    Raises:
        DataError: neither exists, or the name is invalid or cannot be stored.
    """
    kind, _, typed = ref.name.partition(":")
    said = printable(ref.name)
    if said != ref.name:
        expected = "a name of printable characters in UTF-8"
        raise DataError(mould(said, expected, "others", "to rename the folder"))
    if not typed.strip():
        raise DataError(mould(ref.name, "a folder behind the colon", "none", f"{kind}:DIR"))
    try:
        written = Path(typed).expanduser()
    except RuntimeError as error:  # an unknown user: ~nobody
        raise DataError(mould(ref.name, "a home folder", str(error), "the full path")) from None
    try:
        for candidate in (written, home.data_dir / written):
            if candidate.is_dir():
                return candidate
    except OSError as error:  # a name that is too long, or no permission above it
        got = error.strerror or "an error"
        raise DataError(mould(ref.name, "a folder", got, "the full path")) from None
    places = f"{written} or {home.data_dir / written}"
    raise DataError(mould(ref.name, f"a folder {places}", "neither", "the full path"))


def consecutive(counts: dict[str, int]) -> dict[str, Span]:
    """Return {part: (first image, one past the last)} for consecutive parts."""
    parts: dict[str, Span] = {}
    first = 0
    for name, count in counts.items():
        parts[name] = (first, first + count)
        first += count
    return parts
