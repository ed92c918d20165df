"""Runs a command in a memory control group of its own: whatever takes more is killed by the kernel.

Needs root and a file system of control groups, of version 1 or 2; see `can_limit`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit status; negative for a signal, as subprocess has it.
        out, err: what it said.
        num_killed: processes of the group that the kernel killed for want of memory.
        peak_bytes: the most that the group held, its cache of files included; 0 if unknown.
    """

    code: int
    out: str
    err: str
    num_killed: int
    peak_bytes: int


@cache
def can_limit() -> bool:
    """Say whether memory control groups can be made here."""
    try:
        with _group(1 << 30):
            return True
    except OSError:
        return False


def run_limited(
    command: Sequence[str],
    limit_bytes: int,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 600,
) -> Ended:
    """Run a command and all its children in a group that may hold so many bytes, without swap.

    Raises:
        subprocess.TimeoutExpired: it took too long; it is killed.
    """
    join = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    with _group(limit_bytes) as group:
        done = subprocess.run(
            ["/bin/sh", "-c", join, str(group), *command],
            env=None if env is None else {**os.environ, **env},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr, _num_killed(group), _peak(group))


@contextlib.contextmanager
def _group(limit_bytes: int) -> Iterator[Path]:
    above = V1 if (V1 / "memory.limit_in_bytes").exists() else V2
    if above == V2 and "memory" not in (V2 / "cgroup.subtree_control").read_text().split():
        raise OSError("no memory control groups")
    group = above / f"nvl-test-{uuid.uuid4().hex[:12]}"
    group.mkdir()
    try:
        limit = "memory.limit_in_bytes" if above == V1 else "memory.max"
        (group / limit).write_text(str(limit_bytes))
        _without_swap(group, limit_bytes)
        yield group
    finally:
        _remove(group)


def _without_swap(group: Path, limit_bytes: int) -> None:
    for name, value in (("memory.memsw.limit_in_bytes", limit_bytes), ("memory.swap.max", 0)):
        if (group / name).exists():
            (group / name).write_text(str(value))


def _remove(group: Path) -> None:
    """Remove a group, as soon as its last process is gone."""
    for _ in range(100):
        try:
            group.rmdir()
            return
        except OSError:
            for number in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(number), 9)
            time.sleep(0.05)
    group.rmdir()


def _num_killed(group: Path) -> int:
    for name in ("memory.oom_control", "memory.events"):
        if (group / name).exists():
            pairs = [line.split() for line in (group / name).read_text().splitlines()]
            return sum(int(number) for key, number in pairs if key == "oom_kill")
    return 0


def _peak(group: Path) -> int:
    for name in ("memory.max_usage_in_bytes", "memory.peak"):
        if (group / name).exists():
            return int((group / name).read_text())
    return 0
