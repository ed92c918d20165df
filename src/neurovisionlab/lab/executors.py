"""Executors: run work on cells, whatever the work is, and yield its outcomes.

The unit of distribution is the cell; messages that a worker sends with `say` are passed on
unchanged.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeVar

from neurovisionlab.core.errors import NvlError
from neurovisionlab.lab.processes import SAFE_PATH, end_with_parent, start, start_early

Cell = TypeVar("Cell")
Work = Callable[[Any, Callable[[Any], None]], Any]


@dataclass(frozen=True)
class Said:
    """A message from a worker during its work."""

    content: Any


@dataclass(frozen=True)
class Done:
    """The return value of the work."""

    result: Any


@dataclass(frozen=True)
class Failed:
    """The work raised an exception, or its process died.

    Attributes:
        kind: name of the exception's class; for a process that died without an exception: "Killed"
            (by SIGKILL, as when a system runs out of memory), "Stopped" (by another signal sent
            from outside), "Crashed" (by a signal that the process caused itself), "Exited" (with an
            exit code) or "TimedOut" (by this executor).
        message: text of the exception.
        trace: traceback as text.
        is_user_error: whether the user can fix it.
    """

    kind: str
    message: str
    trace: str = ""
    is_user_error: bool = False


WorkEvent = Said | Done | Failed


class Execute(Protocol):
    """Signature of every executor: any number of `Said` per cell, then one `Done` or `Failed`."""

    def __call__(self, cells: Iterable[Cell], work: Work, /) -> Iterator[tuple[Cell, WorkEvent]]:
        """Run `work(cell, say)` on each cell."""


def execute_here(cells: Iterable[Cell], work: Work) -> Iterator[tuple[Cell, WorkEvent]]:
    """Run cells in this process, one at a time; messages are passed on after the work."""
    for cell in cells:
        said: list[Any] = []
        try:
            result = work(cell, said.append)
        except Exception as error:
            yield cell, _failure(error)
        else:
            yield from ((cell, Said(content)) for content in said)
            yield cell, Done(result)


def local(
    preload: Sequence[str] = (), with_main: bool = False, limit_s: float | None = None
) -> Execute:
    """Return an executor that runs each cell in a fresh process on this machine, one at a time.

    Processes are forked from a server that has imported the modules `preload` and done nothing
    else: a cell starts in milliseconds and inherits no state from the previous cell. Settings
    (NVL_…) are copied when the process starts. The caller's main program is imported in each
    process only `with_main`, or if it defines the work itself. A process without a message for
    `limit_s` seconds is killed; None means no limit. All processes end with the caller, however it
    ends.
    """

    def execute(cells: Iterable[Cell], work: Work) -> Iterator[tuple[Cell, WorkEvent]]:
        context = multiprocessing.get_context("forkserver")
        start_early(preload)
        for cell in cells:
            own = _Own(context, with_main, limit_s)
            yield from ((cell, outcome) for outcome in own.outcomes(cell, work))

    return execute


def _settings() -> dict[str, str]:
    """Return the environment variables that a process takes from its parent."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("NVL_") or name == SAFE_PATH
    }


@dataclass(frozen=True)
class _Own:
    """A process for one cell."""

    context: multiprocessing.context.ForkServerContext
    with_main: bool
    limit_s: float | None

    def outcomes(self, cell: Any, work: Work) -> Iterator[WorkEvent]:
        """Run one cell; kill its process if the caller stops iterating."""
        ours, theirs = self.context.Pipe(duplex=False)
        lifeline, held = self.context.Pipe(duplex=False)
        ends = (theirs, lifeline)
        process = self.context.Process(target=_child, args=(ends, cell, work, _settings()))
        with contextlib.closing(ours), contextlib.closing(held):
            start(process, self.with_main)
            for end in ends:
                end.close()
            has_ended = False
            try:
                while not has_ended:
                    outcome = self._next(ours, process)
                    has_ended = not isinstance(outcome, Said)
                    yield outcome
            finally:
                if not has_ended:
                    process.kill()
                _end(process)

    def _next(self, ours: Connection, process: BaseProcess) -> WorkEvent:
        try:
            if not ours.poll(self.limit_s):
                process.kill()
                return Failed("TimedOut", f"its process said nothing for {self.limit_s:g} s")
            outcome: WorkEvent = ours.recv()
            return outcome
        except (EOFError, OSError):  # end of file, between two messages or within one
            if _end(process):
                return _death(process.exitcode)
            return Failed("TimedOut", "its process closed what it answers by, and went on")


def _end(process: BaseProcess) -> bool:
    """Wait for a process after its last message; return whether it ended by itself."""
    process.join(_LAST_S)
    if not process.is_alive():
        return True
    process.kill()
    process.join()
    return False


def _child(
    ends: tuple[Connection, Connection], cell: Any, work: Work, settings: dict[str, str]
) -> None:
    pipe, lifeline = ends
    end_with_parent(lifeline)
    for name in _settings().keys() - settings.keys():
        del os.environ[name]
    os.environ.update(settings)  # the server's own settings date from its start
    # Ctrl-C reaches the whole process group; the parent decides, and ends its children itself
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def say(content: Any) -> None:
        try:
            pipe.send(Said(content))
        except BrokenPipeError:
            os._exit(0)  # the parent is gone: nobody reads the result

    try:
        end: WorkEvent = Done(work(cell, say))
    except Exception as error:
        end = _failure(error)
    with contextlib.suppress(BrokenPipeError):  # the parent is gone: nobody reads the result
        _send(pipe, end)
    pipe.close()


def _send(pipe: Connection, end: WorkEvent) -> None:
    try:
        pipe.send(end)
    except BrokenPipeError:
        raise
    except Exception as error:  # no memory for a copy, or a result that cannot be pickled
        pipe.send(_failure(error))


def _failure(error: Exception) -> Failed:
    trace = "".join(traceback.format_exception(error))
    return Failed(type(error).__name__, str(error), trace, isinstance(error, NvlError))


_LAST_S = 10.0  # seconds for a process to end after its last message
# delay between signals to the processes of a group, in seconds
_SAME_SIGNAL_S = 0.2
_SENT = {signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT}


def _death(exit_code: int | None) -> Failed:
    """Return the failure of a process without outcome, named by its signal or exit code."""
    if exit_code is None or exit_code >= 0:
        return Failed("Exited", f"its process ended with exit code {exit_code}, without a result")
    number = -exit_code
    try:
        name = signal.Signals(number).name
    except ValueError:  # a signal without a name
        return Failed("Crashed", f"its process was ended by signal {number}")
    if number == signal.SIGKILL:
        return Failed(
            "Killed", f"its process was ended by {name}, signal {number} (out of memory?)"
        )
    kind = "Crashed"
    if number in _SENT:
        kind = "Stopped"
        time.sleep(_SAME_SIGNAL_S)  # a signal to the whole group is for this process, too
    return Failed(kind, f"its process was ended by {name}, signal {number}")
