"""Run work on cells. An executor does not know what it runs: work goes in, outcomes come out.

The unit of distribution is the cell; what a worker says on the way (`say`) is passed on as it is.
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
    """Something a worker said while at work."""

    content: Any


@dataclass(frozen=True)
class Done:
    """What the work returned."""

    result: Any


@dataclass(frozen=True)
class Failed:
    """Work ended in an exception, or its process died.

    Attributes:
        kind: name of the exception's class; where a process died without one: "Killed" (by
            SIGKILL, as a system short of memory does), "Stopped" (by another signal that somebody
            sends), "Crashed" (by one that it brings upon itself), "Exited" (with a code) or
            "TimedOut" (by us).
        message: its text.
        trace: its traceback as text.
        is_user_error: whether a user can mend it.
    """

    kind: str
    message: str
    trace: str = ""
    is_user_error: bool = False


Outcome = Said | Done | Failed


class Execute(Protocol):
    """Signature of every executor: for each cell any number of `Said`, then one end."""

    def __call__(self, cells: Iterable[Cell], work: Work, /) -> Iterator[tuple[Cell, Outcome]]:
        """Run `work(cell, say)` on each cell."""


def execute_here(cells: Iterable[Cell], work: Work) -> Iterator[tuple[Cell, Outcome]]:
    """Run in this process, one after the other; what is said is passed on after the work."""
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
    """Return an executor that gives each cell a fresh process on this machine, one at a time.

    Processes are forked from a server that has imported the modules `preload` and done nothing
    else: a cell starts in milliseconds and inherits no state from the one before. The settings
    (NVL_…) are those of the moment in which it starts. The caller's main program is read again in
    each only `with_main`, or where the work itself is defined in it. One that says nothing for
    `limit_s` seconds is ended; None: never. All of them end with the caller, however it ends.
    """

    def execute(cells: Iterable[Cell], work: Work) -> Iterator[tuple[Cell, Outcome]]:
        context = multiprocessing.get_context("forkserver")
        start_early(preload)
        for cell in cells:
            own = _Own(context, with_main, limit_s)
            yield from ((cell, outcome) for outcome in own.outcomes(cell, work))

    return execute


def _settings() -> dict[str, str]:
    """Return the settings that a process has like its parent, whatever its server has."""
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

    def outcomes(self, cell: Any, work: Work) -> Iterator[Outcome]:
        """Run one cell; end its process if nobody listens any more."""
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

    def _next(self, ours: Connection, process: BaseProcess) -> Outcome:
        try:
            if not ours.poll(self.limit_s):
                process.kill()
                return Failed("TimedOut", f"its process said nothing for {self.limit_s:g} s")
            outcome: Outcome = ours.recv()
            return outcome
        except (EOFError, OSError):  # between two messages, or within one
            if _end(process):
                return _death(process.exitcode)
            return Failed("TimedOut", "its process closed what it answers by, and went on")


def _end(process: BaseProcess) -> bool:
    """Wait for a process that has nothing more to say; return whether it ended by itself."""
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
    os.environ.update(settings)  # the server's own are as old as the server
    # Ctrl-C reaches the whole group; the parent decides, and stops its children itself
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def say(content: Any) -> None:
        try:
            pipe.send(Said(content))
        except BrokenPipeError:
            os._exit(0)  # the parent is gone: nobody would keep the result

    try:
        end: Outcome = Done(work(cell, say))
    except Exception as error:
        end = _failure(error)
    with contextlib.suppress(BrokenPipeError):  # the parent is gone: nobody would keep it
        _send(pipe, end)
    pipe.close()


def _send(pipe: Connection, end: Outcome) -> None:
    try:
        pipe.send(end)
    except BrokenPipeError:
        raise
    except Exception as error:  # no memory for a copy, or something that cannot be sent
        pipe.send(_failure(error))


def _failure(error: Exception) -> Failed:
    trace = "".join(traceback.format_exception(error))
    return Failed(type(error).__name__, str(error), trace, isinstance(error, NvlError))


_LAST_S = 10.0  # for a process to end once it has answered
# between the signals to processes of one group
_SAME_SIGNAL_S = 0.2
_SENT = {signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT}


def _death(exit_code: int | None) -> Failed:
    """Return how a process ended without an outcome, by the name of its signal or its code."""
    if exit_code is None or exit_code >= 0:
        return Failed("Exited", f"its process ended with exit code {exit_code}, without a result")
    number = -exit_code
    try:
        name = signal.Signals(number).name
    except ValueError:  # one without a name
        return Failed("Crashed", f"its process was ended by signal {number}")
    if number == signal.SIGKILL:
        return Failed(
            "Killed", f"its process was ended by {name}, signal {number} (out of memory?)"
        )
    kind = "Crashed"
    if number in _SENT:
        kind = "Stopped"
        time.sleep(_SAME_SIGNAL_S)  # who ends a whole group means us, too: let it arrive
    return Failed(kind, f"its process was ended by {name}, signal {number}")
