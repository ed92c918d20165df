"""Stopwatches: exclusive, complete, and put right again after an error."""

from __future__ import annotations

import subprocess
import sys
import time as real_time
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psutil
import pytest

from neurovisionlab.learn import clock
from neurovisionlab.learn.clock import Contention, Stopwatches, now_iso


class Time:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Return the time that stopwatches read."""
    made = Time()
    monkeypatch.setattr("time.perf_counter", made)
    return made


def test_clocks_exclude_each_other(time: Time) -> None:
    clocks = Stopwatches()
    time.now_s += 1  # on no clock
    with clocks.on("training"):
        time.now_s += 2
        with clocks.on("evaluation"):
            time.now_s += 4
        time.now_s += 8
    time.now_s += 16
    with clocks.on("training"):
        time.now_s += 32
    assert clocks.seconds("training") == 42
    assert clocks.seconds("evaluation") == 4
    reading = clocks.reading()
    assert (reading.training_s, reading.evaluation_s, reading.setup_s) == (42, 4, 0)
    assert reading.wall_s == 63


def test_a_running_stretch_is_read_too(time: Time) -> None:
    clocks = Stopwatches()
    with clocks.on("training"):
        time.now_s += 3
        assert clocks.seconds("training") == 3
        with clocks.on("evaluation"):
            time.now_s += 5
            assert clocks.seconds("training") == 3
    assert clocks.seconds("staging") == 0


def test_an_error_stops_its_clock(time: Time) -> None:
    clocks = Stopwatches()
    with clocks.on("training"):
        with pytest.raises(ZeroDivisionError), clocks.on("evaluation"):
            time.now_s += 1
            raise ZeroDivisionError
        time.now_s += 10
    assert clocks.seconds("evaluation") == 1
    assert clocks.seconds("training") == 10


def test_the_device_is_waited_for_before_a_clock_changes_hands(time: Time) -> None:
    def wait_for_device() -> None:
        time.now_s += 7  # work that was started and not yet done

    clocks = Stopwatches(wait_for_device)
    with clocks.on("training"):
        pass
    assert clocks.seconds("training") == 7


def test_now_is_utc_to_the_second() -> None:
    told = datetime.fromisoformat(now_iso())
    assert told.utcoffset() == timedelta(0)
    assert told.microsecond == 0
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)


def _spin(seconds: float) -> None:
    end_s = real_time.perf_counter() + seconds
    while real_time.perf_counter() < end_s:
        pass


def test_ones_own_work_is_no_contention_and_others_work_is() -> None:
    cores = psutil.cpu_count() or 1
    alone = Contention()
    _spin(1.0)
    quiet = alone.frac()
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        real_time.sleep(0.3)  # until it has started
        beside = Contention()
        _spin(1.0)
        busy = beside.frac()
    finally:
        other.kill()
        other.wait()
    assert 0 <= quiet <= 1
    # a whole core of another's, unless the machine was full before
    assert busy > min(quiet + 0.5 / cores, 0.4)


def test_what_ones_own_children_took_is_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {"own": 15.0, "children": 22.0, "others": 23.0}

    class Kernel:
        def cpu_times(self) -> SimpleNamespace:
            half, child = taken["own"] / 2, taken["children"] / 2
            return SimpleNamespace(
                user=half, system=half, children_user=child, children_system=child
            )

    machine = namedtuple("machine", "user idle")
    monkeypatch.setattr(psutil, "cpu_times", lambda: machine(sum(taken.values()), 40.0))
    monkeypatch.setattr(psutil, "Process", Kernel)
    monkeypatch.setattr(psutil, "cpu_count", lambda: 2)
    monkeypatch.setattr(clock.time, "perf_counter", lambda: taken["own"])
    contention = Contention()
    taken["own"] += 10  # seconds, by the clock as well
    taken["children"] += 4
    assert contention.frac() == 0
    taken["others"] += 5
    assert contention.frac() == pytest.approx(5 / (10 * 2))
