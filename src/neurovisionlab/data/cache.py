"""Cache of descriptions and decoded images of data sets.

An entry carries a checksum ("seal"), and a decoded data set its digest. An empty, truncated or
altered entry counts as absent: it is reported, removed and recomputed, without effect on other
entries.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import platform
import shutil
import uuid
from collections.abc import Iterator, Mapping
from os import getpid
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from pydantic import TypeAdapter

from neurovisionlab.core.spec import DataInfo
from neurovisionlab.core.statements import Notes
from neurovisionlab.data.files import (
    content_of,
    flush,
    flushed,
    is_shortage,
    remove_drafts,
    write_flushed,
    write_whole,
)
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet, Provenance

_log = logging.getLogger(__name__)

_SEAL = "seal"  # entries of the first versions have no seal
_DRAFT = ".draft-"
_DAMAGED = "a damaged entry of the cache counts as absent and is made anew"
_MOST_BYTES = 256 << 20  # of files other than arrays
_DAY_S = 86_400.0
_NOTES = TypeAdapter(Notes)


class _DamagedError(Exception):
    """An entry differs from what was stored."""


# ── descriptions of data sets ────────────────────────────────────────────────────────────────


def cached_info(home: DataHome, key: str) -> DataInfo | None:
    """Return the description stored under `key`; None if absent, or (with a warning) damaged."""
    path = _info_path(home, key)
    try:
        content = _unsealed(path)
        content.pop(_SEAL, None)
        return DataInfo.model_validate_json(json.dumps(content))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # json and pydantic may raise anything for damaged text
        if not is_shortage(error):
            _take_away(path)
        return None


def keep_info(home: DataHome, key: str, info: DataInfo) -> None:
    """Store `info` under `key`, or do nothing if the cache is not writable."""
    path = _info_path(home, key)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _sealed(info.model_dump(mode="json")))
        _sweep(path.parent)


def _info_path(home: DataHome, key: str) -> Path:
    return home.cache_dir / "infos" / f"{key}.json"


# ── decoded sets ─────────────────────────────────────────────────────────────────────────────


def cached_set(home: DataHome, key: str) -> ImageSet | None:
    """Return the decoded data set stored under `key`, its images memory-mapped; None if absent.

    The content is verified against its digest, at more than 1 GB per second. A mismatch is
    reported, and the data set counts as absent.
    """
    folder = _set_path(home, key)
    if not (folder / "meta.json").is_file() and not folder.is_dir():
        return None
    try:
        meta = _unsealed(folder / "meta.json")
        images = _mapped(folder, meta)
        _check(images, meta)
    except Exception as error:  # numpy may raise anything for damaged arrays
        if not is_shortage(error):
            _take_away(folder)
        return None
    return images


def keep_set(home: DataHome, key: str, images: ImageSet) -> None:
    """Store a decoded data set under `key` atomically, safe against power failure."""
    folder = _set_path(home, key)
    # the cache is read-only or full, or another process was faster
    with contextlib.suppress(OSError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _draft(folder.parent) as draft:
            draft.mkdir()
            _sweep(folder.parent)
            _write_array(draft / "images.npy", images.images_NHWC)
            _write_array(draft / "labels.npy", images.labels_N)
            if images.groups_N is not None:
                _write_array(draft / "groups.npy", images.groups_N)
            write_flushed(draft / "meta.json", _sealed(_meta_of(images)))
            flush(draft)
            draft.rename(folder)
        flush(folder.parent)


def _set_path(home: DataHome, key: str) -> Path:
    return home.cache_dir / "sets" / key


def _meta_of(images: ImageSet) -> dict[str, Any]:
    provenance = images.provenance
    return {
        "name": images.name,
        "digest": images.digest,
        "class_names": images.class_names,
        "parts": images.parts,
        "has_groups": images.groups_N is not None,
        "group_names": images.group_names,
        "notes": _NOTES.dump_python(provenance.notes),
        "provenance": {
            "source": provenance.source,
            "licence": provenance.licence,
            "synthetic": provenance.synthetic,
        },
    }


def _mapped(folder: Path, meta: Mapping[str, Any]) -> ImageSet:
    notes = _NOTES.validate_python(meta["notes"])
    return ImageSet(
        name=meta["name"],
        images_NHWC=np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False),
        labels_N=np.load(folder / "labels.npy", allow_pickle=False),
        class_names=tuple(meta["class_names"]),
        parts={part: (first, stop) for part, (first, stop) in meta["parts"].items()},
        provenance=Provenance(**(meta["provenance"] | {"notes": notes})),
        groups_N=(
            np.load(folder / "groups.npy", allow_pickle=False) if meta["has_groups"] else None
        ),
        group_names=tuple(meta.get("group_names", ())),
    )


def _check(images: ImageSet, meta: Mapping[str, Any]) -> None:
    """Refuse a data set that differs from the stored one; for old entries, an impossible one."""
    num = len(images.images_NHWC)
    numbers = [one for one in (images.labels_N, images.groups_N) if one is not None]
    are_right = all(one.shape == (num,) and one.dtype == np.int64 for one in numbers)
    stops = [0, *(stop for _, stop in images.parts.values())]
    firsts = [*(first for first, _ in images.parts.values()), num]
    if not are_right or stops != firsts:
        raise _DamagedError
    if ("digest" in meta) != (_SEAL in meta) or meta.get("digest", images.digest) != images.digest:
        raise _DamagedError


def _write_array(path: Path, array: NDArray[Any]) -> None:
    with flushed(path) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)


# ── entries of former versions ───────────────────────────────────────────────────────────────


def agree(home: DataHome, set_key: str, info_key: str, images: ImageSet) -> bool:
    """Return whether entries of former versions, without seals, agree about a data set's digest.

    Entries that agree get seals; others are removed.

    Args:
        home: with the cache.
        set_key: key of the decoded data set; "" if it is not cached.
        info_key: key of its description.
        images: the data set in use.
    """
    meta_path = _set_path(home, set_key) / "meta.json" if set_key else None
    paths = [path for path in (meta_path, _info_path(home, info_key)) if path and _is_old(path)]
    info = cached_info(home, info_key) if paths else None
    if info is None:
        return True
    if info.digest != images.digest:
        _take_away(_info_path(home, info_key))
        if meta_path is not None:
            _take_away(meta_path.parent)
        return False
    keep_info(home, info_key, info)
    return True


def _is_old(path: Path) -> bool:
    try:
        return _SEAL not in _unsealed(path)
    except Exception:  # absent or damaged: reported at its use
        return False


# ── seals ────────────────────────────────────────────────────────────────────────────────────


def _sealed(content: Mapping[str, Any]) -> bytes:
    return json.dumps({**content, _SEAL: _seal_of(content)}).encode()


def _seal_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _unsealed(path: Path) -> dict[str, Any]:
    """Return the content of an entry after verifying its seal, if it has one."""
    content: dict[str, Any] = json.loads(content_of(path, _MOST_BYTES))
    rest = {name: value for name, value in content.items() if name != _SEAL}
    if _SEAL in content and content[_SEAL] != _seal_of(rest):
        raise _DamagedError
    return content


# ── drafts, and removal ──────────────────────────────────────────────────────────────────────


def _take_away(path: Path) -> None:
    """Report a damaged entry, and remove it if permitted."""
    if not path.exists():  # another process removed it
        return
    _log.warning("warning: %s: %s", _DAMAGED, path)
    with contextlib.suppress(OSError), _draft(path.parent) as away:
        path.rename(away)  # atomically: no process sees a partial entry


@contextlib.contextmanager
def _draft(parent: Path) -> Iterator[Path]:
    """Yield a temporary path in a folder; it is removed afterwards."""
    path = parent / f"{_DRAFT}{platform.node()}-{getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        yield path
    finally:
        _remove(path)


def _sweep(parent: Path) -> None:
    """Remove drafts of dead processes, and any other draft after a day.

    The folder was changed a moment ago, so its time of change is the current time.
    """
    now_s = parent.stat().st_mtime
    remove_drafts(parent)
    for path in parent.iterdir():
        if path.name.startswith((".", "tmp")) and _is_stale(path, now_s):
            _remove(path)


def _is_stale(path: Path, now_s: float) -> bool:
    with contextlib.suppress(OSError):
        if now_s - path.lstat().st_mtime > _DAY_S:
            return True
    if path.name.startswith(_DRAFT):
        node, number, _ = path.name.removeprefix(_DRAFT).rsplit("-", 2)
        return node == platform.node() and number.isdigit() and not psutil.pid_exists(int(number))
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
