"""A user's own function that builds a model: imported, checked, and identified by its source."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from neurovisionlab.core.errors import ModelError, mould, nearest, one_line
from neurovisionlab.learn.current_folder import make_findable

ModelFunction = Callable[..., Any]


def own_function(name: str) -> ModelFunction:
    """Import the function that "package.module:function" names.

    The module is looked for where Python looks, then in the current folder.

    Raises:
        ModelError: no such module or function, the module does not import, or the function
            cannot be called with num_classes, channels and image_px.
    """
    module_name, function_name = name.split(":")
    module = _own_module(name, module_name)
    function: ModelFunction | None = getattr(module, function_name, None)
    if not callable(function):
        there = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        near = ", ".join(nearest(function_name, there)) or f"to write {function_name}"
        raise ModelError(mould(name, "a function of that name", "none", near))
    try:
        inspect.signature(function).bind(num_classes=10, channels=1, image_px=28)
    except (TypeError, ValueError) as error:
        expected = "a function of num_classes, channels, image_px"
        remedy = f"def {function_name}(num_classes, channels, image_px)"
        raise ModelError(mould(name, expected, one_line(error), remedy)) from None
    return function


def _own_module(name: str, module_name: str) -> ModuleType:
    make_findable(name)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            remedy = "to run where it lies, or set PYTHONPATH"
            got = f"no module {error.name!r} here or on Python's path"
            raise ModelError(mould(name, f"a module {module_name}", got, remedy)) from None
        got = one_line(error)
        raise ModelError(
            mould(name, "a module that imports", got, f"to install {error.name}")
        ) from None
    except Exception as error:  # whatever a user's file raises while it is read
        remedy = f"`python -c 'import {module_name}'`"
        raise ModelError(mould(name, "a module that imports", one_line(error), remedy)) from error


def own_digest(name: str) -> str:
    """Return SHA-256 (hex) over the source of the module a user's function is named in.

    What that module imports is not covered, but for the file that defines the function.

    Raises:
        ModelError: see `own_function`.
    """
    function = own_function(name)
    module = sys.modules[name.partition(":")[0]]
    files = {inspect.getsourcefile(module), inspect.getsourcefile(inspect.unwrap(function))}
    sha = hashlib.sha256()
    for file in sorted(os.fspath(file) for file in files if file):
        sha.update(Path(file).read_bytes())
    return sha.hexdigest()
