"""The memory control groups of tests hold what they promise."""

from __future__ import annotations

import sys

import pytest

from limits import run_limited

TAKE = "import sys; taken = bytearray(int(sys.argv[1])); print(len(taken), 'taken')"


@pytest.mark.cgroup
def test_who_takes_more_than_the_limit_is_killed_and_others_are_not() -> None:
    few = run_limited([sys.executable, "-c", TAKE, str(20 << 20)], 100 << 20)
    assert (few.code, few.out, few.num_killed) == (0, f"{20 << 20} taken\n", 0)
    assert few.peak_bytes == 0 or 20 << 20 < few.peak_bytes < 100 << 20
    many = run_limited([sys.executable, "-c", TAKE, str(200 << 20)], 100 << 20)
    assert many.code == -9
    assert many.num_killed == 1


@pytest.mark.cgroup
def test_the_limit_of_a_group_is_what_the_process_sees() -> None:
    code = "from neurovisionlab.data.budget import available_bytes; print(available_bytes())"
    seen = run_limited([sys.executable, "-c", code], 300 << 20)
    assert 150 << 20 < int(seen.out) < 300 << 20
