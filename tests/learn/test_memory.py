"""What a process does with freed memory, in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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


def _faults(mode: str, **environment: str) -> int:
    """Return how many pages ten steps of 128 MiB each ask the system for."""
    called = subprocess.run(
        [sys.executable, "-c", FAULTS, mode],
        env={**os.environ, **environment},
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


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_users_own_choice_stands() -> None:
    assert _faults("keep", MALLOC_TRIM_THRESHOLD_="131072") > 10_000
