"""How much memory this process may still take: of the machine, its control groups, its own limits.

A container's limit is that of a control group. It is not seen in what the machine has free, and
whoever exceeds it is killed without a word.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

_OWN = Path("/proc/self")


class _GroupFiles(NamedTuple):
    """What the files of a version of control groups are called, and lines in its statistics."""

    limits: tuple[str, ...]
    usage: str
    cache: tuple[str, ...]
    mapped: str


_V1 = _GroupFiles(
    ("memory.limit_in_bytes",),
    "memory.usage_in_bytes",
    ("total_inactive_file", "total_active_file"),
    "total_mapped_file",
)
# above `high` nothing is killed, but everything stands nearly still
_V2 = _GroupFiles(
    ("memory.max", "memory.high"),
    "memory.current",
    ("inactive_file", "active_file"),
    "file_mapped",
)


def available_bytes(own: Path = _OWN) -> int:
    """Return how many bytes this process can take now; 0 if there is nothing left.

    The least of what the machine has free, what each memory control group above the process (of
    version 1 or 2) leaves, its cache of files counted as free as far as nothing maps it, and what
    the limits of address space and data leave.

    Args:
        own: the folder in which the system describes this process.
    """
    left = (*_left_by_groups(own), *_left_by_own_limits(own))
    return max(0, min((psutil.virtual_memory().available, *left)))


def _left_by_groups(own: Path) -> Iterator[int]:
    """Yield what each group leaves, from the process's own up to where they are mounted."""
    for names, mount, group in _groups(own):
        folder = mount / group
        while True:
            yield from _left_by(folder, names)
            if folder == mount:
                break
            folder = folder.parent


def _left_by(folder: Path, names: _GroupFiles) -> Iterator[int]:
    usage = _number(folder / names.usage)
    limits = [limit for name in names.limits if (limit := _number(folder / name)) is not None]
    if usage is None or not limits:
        return
    pairs = [line.split() for line in _lines(folder / "memory.stat")]
    stat = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
    cache = sum(stat.get(name, 0) for name in names.cache) - stat.get(names.mapped, 0)
    yield min(limits) - usage + max(0, cache)


def _groups(own: Path) -> Iterator[tuple[_GroupFiles, Path, str]]:
    """Yield (names of its files, where its kind is mounted, path below) of each memory group."""
    paths: dict[_GroupFiles, str] = {}
    for line in _lines(own / "cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            paths[_V2] = path
        elif "memory" in controllers.split(","):
            paths[_V1] = path
    for line in _lines(own / "mountinfo"):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        is_v1 = kind[0] == "cgroup" and "memory" in kind[2].split(",")
        names = _V1 if is_v1 else _V2
        if (is_v1 or kind[0] == "cgroup2") and names in paths:
            below = _below(_unescaped(fields[3]), paths[names])
            yield names, Path(_unescaped(fields[4])), below


def _below(root: str, path: str) -> str:
    """Return a group's path below a mount of `root`; in a container it may lie outside."""
    pieces, above = [[one for one in text.split("/") if one] for text in (path, root)]
    if ".." in pieces or pieces[: len(above)] != above:
        return ""
    return "/".join(pieces[len(above) :])


def _unescaped(text: str) -> str:
    r"""Return a path of the list of mounts, in which a space is \040."""
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text


def _left_by_own_limits(own: Path) -> Iterator[int]:
    """Yield what the limits of address space and data leave, where the system keeps them."""
    pages = " ".join(_lines(own / "statm")).split()
    if len(pages) < 6 or not all(one.isdigit() for one in pages):
        return
    for limit, used in ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5])):
        most, _ = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY:
            yield most - int(used) * resource.getpagesize()


def _number(path: Path) -> int | None:
    text = " ".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None  # else "max", or no such file


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
