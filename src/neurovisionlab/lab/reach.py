"""Limits on the files that reading a run may open.

Allowed are images that ship with the package, and regular files below the folder of data sets. A
run may name any path, since its study may be of unknown origin.
"""

from __future__ import annotations

import os
from pathlib import Path

from neurovisionlab.core.errors import NvlError
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.official import OFFICIAL, files_of
from neurovisionlab.data.own.place import locate
from neurovisionlab.data.sources import OWN_KINDS, SOURCES


def is_embedded(ref: DataRef) -> bool:
    """Return whether the images come from the package alone, without any file of the user."""
    return ref.name in SOURCES and ref.name not in OFFICIAL and ref.groups is None


def within_reach(ref: DataRef, home: DataHome) -> DataRef | None:
    """Return how to load a data set of a run without leaving the folder of data sets.

    Opens no file; lists only folders below `home.data_dir`.

    Returns:
        `ref`, or a reference with the full path in that folder; None if that is impossible: the
        files are elsewhere, or a link below the folder leads out of it.
    """
    if is_embedded(ref):
        return ref
    try:
        base = home.data_dir.resolve()
        if ref.groups is not None and not _is_file_below(base, Path(ref.groups)):
            return None
        if ref.name in OFFICIAL:
            is_near = all(_is_file_below(base, path) for path in files_of(ref.name, home))
            return ref if is_near else None
        return ref if ref.name in SOURCES else _own_below(base, ref, home)
    except (OSError, RuntimeError, ValueError, NvlError):  # circular links, bad names, no files
        return None


def _own_below(base: Path, ref: DataRef, home: DataHome) -> DataRef | None:
    kind, _, typed = ref.name.partition(":")
    if kind not in OWN_KINDS or not typed:
        return None
    if _is_below(base, locate(ref, home)):
        place, near = locate(ref, home), ref
    else:  # the working folder has such a folder, too, which is not meant
        place = home.data_dir / typed
        near = ref.model_copy(update={"name": f"{kind}:{place.absolute()}"})
    is_closed = place.is_dir() and _is_below(base, place) and not _has_way_out(base, place)
    return near if is_closed else None


def _is_below(base: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(base)


def _is_file_below(base: Path, path: Path) -> bool:
    return _is_below(base, path) and path.is_file()


def _has_way_out(base: Path, place: Path) -> bool:
    """Return whether a link below a folder leads out of `base`."""
    for folder, folders, names in os.walk(place.resolve()):
        for name in (*folders, *names):
            path = Path(folder, name)
            if path.is_symlink() and not _is_below(base, path):
                return True
    return False
