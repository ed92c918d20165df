"""One name, one thing: no two files and no two types of the package share a name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import PurePosixPath

from house.source import modules


def _types(tree: ast.AST) -> list[str]:
    """Return the classes and aliases of types that a module defines."""
    names = []
    for node in getattr(tree, "body", ()):
        if isinstance(node, ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name[0].isupper() and not name.isupper():
                names.append(name)
    return names


def test_no_two_files_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for file in modules():
        if not file.endswith(("__init__.py", "__main__.py")):
            places[PurePosixPath(file).stem].append(file)
    assert len(places) > 150
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_no_two_types_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for file, tree in modules().items():
        for name in _types(tree):
            places[name].append(file)
    assert len(places) > 300
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
