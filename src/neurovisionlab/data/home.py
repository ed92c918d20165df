"""Where data sets lie and where what was computed of them is cached."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

from neurovisionlab.core.errors import DataError, ResourceError, mould
from neurovisionlab.core.spec import DataInfo, DataRef
from neurovisionlab.data.images import ImageSet, Provenance
from neurovisionlab.data.texts import user_path


@dataclass(frozen=True)
class DataHome:
    """Two folders: `data_dir` holds data sets (read), `cache_dir` what can be made again."""

    data_dir: Path
    cache_dir: Path

    @classmethod
    def find(cls, data_dir: str | os.PathLike[str] | None = None) -> DataHome:
        """Take `data_dir`, else NVL_DATA, else the user's cache; NVL_CACHE moves the cache.

        Raises:
            NvlError: a path that cannot be one, or nobody knows where the user's home folder is.
        """
        cache = Path(os.environ.get("NVL_CACHE") or _users_cache())
        data = user_path(data_dir or os.environ.get("NVL_DATA") or cache / "data", "--data")
        return cls(data, cache)


def _users_cache() -> str:
    with contextlib.suppress(RuntimeError):  # from platformdirs 4.6 on
        folder = platformdirs.user_cache_dir("neurovisionlab")
        if not folder.startswith("~"):
            return folder
    got = "neither HOME nor a user of this number"
    remedy = "NVL_CACHE=DIR, a folder for what can be made again"
    raise ResourceError(mould("HOME", "a home folder", got, remedy))


def fingerprint(ref: DataRef, facts: Iterable[str]) -> str:
    """Return the key of everything cached about `ref`: path, size and time of its files."""
    content = json.dumps([ref.model_dump(mode="json"), *facts])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def file_facts(paths: Iterable[Path]) -> list[str]:
    """Return a line with path, size in bytes and time of change in ns for each file."""
    return [f"{path.absolute()}|{_state(path)}" for path in paths]


def _state(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:  # a link to nowhere: whoever reads it will say so
        return "unreadable"
    return f"{stat.st_size}|{stat.st_mtime_ns}"


def cached_info(home: DataHome, key: str) -> DataInfo | None:
    """Return what was stored under `key`; None if there is nothing that can be read."""
    try:
        return DataInfo.model_validate_json((home.cache_dir / "infos" / f"{key}.json").read_text())
    except (OSError, ValueError):  # pydantic says ValueError, too
        return None


def keep_info(home: DataHome, key: str, info: DataInfo) -> None:
    """Store `info` under `key`. A cache that cannot be written is done without."""
    try:
        folder = home.cache_dir / "infos"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
            file.write(info.model_dump_json())
        Path(file.name).replace(folder / f"{key}.json")
    except OSError:
        pass


def cached_set(home: DataHome, key: str) -> ImageSet | None:
    """Return a decoded set stored under `key`, its images mapped from disk; None if absent."""
    folder = home.cache_dir / "sets" / key
    try:
        meta = json.loads((folder / "meta.json").read_text())
        return ImageSet(
            name=meta["name"],
            images_NHWC=np.load(folder / "images.npy", mmap_mode="r"),
            labels_N=np.load(folder / "labels.npy"),
            class_names=tuple(meta["class_names"]),
            parts={part: (first, stop) for part, (first, stop) in meta["parts"].items()},
            provenance=Provenance(**(meta["provenance"] | {"notes": tuple(meta["notes"])})),
            groups_N=np.load(folder / "groups.npy") if meta["has_groups"] else None,
            group_names=tuple(meta.get("group_names", ())),
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, DataError):
        return None


def keep_set(home: DataHome, key: str, images: ImageSet) -> None:
    """Store a decoded set under `key`, complete or not at all."""
    provenance = images.provenance
    meta = {
        "name": images.name,
        "class_names": images.class_names,
        "parts": images.parts,
        "has_groups": images.groups_N is not None,
        "group_names": images.group_names,
        "notes": provenance.notes,
        "provenance": {
            "source": provenance.source,
            "licence": provenance.licence,
            "synthetic": provenance.synthetic,
        },
    }
    parent = home.cache_dir / "sets"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=parent))
    except OSError:  # read-only
        return
    try:
        np.save(folder / "images.npy", images.images_NHWC)
        np.save(folder / "labels.npy", images.labels_N)
        if images.groups_N is not None:
            np.save(folder / "groups.npy", images.groups_N)
        (folder / "meta.json").write_text(json.dumps(meta))
        folder.rename(parent / key)
    except OSError:  # full, or another process was faster: leave no half set behind
        shutil.rmtree(folder, ignore_errors=True)
