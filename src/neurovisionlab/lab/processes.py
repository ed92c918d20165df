"""Worker processes: how they are started, and obstacles to starting them.

They are forked from a server that `multiprocessing` starts. The environment may be unusual: closed
standard streams, a temporary folder whose path is too long for a socket, a main program that cannot
be imported. Each case is handled here, or reported as one error before any work runs.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import types
import weakref
from collections.abc import Iterator, Sequence
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from pickle import PicklingError

from neurovisionlab.core.errors import ResourceError, mould

# a socket's path holds 104 bytes on macOS, 108 on Linux, including the final null byte;
# multiprocessing appends /pymp-XXXXXXXX/listener-XXXXXXXX to the folder
_LONGEST_FOLDER_BYTES = 103 - 33
_SHORT_FOLDERS = tuple(str(Path(os.sep, *p)) for p in (("tmp",), ("var", "tmp"), ("dev", "shm")))

SAFE_PATH = "PYTHONSAFEPATH"

_started_by: weakref.WeakKeyDictionary[BaseProcess, int] = weakref.WeakKeyDictionary()


def start_early(preload: Sequence[str]) -> None:
    """Start the fork server now, so that it imports while the caller does other work.

    A running server is left unchanged.

    Raises:
        ResourceError: the system refuses to start a process (with the reason and a remedy), or the
            main program would start itself again.
    """
    refuse_while_main_is_read()
    hold_standard_streams()
    with _said_if_it_fails():
        multiprocessing.set_forkserver_preload(list(preload))
        _choose_a_folder_for_the_socket()
        with _safe_path():
            # Ctrl-C reaches the whole process group and would end the server, with a traceback,
            # during its imports
            resource_tracker.ensure_running()  # inside the block it would unblock the signal
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                forkserver.ensure_running()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent(lifeline: Connection) -> None:
    """Have this process killed when the process that started it is gone, whatever it is doing.

    Args:
        lifeline: the reading end of a pipe whose writing end only the starter holds, unused.
    """
    if sys.platform == "linux":  # by the kernel, so that it works even while no Python code can run
        number = lifeline.fileno()
        fcntl.fcntl(number, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(number, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_ASYNC)
        if lifeline.poll(0):  # the starter ended before
            os.kill(os.getpid(), signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(lifeline,), daemon=True).start()


def _watch(lifeline: Connection) -> None:
    lifeline.poll(None)
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Prevent Python processes started here from importing modules of the current folder.

    multiprocessing starts them by `-c`, which searches there first and would run an untrusted
    `random.py`.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        del os.environ[SAFE_PATH]
        if before is not None:
            os.environ[SAFE_PATH] = before


def start(process: BaseProcess, with_main: bool = False) -> None:
    """Start a process that ends, at the latest, when this process ends.

    The caller's main program is not run again in it, unless `with_main` is set or the main program
    defines the work: scripts need no guard, and may come from a pipe or a notebook.

    Raises:
        ResourceError: the system refuses to start a process.
    """
    with _said_if_it_fails():
        try:
            with contextlib.nullcontext() if with_main else _main_unseen():
                process.start()
        except (PicklingError, AttributeError):  # the work is defined in the main program
            process.start()
    _started_by[process] = os.getpid()


def refuse_while_main_is_read() -> None:
    """Refuse to start work in a process that is only importing the caller's main program.

    Raises:
        ResourceError: this is such a process.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        what, expected = "the main program", 'work under `if __name__ == "__main__":`'
        got = "work that starts whenever the program is imported, as each process does"
        remedy = "that line above it, or what it defines in a module of its own"
        raise ResourceError(mould(what, expected, got, remedy))


@contextlib.contextmanager
def _main_unseen() -> Iterator[None]:
    """Hide the main program from multiprocessing, which then does not run it in the child."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = before


@contextlib.contextmanager
def _said_if_it_fails() -> Iterator[None]:
    """Convert errors of the system into one clear error."""
    try:
        yield
    except (OSError, EOFError) as error:
        code = getattr(error, "errno", None)
        got = str(error) or "a server of processes that ended at once"
        remedy = _REMEDIES.get(code, "more memory, or a higher `ulimit -v`")
        what, expected = "processes", "to start one for each cell"
        raise ResourceError(mould(what, expected, got, remedy)) from error


_REMEDIES: dict[int | None, str] = {
    errno.EMFILE: "`ulimit -n 1024`",
    errno.ENFILE: "to close other programs",
    errno.EAGAIN: "a higher `ulimit -u`",
    errno.ENOENT: "`cd` to a folder that exists",
    errno.ENOSPC: "to free space in the folder of temporary files",
}


def _choose_a_folder_for_the_socket() -> None:
    """Let multiprocessing create its socket in a folder with a sufficiently short path.

    Raises:
        ResourceError: there is no such writable folder.
    """
    try:
        usual = tempfile.gettempdir()
    except FileNotFoundError:
        usual = ""
    short = next((one for one in (usual, *_SHORT_FOLDERS) if _holds_a_socket(one)), None)
    if short is None:
        got = f"{usual or 'none'}, of {len(os.fsencode(usual))} bytes" if usual else "none"
        expected = f"a folder one can write to, of at most {_LONGEST_FOLDER_BYTES} bytes"
        raise ResourceError(mould("TMPDIR", expected, got, f"TMPDIR={_SHORT_FOLDERS[0]}"))
    before, tempfile.tempdir = tempfile.tempdir, short
    try:
        util.get_temp_dir()  # cached by multiprocessing from here on, and removed at exit
    finally:
        tempfile.tempdir = before


def _holds_a_socket(folder: str) -> bool:
    if not folder or len(os.fsencode(folder)) > _LONGEST_FOLDER_BYTES:
        return False
    return Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK)


def hold_standard_streams() -> None:
    """Open closed standard streams as null: otherwise a file would get their descriptor."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            got = os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor
            if got != number:
                os.dup2(got, number)
                os.close(got)
            os.set_inheritable(number, True)


def _end_the_living() -> None:
    """Kill processes that still run at exit: multiprocessing would wait for them for ever."""
    for process, starter in list(_started_by.items()):
        if starter == os.getpid():  # a fork of the caller may end before the caller
            with contextlib.suppress(ValueError, OSError):
                process.kill()


atexit.register(_end_the_living)  # after multiprocessing's handler, so that it runs earlier
