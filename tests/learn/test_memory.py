"""What a process does with freed memory, in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from neurovisionlab.learn import memory
from neurovisionlab.learn.device import choose

# glibc first keeps next to nothing, which it may come to by itself, depending on what went before
FAULTS = """
import ctypes, resource, sys
import torch
from neurovisionlab.learn.memory import keep_freed
ctypes.CDLL(None).mallopt(-1, 2**17)  # M_TRIM_THRESHOLD
if sys.argv[1] == "keep":
    keep_freed()

def step():
    held = [torch.ones(2**20) for _ in range(32)]

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _without_own_choices() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in memory._OWN_CHOICES}


def _faults(mode: str, **environment: str) -> int:
    """Return how many pages ten steps of 128 MiB each ask the system for."""
    called = subprocess.run(
        [sys.executable, "-c", FAULTS, mode],
        env={**_without_own_choices(), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(called.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_what_a_step_frees_serves_the_next_one() -> None:
    plain, kept = _faults("plain"), _faults("keep")
    assert plain > 10_000  # 32,768 pages of 4 KiB a step, less where they are larger
    assert kept < plain / 10


@pytest.mark.parametrize("own_choice", [False, True])
def test_after_a_peak_large_blocks_are_given_out_as_usual(
    monkeypatch: pytest.MonkeyPatch, own_choice: bool
) -> None:
    for name in memory._OWN_CHOICES:
        monkeypatch.delenv(name, raising=False)
    if own_choice:
        monkeypatch.setenv("LD_PRELOAD", "")
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(memory, "_map_from", lambda *bytes_: asked.append(bytes_))
    peak = memory.PeakMemory(choose())
    assert asked[-1][0] == memory._EXACT_BYTES
    peak.read()
    assert asked[-1][0] == memory._USUAL_BYTES
    assert (asked[-1][1] == memory._ALL) != own_choice


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_users_own_choice_stands() -> None:
    assert _faults("keep", MALLOC_TRIM_THRESHOLD_="131072") > 10_000
