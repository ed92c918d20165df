"""Run work on cells. An executor does not know what it runs: work goes in, outcomes come out.

The unit of distribution is the cell; what a worker says on the way (`say`) is passed on as it is.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from neurovisionlab.core.errors import NvlError
from neurovisionlab.lab.processes import SAFE_PATH, start, start_early

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
            sends), "Crashed" (by one that it brings upon itself) or "Exited" (with a code).
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


def local(preload: Sequence[str] = (), with_main: bool = False) -> Execute:
    """Return an executor that gives each cell a fresh process on this machine, one at a time.

    Processes are forked from a server that has imported the modules `preload` and done nothing
    else: a cell starts in milliseconds and inherits no state from the one before. The settings
    (NVL_…) are those of the moment in which it starts. The caller's main program is read again in
    each only `with_main`, or where the work itself is defined in it.
    """

    def execute(cells: Iterable[Cell], work: Work) -> Iterator[tuple[Cell, Outcome]]:
        context = multiprocessing.get_context("forkserver")
        start_early(preload)
        for cell in cells:
            outcomes = _in_process(context, cell, work, with_main)
            yield from ((cell, outcome) for outcome in outcomes)

    return execute


def _settings() -> dict[str, str]:
    """Return the settings that a process has like its parent, whatever its server has."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("NVL_") or name == SAFE_PATH
    }


def _in_process(
    context: multiprocessing.context.ForkServerContext, cell: Any, work: Work, with_main: bool
) -> Iterator[Outcome]:
    """Run one cell in a process of its own; end the process if nobody listens any more."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(theirs, cell, work, _settings()))
    start(process, with_main)
    theirs.close()
    has_ended = False
    try:
        while not has_ended:
            try:
                outcome = ours.recv()
            except (EOFError, OSError):  # between two messages, or within one
                process.join()
                outcome = _death(process.exitcode)
            has_ended = not isinstance(outcome, Said)
            yield outcome
    finally:
        ours.close()
        if not has_ended:
            process.kill()
        process.join()


def _child(pipe: Connection, cell: Any, work: Work, settings: dict[str, str]) -> None:
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
    kind = "Stopped" if number in _SENT else "Crashed"
    return Failed(kind, f"its process was ended by {name}, signal {number}")
