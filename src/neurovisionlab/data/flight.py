"""Memory budget of threads that decode images: large images wait for others to finish.

An image reserves its memory before it is decoded. Small images are decoded concurrently; an image
that exceeds the whole budget is decoded alone.
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

# together with the program itself and unreturned freed memory, within 300 MiB beside the images
USUAL_BYTES = 128 << 20
_GIVEN_BACK_BYTES = 48 << 20
# of the finished data set: a machine with memory for it has memory for this, too
SHARE_OF_SET = 0.2
_SHARE_OF_FREE = 0.75
# larger files: their content counts, too
_LARGE_FILE_BYTES = 32 << 20


class Flight:
    """Memory reserved by images that are being decoded, in bytes.

    Attributes:
        most: the budget for all of them.
        owed: memory that the finished images will still occupy.
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
        """Set the size of the finished data set, none of which is written yet."""
        self.owed = set_bytes
        usual = max(USUAL_BYTES, int(SHARE_OF_SET * set_bytes))
        self.most = max(0, min(usual, self._free()))

    def _free(self) -> int:
        return int(_SHARE_OF_FREE * (available_bytes() - self.owed))

    @contextlib.contextmanager
    def taking(self, num_bytes: int, what: Path) -> Iterator[None]:
        """Wait until the bytes fit into the budget, and reserve them.

        Raises:
            ResourceError: they exceed three quarters of the free memory.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + num_bytes <= self.most)
            if num_bytes > self.most:  # decoded alone, then
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
        """Allow only one large file to be open at a time: a few formats are read as a whole."""
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
    """Return freed memory to the system: glibc keeps some per thread."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], object] | None:
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # not glibc
        return None
    return trim
