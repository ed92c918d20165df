"""A folder whose files a stranger may have put there, and a power cut emptied.

Below it no link is followed, neither to read nor to write nor to delete; nothing but ordinary
files is opened. What is written is flushed before it gets its name.
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
MOST_BYTES = 1 << 28  # of a record, far above any


class RunFolder:
    """Files below `root`, each named by its pieces: ("cells", CELL_ID, "record.json")."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, *pieces: str) -> Path:
        """Return where a file lies or would lie.

        Raises:
            OSError: a piece is no plain name, or a link.
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
        """Open an ordinary file for reading.

        Raises:
            OSError: it is not there, a link, no ordinary file, or cannot be read.
        """
        with files.opened(self.path(*pieces)) as file:
            yield file

    def content(self, *pieces: str, most_bytes: int = MOST_BYTES) -> bytes:
        """Return the bytes of an ordinary file.

        Raises:
            OSError: see `opened`, or it is larger than `most_bytes`.
        """
        return files.content_of(self.path(*pieces), most_bytes)

    def state(self, *pieces: str) -> tuple[int, int, int]:
        """Return what changes whenever a file does; zeros where there is no ordinary one."""
        with contextlib.suppress(OSError):
            found = self.path(*pieces).lstat()
            if stat.S_ISREG(found.st_mode):
                return found.st_ino, found.st_size, found.st_mtime_ns
        return 0, 0, 0

    def is_file(self, *pieces: str) -> bool:
        """Return whether there is an ordinary file of that name."""
        return any(self.state(*pieces))

    def names(self, *pieces: str) -> list[str]:
        """Return the names in a folder, sorted; none where there is no folder."""
        with contextlib.suppress(OSError):
            return sorted(one.name for one in self.path(*pieces).iterdir())
        return []

    # writing

    def write(self, content: bytes, *pieces: str) -> Path:
        """Write a file, complete or as it was; return its path.

        Raises:
            StoreError: it cannot be written.
        """
        with self.said():
            path = self.path(*pieces)
            files.make_folder(path.parent)
            files.write_whole(path, content)
        return path

    def append_line(self, line: bytes, *pieces: str) -> None:
        """Write a line at the end of a file, behind one that a crash tore; the disk has it then.

        Raises:
            StoreError: it cannot be written; the file is as it was, or its last line is torn.
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
        """Make a folder of files, complete or absent; an earlier one of that name is replaced.

        Args:
            parts: {name of a file: what writes its bytes}.
            draft: where it is made.
            pieces: where it is renamed to.

        Raises:
            StoreError: it cannot be written; nothing of it is left.
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
        """Delete a file, or a folder with all it holds; what is not there need not be deleted.

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
        """Delete what killed processes left half written in `root` and in folders of it."""
        files.remove_drafts(self.root)
        for name in folders:
            with contextlib.suppress(OSError):  # a link: nothing there is ours
                files.remove_drafts(self.path(name))

    @contextlib.contextmanager
    def said(self) -> Iterator[None]:
        """Turn what a disk refuses into one clear error.

        Raises:
            StoreError: the folder cannot be written to: why, and what helps.
        """
        try:
            yield
        except OSError as error:
            raise unwritable(self.root, error) from None


def unwritable(place: Path, error: OSError) -> StoreError:
    """Return the error for what cannot be written below a folder."""
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    remedy = "to free space; finished cells are kept" if is_full else "--out DIR"
    return StoreError(mould(str(place), "a folder one can write to", str(error), remedy))
