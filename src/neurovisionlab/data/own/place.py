"""Where a user's own images lie, and how their parts follow each other."""

from __future__ import annotations

from pathlib import Path

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import Part, Provenance

PARTS = ("train", "val", "test")
OWN = Provenance("the user's own", "the user's own")


def locate(ref: DataRef, home: DataHome) -> Path:
    """Return the folder a "folder:DIR" or "npz:DIR" names: as typed, else below the data folder.

    Raises:
        DataError: neither exists.
    """
    written = Path(ref.name.split(":", 1)[1]).expanduser()
    for candidate in (written, home.data_dir / written):
        if candidate.is_dir():
            return candidate
    places = f"{written} or {home.data_dir / written}"
    raise DataError(mould(ref.name, f"a folder {places}", "neither", "the full path"))


def consecutive(counts: dict[str, int]) -> dict[str, Part]:
    """Return {part: (first image, one past the last)} for parts that lie one behind the other."""
    parts: dict[str, Part] = {}
    first = 0
    for name, count in counts.items():
        parts[name] = (first, first + count)
        first += count
    return parts
