"""Access to a run's folder that may hold files of unknown origin or incomplete files.

Below the folder no link is followed, whether to read, write or delete, and only regular files are
opened. New files are flushed to disk before they get their final name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from neurovisionlab.core.errors import StoreError, mould
from neurovisionlab.data import files

Write = Callable[[BinaryIO], object]
MOST_BYTES = 1 << 28  # of a record, far above any real size


class RunFolder:
    """Files below `root`, addressed by path components: ("cells", CELL_ID, "record.json")."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, *pieces: str) -> Path:
        """Return the path of a file, whether or not it exists.

        Raises:
            OSError: a component is not a plain name, or is a link.
        """
        path = self.root
        for piece in pieces:
            if piece in ("", ".", "..") or os.sep in piece or "\0" in piece:
                raise OSError(errno.EINVAL, f"no name of a file: {piece!r}", str(path))
            path = path / piece
            if path.is_symlink():
                raise OSError(errno.ELOOP, "a link, which is not followed", str(path))
        return path

    @contextlib.contextmanager
    def opened(self, *pieces: str) -> Iterator[BinaryIO]:
        """Open a regular file for reading.

        Raises:
            OSError: the file is missing, a link, not a regular file, or not readable.
        """
        with files.opened(self.path(*pieces)) as file:
            yield file

    def content(self, *pieces: str, most_bytes: int = MOST_BYTES) -> bytes:
        """Return the bytes of a regular file.

        Raises:
            OSError: see `opened`, or the file is larger than `most_bytes`.
        """
        return files.content_of(self.path(*pieces), most_bytes)

    def state(self, *pieces: str) -> tuple[int, int, int]:
        """Return (inode, bytes, modified in ns) to detect changes; zeros if no regular file."""
        with contextlib.suppress(OSError):
            found = self.path(*pieces).lstat()
            if stat.S_ISREG(found.st_mode):
                return found.st_ino, found.st_size, found.st_mtime_ns
        return 0, 0, 0

    def is_file(self, *pieces: str) -> bool:
        """Return whether a regular file of that name exists."""
        return any(self.state(*pieces))

    def names(self, *pieces: str) -> list[str]:
        """Return the sorted names in a folder; an empty list if there is no folder."""
        with contextlib.suppress(OSError):
            return sorted(one.name for one in self.path(*pieces).iterdir())
        return []

    # writing

    def write(self, content: bytes, *pieces: str) -> Path:
        """Write a file atomically and return its path.

        Raises:
            StoreError: the file cannot be written.
        """
        with self.said():
            path = self.path(*pieces)
            files.make_folder(path.parent)
            files.write_whole(path, content)
        return path

    def append_line(self, line: bytes, *pieces: str) -> None:
        """Append a line and flush it to disk; a line torn by a crash stays a line of its own.

        Raises:
            StoreError: the line cannot be written; the file is unchanged, or its last line is torn.
        """
        with self.said():
            path = self.path(*pieces)
            is_new = not path.exists()
            begin = b"" if is_new or self._ends_a_line(path) else b"\n"
            with files.flushed(path, appending=True) as file:
                file.write(begin + line + b"\n")
            if is_new:
                files.flush_folder(path.parent)

    @staticmethod
    def _ends_a_line(path: Path) -> bool:
        with files.opened(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            return file.read(1) in (b"", b"\n")

    def put_folder(self, parts: Mapping[str, Write], draft: tuple[str, ...], *pieces: str) -> None:
        """Create a folder of files atomically, replacing an earlier folder of the same name.

        Args:
            parts: {file name: function that writes its bytes}.
            draft: path components of the temporary folder.
            pieces: path components of the final folder.

        Raises:
            StoreError: the folder cannot be written; no part of it is left.
        """
        with self.said():
            place, target = self.path(*draft), self.path(*pieces)
            try:
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir(parents=True)
                for name, write in parts.items():
                    with (place / name).open("xb") as file:
                        write(file)
                files.flush_all([place / name for name in parts])
                files.flush_folder(place)
                if target.is_dir():
                    shutil.rmtree(target)
                place.rename(target)
            except OSError:
                shutil.rmtree(place, ignore_errors=True)
                raise
            files.flush_folder(target.parent)

    def remove(self, *pieces: str) -> None:
        """Delete a file, or a folder with its content; ignore missing ones.

        Raises:
            StoreError: it is a link, or cannot be deleted.
        """
        with self.said():
            path = self.path(*pieces)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def tidy(self, *folders: str) -> None:
        """Delete incomplete files of killed processes in `root` and in folders below it."""
        files.remove_drafts(self.root)
        for name in folders:
            with contextlib.suppress(OSError):  # a link: its target does not belong to the run
                files.remove_drafts(self.path(name))

    @contextlib.contextmanager
    def said(self) -> Iterator[None]:
        """Convert errors of the file system into one clear error.

        Raises:
            StoreError: the folder is not writable: the reason and a remedy.
        """
        try:
            yield
        except OSError as error:
            raise unwritable(self.root, error) from None


def unwritable(place: Path, error: OSError) -> StoreError:
    """Return the error for a failed write below a folder."""
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    remedy = "to free space; finished cells are kept" if is_full else "--out DIR"
    return StoreError(mould(str(place), "a folder one can write to", str(error), remedy))
