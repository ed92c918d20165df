"""Work that child processes can import: light, so that they start at once."""

from __future__ import annotations

import inspect
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from neurovisionlab.core.errors import DataError

Say = Callable[[Any], None]


def double(cell: int, say: Say) -> int:
    """Say two things and return twice the cell."""
    say(("first", cell))
    say(("second", cell))
    return 2 * cell


def fail_on_two(cell: int, say: Say) -> int:
    """Raise a bug on cell 2, a user's mistake on cell 3."""
    say("begun")
    if cell == 2:
        raise ZeroDivisionError("by nothing")
    if cell == 3:
        raise DataError("no such data")
    return cell


def die_on_two(cell: int, say: Say) -> int:
    """Be killed, as by a kernel short of memory, on cell 2."""
    say("begun")
    if cell == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return cell


def leave_on_two(cell: int, say: Say) -> int:
    """End the process without a word on cell 2."""
    if cell == 2:
        os._exit(3)
    return cell


ALIVE = 99


def die_of(cell: int, say: Say) -> str:
    """End by that signal, or by an exit code where it is not above 0."""
    if cell <= 0:
        os._exit(-cell)
    if cell != ALIVE:
        os.kill(os.getpid(), cell)
    return "alive"


def say_half(cell: int, say: Say) -> int:
    """Announce a long message, send its beginning and be killed."""
    pipe = inspect.getclosurevars(say).nonlocals["pipe"]
    os.write(pipe.fileno(), (1000).to_bytes(4, "big") + b"half")
    os.kill(os.getpid(), signal.SIGKILL)
    return cell


def return_a_lock(cell: int, say: Say) -> object:
    """Return what no other process can have."""
    return threading.Lock()


def chatter_much(cell: int, say: Say) -> int:
    """Say more than a pipe holds, again and again."""
    for _ in range(100_000):
        say(b"x" * 100_000)
    return cell


def say_pid_and_sleep(cell: int, say: Say) -> int:
    """Say which process this is, and never come back."""
    say(os.getpid())
    time.sleep(600)
    return cell


def say_pid_and_chatter(cell: int, say: Say) -> int:
    """Say which process this is, again and again."""
    for _ in range(6000):
        say(os.getpid())
        time.sleep(0.02)
    return cell


def process_of(cell: int, say: Say) -> int:
    """Return which process this is."""
    return os.getpid()


def count_here(cell: int, say: Say) -> int:
    """Return how often this was called in this process."""
    module = sys.modules[__name__]
    module.num_calls = getattr(module, "num_calls", 0) + 1  # type: ignore[attr-defined]
    return int(module.num_calls)  # type: ignore[attr-defined]


def settings(cell: int, say: Say) -> dict[str, str]:
    """Return the laboratory's settings as they are here."""
    return {name: value for name, value in os.environ.items() if name.startswith("NVL_")}


def parent_of(cell: int, say: Say) -> int:
    """Return the process that this one was forked from."""
    return os.getppid()


def hang_hard(cell: int, say: Say) -> int:
    """Say who is at work and who serves it, then compute without ever giving Python a turn."""
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    say((os.getpid(), os.getppid()))
    return sum(range(10**15))


def hang_after_its_answer(cell: int, say: Say) -> int:
    """Return, and leave a thread behind that keeps the process from ending."""
    threading.Thread(target=time.sleep, args=(600,)).start()
    return cell


def close_everything_and_hang(cell: int, say: Say) -> int:
    """Close every file, the pipe to the parent among them, and never end."""
    os.closerange(3, 1000)
    time.sleep(600)
    return cell


def sleep_on_two(cell: int, say: Say) -> int:
    """Never come back from cell 2."""
    if cell == 2:
        time.sleep(600)
    return cell
