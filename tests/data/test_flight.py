"""Threads that decode pictures hold no more together than they may."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from neurovisionlab.core.errors import ResourceError
from neurovisionlab.data import flight
from neurovisionlab.data.flight import USUAL_BYTES, Flight

GIB = 1 << 30


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list whose only element is what is free."""
    free = [100 * GIB]
    monkeypatch.setattr(flight, "available_bytes", lambda: free[0])
    return free


def most_together(sizes: list[int], one: Flight) -> int:
    """Take all sizes in eight threads; return the most bytes that were held at once."""
    lock, held, most = threading.Lock(), 0, 0

    def take(size: int) -> None:
        nonlocal held, most
        with one.taking(size, Path("picture")):
            with lock:
                held += size
                most = max(most, held)
            time.sleep(0.002)
            with lock:
                held -= size

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, sizes))
    return most


def test_small_ones_are_held_together_and_large_ones_alone(memory: list[int]) -> None:
    one = Flight()
    small, large = USUAL_BYTES // 4, 3 * USUAL_BYTES
    assert small < most_together([small] * 40, one) <= USUAL_BYTES
    assert most_together([small, large, small, large] * 10, one) == large


def test_a_large_set_allows_more(memory: list[int]) -> None:
    one = Flight()
    one.expect(10 * GIB)
    assert one.most == 2 * GIB
    one.expect(1000)
    assert one.most == USUAL_BYTES


def test_what_is_free_bounds_all(memory: list[int]) -> None:
    memory[0] = 10 << 20
    one = Flight()
    assert one.most <= 10 << 20
    said = r"x\.png, decoded: expected at most 7 MiB .*got 9 MiB"
    with pytest.raises(ResourceError, match=said), one.taking(9 << 20, Path("x.png")):
        raise AssertionError("it was held")
    with one.taking(7 << 20, Path("x.png")):
        pass


def test_what_the_set_will_take_is_not_free(memory: list[int]) -> None:
    memory[0] = 4 * GIB
    one = Flight()
    one.expect(3 * GIB)
    with pytest.raises(ResourceError), one.taking(GIB, Path("x")):
        pass
    one.owed = 0  # all of it is written, and there is still so much free
    with one.taking(GIB, Path("x")):
        pass


def test_what_ends_in_an_error_is_given_back(memory: list[int]) -> None:
    one = Flight()
    for _ in range(3):
        with pytest.raises(KeyError), one.taking(2 * USUAL_BYTES, Path("x")):
            raise KeyError
    assert most_together([1], one) == 1


def test_of_large_files_one_is_open_at_a_time() -> None:
    one = Flight()
    with one.opening(1 << 30), one.opening(1000), one.opening(1000):
        assert not one._large_file.acquire(blocking=False)
    assert one._large_file.acquire(blocking=False)
