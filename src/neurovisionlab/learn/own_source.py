"""Source of users' own models, located and read without executing it.

The code that a run names may be untrusted, or changed since the run: it is compared with the run's
stored digest before any of it is imported.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from neurovisionlab.core.errors import ModelError, mould
from neurovisionlab.data.files import content_of

_MOST_BYTES = 10_000_000  # maximum size of a source file
_MOST_FILES = 100  # maximum number of files searched for the definition of a function


def check_source(model: str, digest: str | None) -> None:
    """Refuse a module whose source does not have the digest stored in a run; imports nothing.

    Args:
        model: "package.module:function".
        digest: SHA-256 (hex) as `own_function.own_digest` gives it: of the module's file, or of
            that and the one that defines the function; what stands behind a "+" is of weights.

    Raises:
        ModelError: the module is missing, or has another digest.
    """
    wanted = (digest or "none").partition("+")[0]
    module = model.partition(":")[0]
    first = _source_of(module)
    if first is None:
        got, remedy = "none here or on Python's path", "to run where it lies, or set PYTHONPATH"
        raise ModelError(mould(model, f"a module {module}", got, remedy))
    if not any(_digest({first, other}) == wanted for other in _related(module, first)):
        expected = f"code of digest {wanted[:12]}"
        got = f"{_digest({first})[:12]} in {first}, which was not imported"
        raise ModelError(mould(model, expected, got, "the code of that run, or to run again"))


def _digest(files: Iterable[Path]) -> str:
    sha = hashlib.sha256()
    for file in sorted(str(file) for file in files):  # as `own_function.own_digest` does
        sha.update(_read(Path(file)))
    return sha.hexdigest()


def _read(path: Path) -> bytes:
    try:
        return content_of(path, _MOST_BYTES)
    except OSError:
        return b""


def _source_of(module: str) -> Path | None:
    """Return the file of a module as Python would find it, then in the current folder."""
    spec = _spec_of(module)
    if spec is None or not spec.has_location or not (spec.origin or "").endswith(".py"):
        return None
    return Path(spec.origin or "").absolute()


def _spec_of(module: str) -> ModuleSpec | None:
    """Return a module's spec without importing its parents, unlike importlib."""
    path: list[str] | None = None
    found: ModuleSpec | None = None
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    for number in range(1, len(parts) + 1):
        found = _find(".".join(parts[:number]), path)
        if found is None:
            return None
        path = list(found.submodule_search_locations or [])
    return found


def _find(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        found = finder.find_spec(name, path)
        if found is not None:
            return found
    return PathFinder.find_spec(name, [str(Path.cwd())]) if path is None else None


def _related(module: str, first: Path) -> Iterator[Path]:
    """Yield the files of a module and of its direct and indirect imports, up to a limit."""
    seen, rest = {first}, [(module, first)]
    while rest and len(seen) < _MOST_FILES:
        name, file = rest.pop(0)
        yield file
        for other in _imported(name, file):
            source = _source_of(other)
            if source is not None and source not in seen:
                seen.add(source)
                rest.append((other, source))
    yield from (file for _, file in rest)


def _imported(module: str, file: Path) -> Iterator[str]:
    """Yield the names of modules imported by a source file, whole or in part."""
    try:
        tree = ast.parse(_read(file))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = [*above, *([node.module] if node.module else [])]
            yield ".".join(base)
            yield from (".".join([*base, one.name]) for one in node.names if one.name != "*")
