"""The current folder as a place of a user's own models, and of nothing else.

On `sys.path` it would serve everybody: a `triton.py` there is imported in place of an optional
package by whatever library looks for that. Here it gives the modules asked for by name, and what
they import.
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

# An entry of `sys.path` that Python itself passes over: below a device there is no file, whatever
# somebody puts into a folder. Processes inherit that list, and start where the program started,
# which a notebook may have left.
_MARK = f"{os.devnull}/own models of"
_IMPORTLIB = ("importlib", "_frozen_importlib", "_frozen_importlib_external")


class _OwnFinder(MetaPathFinder):
    """Finds modules in the folders marked on `sys.path`, for those who may have them."""

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
    """Look for a user's module in the current folder, too, unless Python finds it elsewhere.

    Last, so that a user's files hide nobody else's. Imports nothing.

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
    """Return the name, without what is below it, of the module that is importing.

    Not where its file lies: an environment of installed packages may lie in the current folder.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if name not in _IMPORTLIB:
            return name
        frame = frame.f_back
    return None
