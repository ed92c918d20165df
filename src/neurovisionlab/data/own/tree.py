"""Listing of a folder of images: image files, folders, and everything that is not used."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from neurovisionlab.data import notes
from neurovisionlab.data.files import refuse_shortage
from neurovisionlab.data.own.kinds import FileKind, kind_by_content, kind_by_name

# files of operating systems and programs, besides names that begin with a dot
_SYSTEM = frozenset(
    (
        "__macosx",
        "@eadir",
        "lost+found",
        "__pycache__",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "#recycle",
        "#snapshot",
        "@recycle",
        "system volume information",
    )
)
# folders of a run that was written into the folder of images itself
_OF_A_RUN = frozenset(
    (
        "audits",
        "cells",
        "costs",
        "evaluations",
        "figures",
        "looks",
        "splits",
        "studies",
        "tensorboard",
        "unfinished",
    )
)
_DEEPEST = 64
_SAID_OF = {
    FileKind.NOT_READ: notes.NOT_READ_KINDS,
    FileKind.OTHER: notes.NO_PICTURES,
    FileKind.UNREADABLE: notes.CLOSED_FILES,
}

LookAtFile = Callable[[Path], FileKind]  # for files whose suffix does not identify their kind


@dataclass(frozen=True)
class File:
    """An image file, by its path within the folder; `strays` if a link leads out of the folder."""

    rel: str
    strays: bool = False


@dataclass(frozen=True)
class Folder:
    """A folder that may hold images; a folder outside, reached by a link, is not examined."""

    rel: str
    pictures: tuple[File, ...] = ()
    folders: tuple[Folder, ...] = ()
    is_link: bool = False
    strays: bool = False

    @property
    def name(self) -> str:
        """The last component of its path."""
        return self.rel.rpartition("/")[2]

    @cached_property
    def holds(self) -> bool:
        """Whether it holds an image, directly or below."""
        return self.strays or bool(self.pictures) or any(one.holds for one in self.folders)

    @property
    def holding(self) -> list[Folder]:
        """Its folders that hold images."""
        return [one for one in self.folders if one.holds]


@dataclass(frozen=True)
class Tree:
    """A listing of a folder of images.

    Attributes:
        root: path of the folder.
        top: its content.
        unused: {key of `notes.UNUSED`: paths within the folder}.
        facts: everything that determines how the folder is read, besides the content of `files`.
        files: paths within the folder whose content matters.
        closed: {folder that cannot be listed: reason}.
    """

    root: Path
    top: Folder
    unused: dict[str, list[str]]
    facts: list[str]
    files: list[str]
    closed: dict[str, str]


def walk(root: Path, look: LookAtFile = kind_by_content) -> Tree:
    """List a folder, following links to files, and to folders at the level of parts or classes."""
    walker = _Walker(root, _resolved(root), look)
    top = walker.listed(Folder(""))
    return Tree(
        root,
        top if isinstance(top, Folder) else Folder(""),
        walker.unused,
        walker.facts,
        walker.files,
        walker.closed,
    )


def unlooked(path: Path) -> FileKind:
    """Return `OTHER` without reading the file: for listings in which the kind does not matter."""
    return FileKind.OTHER


@dataclass(frozen=True)
class _Run:
    """Stand-in for a folder that holds only results of this program."""

    rel: str


@dataclass
class _Walker:
    root: Path
    home: Path
    look: LookAtFile
    unused: dict[str, list[str]] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)

    def drop(self, why: str, rel: str) -> None:
        self.unused.setdefault(why, []).append(rel)
        self.facts.append(f"{rel}|{why}")

    def listed(self, folder: Folder) -> Folder | _Run | None:
        """Return a folder with its content; None if it cannot be listed."""
        path = self.root / folder.rel
        try:
            if folder.rel.count("/") >= _DEEPEST:
                raise OSError(f"more than {_DEEPEST} folders deep")
            with os.scandir(path) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            refuse_shortage(error, str(path))
            self.closed[folder.rel] = error.strerror or str(error)
            self.drop(notes.CLOSED_FOLDERS, f"{folder.rel}/")
            return None
        if _is_run(path):
            if folder.rel:
                return _Run(folder.rel)
            entries = self._besides_a_run(entries)
        self.facts.append(f"{folder.rel}/")
        pictures, folders = self._sorted(entries, folder.rel)
        return self._without_runs(Folder(folder.rel, tuple(pictures), (), folder.is_link), folders)

    def _besides_a_run(self, entries: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
        for entry in entries:
            if entry.name in _OF_A_RUN:
                self.drop(notes.RUNS, f"{entry.name}/")
        return [entry for entry in entries if entry.name not in _OF_A_RUN]

    def _sorted(
        self, entries: list[os.DirEntry[str]], above: str
    ) -> tuple[list[File], list[Folder | _Run]]:
        pictures: list[File] = []
        folders: list[Folder | _Run] = []
        for entry in entries:
            rel = f"{above}/{entry.name}" if above else entry.name
            if entry.name.startswith(".") or entry.name.casefold() in _SYSTEM:
                self.drop(notes.HIDDEN, rel)
                continue
            mode = _mode(entry)
            if mode is not None and stat.S_ISDIR(mode):
                folders += self._folder(entry, rel)
                if kind_by_name(Path(rel)) is not FileKind.PICTURE:
                    continue  # a folder named like an image also counts as a damaged image
            pictures += self._file(entry, rel, mode)
        return pictures, folders

    def _folder(self, entry: os.DirEntry[str], rel: str) -> Iterator[Folder | _Run]:
        if not entry.is_symlink():
            found = self.listed(Folder(rel))
        elif _holds_runs(self.root / rel):
            found = _Run(rel)
        else:
            found = self._linked(rel)
        if found is not None:
            yield found

    def _linked(self, rel: str) -> Folder | _Run | None:
        """Follow a link to a folder at the level of parts or classes, unless it is circular."""
        target = _resolved(self.root / rel)
        place = _resolved((self.root / rel).parent)
        if rel.count("/") > 1 or place.is_relative_to(target):
            self.drop(notes.LINKS, rel)
            return None
        if not target.is_relative_to(self.home):
            self.facts.append(f"{rel}|strays")
            return Folder(rel, strays=True)
        return self.listed(Folder(rel, is_link=True))

    def _file(self, entry: os.DirEntry[str], rel: str, mode: int | None) -> Iterator[File]:
        path = self.root / rel
        kind = kind_by_name(path)
        if mode is None and kind is not FileKind.PICTURE:
            self.drop(notes.LINKS, rel)
        elif mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            self.drop(notes.NO_PICTURES, rel)  # a pipe or a device: opening it might block forever
        else:
            # the top level holds study files and pages, which change with every run and are not
            # used
            (self.files if "/" in rel else self.facts).append(rel)
            kind = kind or self.look(path)
            if kind is FileKind.PICTURE:
                is_link = mode is not None and entry.is_symlink()
                yield File(rel, is_link and not _resolved(path).is_relative_to(self.home))
            else:
                self.unused.setdefault(_SAID_OF[kind], []).append(rel)

    def _without_runs(self, folder: Folder, found: list[Folder | _Run]) -> Folder | _Run:
        """Separate runs; a folder that holds nothing else is left out as a whole."""
        runs = [one.rel for one in found if isinstance(one, _Run)]
        folders = [one for one in found if isinstance(one, Folder)]
        is_all = not any(one.holds for one in folders) and not folder.pictures
        if runs and folder.rel and (is_all or folder.name == "runs"):
            return _Run(folder.rel)
        for rel in runs:
            self.drop(notes.RUNS, f"{rel}/")
        return Folder(folder.rel, folder.pictures, tuple(folders), folder.is_link)


def _resolved(path: Path) -> Path:
    """Return the target of a path, also for circular links, which `resolve` may refuse."""
    return Path(os.path.realpath(path))


def _mode(entry: os.DirEntry[str]) -> int | None:
    """Return the type of an entry, following links; None for dangling and circular links."""
    try:
        if entry.is_file():
            return stat.S_IFREG
        if entry.is_dir():
            return stat.S_IFDIR
        return entry.stat().st_mode
    except OSError:
        return None


def _is_run(path: Path) -> bool:
    """Return whether a folder holds results of this program."""
    try:
        begun = (path / "study.json").is_file() or (path / ".lock").is_file()
        return begun and (path / "cells").is_dir()
    except OSError:
        return False


def _holds_runs(path: Path) -> bool:
    """Return whether a folder, possibly elsewhere, is a run or the default folder of runs."""
    try:
        return _is_run(path) or any(_is_run(one) for one in path.iterdir())
    except OSError:
        return False
