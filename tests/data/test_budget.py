"""How much memory is left: control groups of both versions, containers, limits of a process."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from neurovisionlab.data import budget
from neurovisionlab.data.budget import available_bytes

FREE = 1 << 40
UNLIMITED = 9223372036854771712  # what version 1 says where there is no limit
V1 = ("cgroup", "rw,memory")
V2 = ("cgroup2", "rw,nsdelegate")


@pytest.fixture(autouse=True)
def much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the machine 1 TiB of free memory, so that the groups decide."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=FREE))


def process(folder: Path, group: str, root: str, kind: tuple[str, str], mount: str = "fs") -> Path:
    """Describe a process in a control group as the kernel would; return its folder."""
    own = folder / "own"
    own.mkdir()
    memory = "4:memory:" if kind == V1 else "0::"
    (own / "cgroup").write_text(f"9:name=systemd:/other\n{memory}{group}\n5:devices:/x\n")
    where = str(folder / mount).replace(" ", "\\040")
    (own / "mountinfo").write_text(
        "21 1 8:1 / / rw - ext4 /dev/root rw\n"
        f"30 25 0:26 {root} {where} rw,nosuid shared:5 - {kind[0]} cgroup {kind[1]}\n"
        f"31 25 0:27 / {folder / 'none'} rw - cgroup cgroup rw,devices\n"
    )
    return own


def v1(folder: Path, limit: int, usage: int, stat: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"inactive_file 7\n{stat}")


def v2(folder: Path, limit: str, usage: int, stat: str = "", high: str = "max") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.high").write_text(f"{high}\n")
    (folder / "memory.current").write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{stat}")


def test_a_group_of_version_1_leaves_its_limit_less_its_use(tmp_path: Path) -> None:
    own = process(tmp_path, "/jobs/a", "/", V1)
    v1(tmp_path / "fs" / "jobs" / "a", 1000, 600)
    v1(tmp_path / "fs", UNLIMITED, 10**12)
    assert available_bytes(own) == 400


def test_the_cache_of_files_is_free_as_far_as_it_is_not_mapped(tmp_path: Path) -> None:
    own = process(tmp_path, "/a", "/", V1)
    stat = "total_inactive_file 200\ntotal_active_file 100\ntotal_mapped_file 50\nodd line here\n"
    v1(tmp_path / "fs" / "a", 1000, 600, stat)
    assert available_bytes(own) == 650
    (tmp_path / "two").mkdir()
    own = process(tmp_path / "two", "/a", "/", V2)
    stat = "inactive_file 200\nactive_file 100\nfile_mapped 50\n"
    v2(tmp_path / "two" / "fs" / "a", "1000", 600, stat)
    assert available_bytes(own) == 650


@pytest.mark.parametrize("kind", [V1, V2])
def test_the_narrowest_level_decides(tmp_path: Path, kind: tuple[str, str]) -> None:
    own = process(tmp_path, "/jobs/a/b", "/", kind)
    fs = tmp_path / "fs"
    if kind == V1:
        v1(fs / "jobs" / "a" / "b", UNLIMITED, 10)
        v1(fs / "jobs" / "a", 500, 200)
        v1(fs / "jobs", 5000, 300)
    else:
        v2(fs / "jobs" / "a" / "b", "max", 10)
        v2(fs / "jobs" / "a", "500", 200)
        v2(fs / "jobs", "5000", 300)
    assert available_bytes(own) == 300


def test_version_2_slows_down_above_high(tmp_path: Path) -> None:
    own = process(tmp_path, "/a", "/", V2)
    v2(tmp_path / "fs" / "a", "1000", 100, high="400")
    assert available_bytes(own) == 300


@pytest.mark.parametrize(
    ("group", "root"),
    [
        ("/docker/abc", "/docker/abc"),  # the container sees its own group at the mount
        ("/docker/abc", "/docker/other"),
        ("/../../elsewhere", "/"),
        ("/", "/"),
    ],
)
def test_in_a_container_the_mount_is_the_group(tmp_path: Path, group: str, root: str) -> None:
    own = process(tmp_path, group, root, V1, "a mount")
    v1(tmp_path / "a mount", 1000, 999)
    assert available_bytes(own) == 1


def test_a_group_below_a_containers_is_found(tmp_path: Path) -> None:
    own = process(tmp_path, "/docker/abc/job", "/docker/abc", V2)
    v2(tmp_path / "fs" / "job", "50", 20)
    assert available_bytes(own) == 30


def test_nothing_left_is_none_and_never_less(tmp_path: Path) -> None:
    own = process(tmp_path, "/a", "/", V2)
    v2(tmp_path / "fs" / "a", "100", 150)
    assert available_bytes(own) == 0


def test_where_no_limit_is_known_the_machine_decides(tmp_path: Path) -> None:
    assert available_bytes(tmp_path / "nothing") == FREE
    own = process(tmp_path, "/a", "/", V2)
    v2(tmp_path / "fs" / "a", "max", 150)
    (tmp_path / "fs" / "memory.max").write_bytes(b"\xff\n")
    assert available_bytes(own) == FREE
    (own / "mountinfo").write_bytes(b"\xff no - list\n")
    assert available_bytes(own) == FREE


@pytest.mark.parametrize(("limit", "at"), [("RLIMIT_AS", 0), ("RLIMIT_DATA", 5)])
def test_limits_of_the_process_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, at: int
) -> None:
    pages = ["9"] * 7
    pages[at] = "100"
    (tmp_path / "statm").write_text(" ".join(pages))
    kept = 150 * resource.getpagesize()

    def getrlimit(which: int) -> tuple[int, int]:
        return (kept if which == getattr(resource, limit) else resource.RLIM_INFINITY, -1)

    monkeypatch.setattr(budget.resource, "getrlimit", getrlimit)
    assert available_bytes(tmp_path) == 50 * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no such limit is kept here")
def test_a_real_limit_is_seen() -> None:
    code = """
import resource
from neurovisionlab.data.budget import available_bytes
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
print(available_bytes())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ}, capture_output=True, text=True, check=True
    )
    assert 0 < int(done.stdout) < 3 << 30
