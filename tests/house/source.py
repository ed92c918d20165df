"""The package's own source, parsed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "neurovisionlab"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules() -> dict[str, ast.Module]:
    """Return {path below the package: its syntax tree}."""
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def functions() -> Iterator[tuple[str, Function]]:
    """Yield ("file.py:Class.name", function) for every function, methods and inner ones too."""
    for file, tree in modules().items():
        for name, node in _functions_below(tree, ""):
            yield f"{file}:{name}", node


def _functions_below(tree: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(tree):
        name = getattr(node, "name", None)
        inner = f"{prefix}{name}." if isinstance(name, str) else prefix
        if isinstance(node, Function):
            yield f"{prefix}{node.name}", node
        yield from _functions_below(node, inner)


def imports(tree: ast.AST) -> set[str]:
    """Return the full names of all modules and members that a module imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names
