"""File access that survives power failures and folders of unknown content.

Writing is atomic and durable. Reading is limited to regular files, since opening a pipe or a device
might block forever.
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
# file systems, including some network ones, that cannot flush a folder
_CANNOT_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


def is_shortage(error: Exception) -> bool:
    """Return whether an error is about resources of this machine and not about a file."""
    return isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno in _SHORTAGES
    )


def refuse_shortage(error: Exception, what: str) -> None:
    """Raise if file descriptors or memory are exhausted: results must not depend on that.

    Raises:
        ResourceError: with the name of `what` was to be opened.
    """
    if isinstance(error, OSError) and is_shortage(error):
        got, remedy = error.strerror or str(error), "again when less runs beside it"
        raise ResourceError(mould(what, "files that can be opened", got, remedy)) from None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file, or a link to one, for reading bytes; never blocks.

    Raises:
        OSError: it is a pipe, a socket, a device or a folder, or cannot be opened.
    """
    _refuse_odd(path.stat(), path)  # before opening, which may have an effect on a device
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(number, "rb") as file:
        _refuse_odd(os.fstat(number), path)  # it may have been replaced since
        yield file


def _refuse_odd(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, _NO_ORDINARY_FILE, str(path))


def content_of(path: Path, most_bytes: int) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        OSError: it is not a regular file, cannot be read, or is larger than `most_bytes`.
    """
    with opened(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"more than {most_bytes:,} bytes", str(path))
    return content


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically, safe against power failure.

    An existing file, or a link itself, is replaced; no draft is left behind.

    Raises:
        OSError: the file cannot be written, or a folder, a pipe or a device has that name.
    """
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISLNK(found.st_mode):
            _refuse_odd(found, path)
    short = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]  # the name may be of any length
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
    """Delete drafts in a folder that were left by killed processes."""
    for draft in folder.glob(f".*.*{_DRAFT}"):
        number = draft.name.removesuffix(_DRAFT).rpartition(".")[2]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            with contextlib.suppress(OSError):
                draft.unlink()


def write_flushed(path: Path, content: bytes) -> None:
    """Write a file and flush it to disk; its name is flushed with its folder."""
    with flushed(path) as file:
        file.write(content)


@contextlib.contextmanager
def flushed(path: Path, appending: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing, emptied unless `appending`, and flush it to disk at the end.

    Raises:
        OSError: the file cannot be written, is a link, or is not a regular file.
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
    """Create a folder with its parents, and flush their names to disk."""
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in reversed(made):
        flush_folder(one.parent)


def flush_all(paths: Sequence[Path]) -> None:
    """Flush files to disk concurrently, which is faster than one at a time."""
    with ThreadPoolExecutor(max(1, len(paths))) as pool:
        for _ in pool.map(flush, paths):
            pass


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk; do nothing where the file system cannot."""
    flush(folder)


def flush(path: Path) -> None:
    """Flush a file, or a folder's names, to disk; do nothing where that is impossible."""
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _flush(number)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise
    finally:
        os.close(number)


def _flush(number: int) -> None:
    if sys.platform == "darwin":  # fsync leaves the data in the disk's cache
        import fcntl

        fcntl.fcntl(number, fcntl.F_FULLFSYNC)
    else:
        os.fsync(number)
