"""Standard output and error that never end or stop a run: closed, full or of another alphabet.

What cannot be written is dropped, letters that an encoding lacks are shown as \\u2713. Only the
first failure is remembered: whoever owns the command says it at the end.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from neurovisionlab.lab.processes import hold_standard_streams

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Unfailing(io.RawIOBase):
    """Bytes go to a file descriptor while it takes them, and then nowhere.

    Attributes:
        failure: why it does not take them any more; None where nobody reads by intent.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._is_deaf = False
        self.failure: OSError | None = None

    def write(self, content: Buffer) -> int:
        """Write what can be written; claim that it was all."""
        rest = memoryview(content).cast("B")
        while rest and not self._is_deaf:
            try:
                rest = rest[os.write(self._number, rest) :]
            except BlockingIOError:  # a reader that is slow, where others asked not to wait
                select.select([], [self._number], [], 1.0)
            except OSError as error:
                self._is_deaf = True
                self.failure = None if error.errno == errno.EPIPE else error
        return memoryview(content).nbytes

    def writable(self) -> bool:
        """Return that one may write."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._number

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(self._number)


@contextlib.contextmanager
def unfailing() -> Iterator[list[Unfailing]]:
    """Put streams that never fail in the place of standard output and error; yield them.

    Numbers 0, 1 and 2 that are closed are opened as nothing before.
    """
    hold_standard_streams()
    before = sys.stdout, sys.stderr
    streams: list[Unfailing] = []
    sys.stdout, sys.stderr = (_wrapped(stream, streams) for stream in before)
    try:
        yield streams
    finally:
        now, (sys.stdout, sys.stderr) = (sys.stdout, sys.stderr), before
        for stream, old in zip(now, before, strict=True):
            with contextlib.suppress(OSError, ValueError):
                stream.flush() if stream is old else stream.close()


def _wrapped(stream: TextIO | None, streams: list[Unfailing]) -> TextIO:
    if stream is None:  # it was closed when Python started
        return Path(os.devnull).open("w", encoding="utf-8")
    try:
        number = stream.fileno()
        stream.flush()
    except (OSError, ValueError):  # a stream of somebody's own, or one that is closed
        return stream
    raw = Unfailing(number)
    streams.append(raw)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )
