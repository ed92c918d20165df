"""Standard output and error that never end or block a run: closed, full or in another encoding.

Output that cannot be written is dropped, characters missing in the encoding are written as \\u2713.
The first failure is stored, for the command to report at the end.
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
    """A raw stream that writes to a file descriptor until it fails, and then discards.

    Attributes:
        failure: the error that ended writing; None also after a closed pipe.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._is_deaf = False
        self.failure: OSError | None = None

    def write(self, content: Buffer) -> int:
        """Write as much as possible; return the full length in any case."""
        rest = memoryview(content).cast("B")
        while rest and not self._is_deaf:
            try:
                rest = rest[os.write(self._number, rest) :]
            except BlockingIOError:  # a slow reader of a non-blocking descriptor
                select.select([], [self._number], [], 1.0)
            except OSError as error:
                self._is_deaf = True
                self.failure = None if error.errno == errno.EPIPE else error
        return memoryview(content).nbytes

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._number

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(self._number)


@contextlib.contextmanager
def unfailing() -> Iterator[list[Unfailing]]:
    """Replace standard output and error by streams that never fail; yield them.

    Closed descriptors 0, 1 and 2 are opened as null before.
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
    if stream is None:  # closed when Python started
        return Path(os.devnull).open("w", encoding="utf-8")
    try:
        number = stream.fileno()
        stream.flush()
    except (OSError, ValueError):  # a stream without descriptor, or a closed one
        return stream
    raw = Unfailing(number)
    streams.append(raw)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )
