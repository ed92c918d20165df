"""Bytes in flight: threads that decode pictures share what they may hold, large ones wait.

A picture takes its share before it is decoded. Small ones fit beside each other; one that exceeds
what all may hold together is decoded when no other is.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from neurovisionlab.core.errors import ResourceError, mould
from neurovisionlab.data.budget import available_bytes
from neurovisionlab.data.notes import printable

# with the program itself and what is freed but not given back, within 300 MiB beside the set
USUAL_BYTES = 128 << 20
_GIVEN_BACK_BYTES = 48 << 20
# of the finished set: who has memory for it has for this, too
SHARE_OF_SET = 0.2
_SHARE_OF_FREE = 0.75
# of files: beyond that their content is worth counting
_LARGE_FILE_BYTES = 32 << 20


class Flight:
    """What pictures that are being decoded hold together, in bytes.

    Attributes:
        most: what they may hold beside each other.
        owed: what the finished pictures will take that they do not take yet.
    """

    def __init__(self) -> None:
        self._held = 0
        self._freed = 0
        self._changed = threading.Condition()
        self._large_file = threading.Lock()
        self.owed = 0
        self.most = 0
        self.expect(0)

    def expect(self, set_bytes: int) -> None:
        """Take note of how large the finished set will be, none of which is written yet."""
        self.owed = set_bytes
        usual = max(USUAL_BYTES, int(SHARE_OF_SET * set_bytes))
        self.most = max(0, min(usual, self._free()))

    def _free(self) -> int:
        return int(_SHARE_OF_FREE * (available_bytes() - self.owed))

    @contextlib.contextmanager
    def taking(self, num_bytes: int, what: Path) -> Iterator[None]:
        """Wait until so many bytes fit beside the others', and hold them.

        Raises:
            ResourceError: they do not fit into three quarters of the free memory.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + num_bytes <= self.most)
            if num_bytes > self.most:  # alone, then
                _check(num_bytes, self._free(), what)
            self._held += num_bytes
        try:
            yield
        finally:
            self._free_again(num_bytes)

    def _free_again(self, num_bytes: int) -> None:
        with self._changed:
            self._freed += num_bytes
            if self._freed > _GIVEN_BACK_BYTES:
                self._freed = 0
                _give_back()
            self._held -= num_bytes
            self._changed.notify_all()

    def opening(self, file_bytes: int) -> contextlib.AbstractContextManager[object]:
        """Let only one file at a time be open if it is large: a few formats are read as a whole."""
        return self._large_file if file_bytes > _LARGE_FILE_BYTES else contextlib.nullcontext()


def _check(num_bytes: int, free_bytes: int, what: Path) -> None:
    if num_bytes > free_bytes:
        raise ResourceError(
            mould(
                f"{printable(str(what))}, decoded",
                f"at most {max(0, free_bytes) >> 20:,} MiB (three quarters of the free memory)",
                f"{num_bytes >> 20:,} MiB",
                "a smaller picture, or a larger machine",
            )
        )


def _give_back() -> None:
    """Give freed memory back to the system: each thread of glibc's keeps its own for later."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], object] | None:
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another system's
        return None
    return trim
