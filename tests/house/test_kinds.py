"""What kind a model is, one file knows: everything else asks the model."""

from __future__ import annotations

import ast

from house.source import modules

NAMES = "neurovisionlab.core.model_names"
KINDS = {
    "neurovisionlab.learn.table_model.TableModel",
    "neurovisionlab.learn.timm_model.TimmModel",
    "neurovisionlab.learn.torchvision_model.TorchvisionModel",
    "neurovisionlab.learn.own_model.OwnModel",
}
PREFIXES = {"timm:", "torchvision:"}
# file: why it may know the four classes
KIND_FILES = {"learn/named_models.py": "makes one of them of a name"}
# file: why it looks at the form of a name before there is a model
FORM_FILES = {
    "api/running.py": "lets cells read the main program again",
    "lab/apart.py": "likewise",
    "core/bounds.py": "refuses addresses in records",
    "lab/trust.py": "leaves out code before anything of it is found",
    "learn/named_models.py": "makes a model of a name",
    "learn/timm_model.py": "its prefix",
    "learn/torchvision_model.py": "its prefix",
}


def _imported(tree: ast.AST) -> set[str]:
    return {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_one_file_knows_the_kinds_of_models() -> None:
    knowing = {file for file, tree in modules().items() if KINDS & _imported(tree)}
    assert knowing == KIND_FILES.keys()


def test_few_files_look_at_the_form_of_a_name() -> None:
    looking = {
        file
        for file, tree in modules().items()
        if any(name.startswith(f"{NAMES}.") for name in _imported(tree))
    }
    assert looking == FORM_FILES.keys()


def test_one_file_spells_the_prefixes() -> None:
    spelling = {
        file
        for file, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in PREFIXES
    }
    assert spelling == {"core/model_names.py"}


def test_nothing_returns_or_compares_a_kind() -> None:
    asking = {
        (file, ast.unparse(node))
        for file, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute | ast.FunctionDef)
        and (getattr(node, "id", "") or getattr(node, "attr", "") or getattr(node, "name", ""))
        in ("kind_of", "ModelKind", "model_kind")
    }
    assert asking == set()
