"""Clocks, and the load by other processes: the only module that reads the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import psutil

from neurovisionlab.core.records import Clocks


def now_iso() -> str:
    """Return the current time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Stopwatches:
    """Named clocks of which one runs at a time: starting a clock stops the previous one.

    Args:
        synchronize: waits until the device has finished; called at every switch of clocks, since
            GPU kernels run on after the call that launched them.
    """

    def __init__(self, synchronize: Callable[[], None] = lambda: None) -> None:
        self.synchronize = synchronize
        self._seconds: dict[str, float] = {}
        self._begun = time.perf_counter()
        self._since = self._begun
        self._running: str | None = None

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Run the clock `name` inside the block, and the previous clock after it."""
        before = self._switch(name)
        try:
            yield
        finally:
            self._switch(before)

    def _switch(self, name: str | None) -> str | None:
        self.synchronize()
        now = time.perf_counter()
        before = self._running
        if before is not None:
            self._seconds[before] = self._seconds.get(before, 0.0) + now - self._since
        self._running, self._since = name, now
        return before

    def seconds(self, name: str) -> float:
        """Return the seconds on a clock so far, including the current interval."""
        running = time.perf_counter() - self._since if self._running == name else 0.0
        return self._seconds.get(name, 0.0) + running

    def state_dict(self) -> dict[str, float]:
        """Return the seconds on every clock, and on the wall's since the beginning."""
        names = {*self._seconds, *([self._running] if self._running else [])}
        wall_s = time.perf_counter() - self._begun
        return {name: self.seconds(name) for name in sorted(names)} | {"wall": wall_s}

    def load_state_dict(self, seconds: Mapping[str, float]) -> None:
        """Go on from what `state_dict` returned; the time in between counts nowhere."""
        self._since = time.perf_counter()
        self._begun = self._since - seconds["wall"]
        self._seconds = {name: value for name, value in seconds.items() if name != "wall"}

    def reading(self) -> Clocks:
        """Return all clocks, and the wall time since construction."""
        names = ("setup", "staging", "training", "evaluation", "saving")
        wall_s = time.perf_counter() - self._begun
        return Clocks(**{f"{name}_s": self.seconds(name) for name in names}, wall_s=wall_s)


class Timer:
    """Seconds since construction."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds since construction."""
        return time.perf_counter() - self._begun


class Contention:
    """Share of the machine's processors used by other processes since construction.

    Other processes are all except this one and its children, and, on a virtual machine, time taken
    by the host ("steal"). Read from the kernel's counters, which have a resolution of about 10 ms.
    """

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._others_s = _seconds_of_others()

    def frac(self) -> float:
        """Return the share of all cores' time used by other processes, 0..1."""
        window_s = max(time.perf_counter() - self._begun, 1e-6)
        share = (_seconds_of_others() - self._others_s) / (window_s * (psutil.cpu_count() or 1))
        return min(max(share, 0.0), 1.0)  # the counters' resolution can make it slightly negative


def _seconds_of_others() -> float:
    machine = psutil.cpu_times()
    at_rest = machine.idle + getattr(machine, "iowait", 0.0)
    # the kernel counts a guest's time twice, as "guest" and within "user"
    counted_twice = getattr(machine, "guest", 0.0) + getattr(machine, "guest_nice", 0.0)
    own = psutil.Process().cpu_times()
    children = own.children_user + own.children_system  # of ended children, such as a compiler
    return float(sum(machine) - at_rest - counted_twice - own.user - own.system - children)
