"""The exception hierarchy.

    NvlError                 the user can fix it: one clear message, exit code 2, no traceback
    ├── SpecError            a study asks for something that cannot be run
    ├── DataError            a data set is missing, broken or unsuitable
    ├── ModelError           a model or its weights cannot be built as requested
    ├── ResourceError        the machine is too small for the request
    └── StoreError           a results folder cannot be read or written

Any other exception is a bug and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class NvlError(Exception):
    """An error that the user can fix; its text says what, where, and how."""


class SpecError(NvlError):
    """A study that cannot be run as written."""


class DataError(NvlError):
    """A data set that is missing, broken, or not what it claims to be."""


class ModelError(NvlError):
    """A model, or its weights, that cannot be built as requested."""


class ResourceError(NvlError):
    """Memory, disk or device too small for the request."""


class StoreError(NvlError):
    """A results folder that cannot be read or written."""


def mould(what: str, expected: str, got: str, remedy: str) -> str:
    """Return an error message in the form shared by all errors of this project.

    >>> mould("batch_size", "a whole number of at least 1", "0", "64")
    'batch_size: expected a whole number of at least 1, got 0; try 64'
    """
    return f"{what}: expected {expected}, got {got}; try {remedy}"


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the `count` known names most similar to `name` (all, if fewer), best first."""
    return get_close_matches(name[:200], list(known), n=count, cutoff=0.0)


def one_line(error: BaseException) -> str:
    """Return an exception as one short line: its kind and the first line of its text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:2])
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
