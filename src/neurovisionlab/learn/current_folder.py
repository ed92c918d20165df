"""Import of users' own models from the current folder, without exposing it to other imports.

On `sys.path` the folder would be searched for every import: a `triton.py` in it would replace the
optional package of that name in any library. Here it provides only requested modules, and the
modules that they import.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FrameType, ModuleType

# An entry of `sys.path` that Python itself skips: below a device there can be no file. Child
# processes inherit `sys.path`, and start in the program's initial folder, which a notebook may have
# left.
_MARK = f"{os.devnull}/own models of"
_IMPORTLIB = ("importlib", "_frozen_importlib", "_frozen_importlib_external")


class _OwnFinder(MetaPathFinder):
    """Finder for modules in the folders marked on `sys.path`, restricted to permitted importers."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self._given: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        folders = _folders()
        if path is not None or not folders:
            return None
        if name not in self.asked and _importer() not in self._given:
            return None
        found = PathFinder.find_spec(name, folders, target)
        if found is not None:
            self._given.add(name)
        return found


_finder = _OwnFinder()


def make_findable(name: str) -> None:
    """Let a user's module be found in the current folder, if it is nowhere else.

    The folder is searched last, so that users' files hide no other modules. Imports nothing.

    Args:
        name: "module" or "package.module:function".
    """
    importlib.invalidate_caches()
    first = name.partition(":")[0].partition(".")[0]
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)
    if _is_known(first):
        return
    _finder.asked.add(first)
    if _MARK + str(Path.cwd()) not in sys.path:
        sys.path.append(_MARK + str(Path.cwd()))


def _is_known(module_name: str) -> bool:
    try:
        return module_name in sys.modules or importlib.util.find_spec(module_name) is not None
    except (ImportError, ValueError):
        return False


def _folders() -> list[str]:
    return [entry.removeprefix(_MARK) for entry in sys.path if entry.startswith(_MARK)]


def _importer() -> str | None:
    """Return the top-level name of the importing module.

    The name and not its file decides: installed packages may also be below the current folder.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if name not in _IMPORTLIB:
            return name
        frame = frame.f_back
    return None
