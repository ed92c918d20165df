"""Files on a disk that may lose power and in folders that strangers may have filled.

Written: complete or as before, whenever the power goes. Read: ordinary files alone, as opening a
pipe or a device might never end.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import psutil

from neurovisionlab.core.errors import ResourceError, mould

_DRAFT = ".draft"
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
_NO_ORDINARY_FILE = "no ordinary file"
# file systems, some networks' among them, that cannot flush a folder
_CANNOT_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


def is_shortage(error: Exception) -> bool:
    """Return whether an error is about this machine, now, and says nothing of a file."""
    return isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno in _SHORTAGES
    )


def refuse_shortage(error: Exception, what: str) -> None:
    """Raise where nothing is left to open files with: what is found must not depend on it.

    Raises:
        ResourceError: naming `what` was to be opened.
    """
    if isinstance(error, OSError) and is_shortage(error):
        got, remedy = error.strerror or str(error), "again when less runs beside it"
        raise ResourceError(mould(what, "files that can be opened", got, remedy)) from None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open an ordinary file, or a link to one, for reading bytes; never waits.

    Raises:
        OSError: it is a pipe, a socket, a device or a folder, or cannot be opened.
    """
    _refuse_odd(path.stat(), path)  # before it is opened: that alone does something to a device
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(number, "rb") as file:
        _refuse_odd(os.fstat(number), path)  # it may have been replaced in between
        yield file


def _refuse_odd(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, _NO_ORDINARY_FILE, str(path))


def content_of(path: Path, most_bytes: int) -> bytes:
    """Return the bytes of an ordinary file.

    Raises:
        OSError: it is another thing, cannot be read, or is larger than `most_bytes`.
    """
    with opened(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"more than {most_bytes:,} bytes", str(path))
    return content


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is complete or as before, whenever the power goes.

    What lies there is replaced, a link as such; a draft is not left behind.

    Raises:
        OSError: it cannot be written, or a folder, a pipe or a device has that name.
    """
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISLNK(found.st_mode):
            _refuse_odd(found, path)
    short = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]  # the name may be the longest
    draft = path.with_name(f".{short}.{os.getpid()}{_DRAFT}")
    try:
        write_flushed(draft, content)
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def remove_drafts(folder: Path) -> None:
    """Delete what processes that are gone were writing in a folder when they were killed."""
    for draft in folder.glob(f".*.*{_DRAFT}"):
        number = draft.name.removesuffix(_DRAFT).rpartition(".")[2]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            with contextlib.suppress(OSError):
                draft.unlink()


def write_flushed(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it; its name is flushed with its folder."""
    with flushed(path) as file:
        file.write(content)


@contextlib.contextmanager
def flushed(path: Path, appending: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing, emptied unless `appending`; the disk has it at the end.

    Raises:
        OSError: it cannot be written, is a link or no ordinary file.
    """
    how = os.O_APPEND if appending else os.O_TRUNC
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | how
    number = os.open(path, flags, 0o666)
    with os.fdopen(number, "ab" if appending else "wb") as file:
        _refuse_odd(os.fstat(number), path)
        yield file
        file.flush()
        _flush(number)


def make_folder(folder: Path) -> None:
    """Make a folder, and what lies above it, and wait until the disk has their names."""
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in reversed(made):
        flush_folder(one.parent)


def flush_all(paths: Sequence[Path]) -> None:
    """Wait until the disk has files, all at once: it writes them together, sooner than in turn."""
    with ThreadPoolExecutor(max(1, len(paths))) as pool:
        for _ in pool.map(flush, paths):
            pass


def flush_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder; where a file system cannot, do nothing."""
    flush(folder)


def flush(path: Path) -> None:
    """Wait until the disk has a file, or a folder's names; do nothing where neither can be."""
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _flush(number)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise
    finally:
        os.close(number)


def _flush(number: int) -> None:
    if sys.platform == "darwin":  # where fsync leaves it in the disk's own memory
        import fcntl

        fcntl.fcntl(number, fcntl.F_FULLFSYNC)
    else:
        os.fsync(number)
