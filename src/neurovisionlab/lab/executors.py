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
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from neurovisionlab.core.errors import NvlError

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
        kind: name of the exception's class; "Killed" where a process died without one.
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


def local(preload: Sequence[str] = ()) -> Execute:
    """Return an executor that gives each cell a fresh process on this machine, one at a time.

    Processes are forked from a server that has imported the modules `preload` and done nothing
    else: a cell starts in milliseconds and inherits no state from the one before. The settings
    (NVL_…) are those of the moment in which it starts.
    """

    def execute(cells: Iterable[Cell], work: Work) -> Iterator[tuple[Cell, Outcome]]:
        context = multiprocessing.get_context("forkserver")
        start_early(preload)
        for cell in cells:
            yield from ((cell, outcome) for outcome in _in_process(context, cell, work))

    return execute


def start_early(preload: Sequence[str]) -> None:
    """Start the server of `local` now: it imports while the caller does other things.

    One that runs already stays as it is.
    """
    multiprocessing.set_forkserver_preload(list(preload))
    # Ctrl-C reaches the whole group; the server would die of it, with a traceback, while it imports
    resource_tracker.ensure_running()  # starting it within would lift the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("NVL_")}


def _in_process(
    context: multiprocessing.context.ForkServerContext, cell: Any, work: Work
) -> Iterator[Outcome]:
    """Run one cell in a process of its own; end the process if nobody listens any more."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(theirs, cell, work, _settings()))
    process.start()
    theirs.close()
    has_ended = False
    try:
        while not has_ended:
            try:
                outcome = ours.recv()
            except EOFError:
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
        pipe.send(end)
    pipe.close()


def _failure(error: Exception) -> Failed:
    trace = "".join(traceback.format_exception(error))
    return Failed(type(error).__name__, str(error), trace, isinstance(error, NvlError))


def _death(exit_code: int | None) -> Failed:
    hint = " (out of memory?)" if exit_code == -signal.SIGKILL else ""
    return Failed("Killed", f"its process ended with exit code {exit_code}{hint}")
