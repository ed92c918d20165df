"""Folders of data sets and of the cache (see `data.cache`)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from neurovisionlab.core.errors import ResourceError, mould
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.texts import user_path


@dataclass(frozen=True)
class DataHome:
    """Folders: `data_dir` has data sets (read only), `cache_dir` data that can be recomputed."""

    data_dir: Path
    cache_dir: Path

    @classmethod
    def find(cls, data_dir: str | os.PathLike[str] | None = None) -> DataHome:
        """Use `data_dir`, else NVL_DATA, else the user's cache folder; NVL_CACHE sets the cache.

        Raises:
            NvlError: a path is invalid, or the user's home folder is unknown.
        """
        cache = Path(os.environ.get("NVL_CACHE") or _users_cache())
        data = user_path(data_dir or os.environ.get("NVL_DATA") or cache / "data", "--data")
        return cls(data, cache)


def _users_cache() -> str:
    with contextlib.suppress(RuntimeError):  # raised by platformdirs from 4.6 on
        folder = platformdirs.user_cache_dir("neurovisionlab")
        if not folder.startswith("~"):
            return folder
    got = "neither HOME nor a user of this number"
    remedy = "NVL_CACHE=DIR, a folder for what can be made again"
    raise ResourceError(mould("HOME", "a home folder", got, remedy))


def fingerprint(ref: DataRef, facts: Iterable[str]) -> str:
    """Return the cache key of `ref`, from the path, size and time of its files."""
    content = json.dumps([ref.model_dump(mode="json"), *facts])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def file_facts(paths: Iterable[Path]) -> list[str]:
    """Return a line with path, size in bytes and time of change in ns for each file."""
    return [f"{path.absolute()}|{_state(path)}" for path in paths]


def _state(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:  # a dangling link: reported when it is read
        return "unreadable"
    return f"{stat.st_size}|{stat.st_mtime_ns}"
