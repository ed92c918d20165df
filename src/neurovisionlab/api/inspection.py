"""What is known of models before anything trains: names, code, weights, whether they suit images.

Code is asked in processes of its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from neurovisionlab.core.errors import SpecError, mould
from neurovisionlab.core.expand import weights_key
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import CellSpec, Study
from neurovisionlab.data.texts import possible_path
from neurovisionlab.lab.apart import asked
from neurovisionlab.learn.current_folder import make_findable
from neurovisionlab.learn.named_models import source_of

if TYPE_CHECKING:
    from neurovisionlab.learn.survey import Facts

# imported once by the server that processes are forked from
WORKERS = ("neurovisionlab.learn.run", "neurovisionlab.learn.measure")


def take_weights_from(folder: str | Path) -> None:
    """Look for pretrained weights in a folder, here and in all processes that start from here.

    Args:
        folder: need not be there unless a study takes pretrained weights.

    Raises:
        SpecError: no folder can have that name.
    """
    try:
        path = possible_path(folder, "--weights").absolute()
    except FileNotFoundError:
        got = "one that was deleted"
        raise SpecError(mould("the working folder", "a folder", got, "`cd DIR`")) from None
    os.environ["NVL_WEIGHTS"] = str(path)


def model_names(pattern: str | None = None) -> list[str]:
    """Return the names of models that match.

    Args:
        pattern: such as "res*", "timm:convnext*", "torchvision:*"; else our own table.

    Raises:
        ModelError: nothing matches.
    """
    from neurovisionlab.learn.survey import list_names

    return list_names(pattern)


def models(pattern: str | None = None) -> list[Facts]:
    """Return what is known of the models that match: each is built, which takes a while.

    Args:
        pattern: see `model_names`.

    Raises:
        ModelError: nothing matches, or one cannot be built.
    """
    return [model_facts(name) for name in model_names(pattern)]


def model_facts(name: str) -> Facts:
    """Return what is known of a model; a user's own is asked in a process of its own.

    Raises:
        ModelError: no such model, or it cannot be built.
    """
    from neurovisionlab.learn import questions, survey

    if not source_of(name).is_code:
        return survey.facts(name)
    make_findable(name)
    known: Facts = asked(questions.look, name, name, WORKERS)
    return known


def look_at_models(study: Study) -> tuple[dict[str, str], list[str]]:
    """Return what identifies models beyond their names, and whose pretrained weights they take.

    Names of the table are looked up without torch.
    """
    digests: dict[str, str] = {}
    notes: list[str] = []
    is_pretrained = any(protocol.pretrained for _, protocol in study.protocols())
    for model in study.models:
        digest = identified(model)
        if digest is not None:
            digests[model] = digest
        if is_pretrained:
            weights = source_of(model).weights()
            digests[weights_key(model)] = weights.digest
            notes.append(f"{model}: pretrained, {weights.origin} ({weights.path})")
    return digests, notes


def identified(model: str) -> str | None:
    """Return what identifies a model beyond its name; code is asked in a process of its own.

    Raises:
        ModelError: nothing stands for that name, or its code ends the process.
    """
    source = source_of(model)
    if source.is_listed:
        return source.digest()
    if source.is_code:
        make_findable(model)
    from neurovisionlab.learn import questions

    digest: str | None = asked(questions.identify, model, model, WORKERS)
    return digest


def checked(model: str, builds: list[tuple[int, int, int, Protocol]]) -> list[bool]:
    """Build a model in a process of its own; return of each build whether `stem` changed it.

    Args:
        model: its name.
        builds: (image_px, channels, num_classes, protocol) of each.

    Raises:
        ModelError: it does not suit, or it ends the process.
    """
    from neurovisionlab.learn import questions

    changed: list[bool] = asked(questions.check, (model, builds), model, WORKERS)
    return changed


def check_models(cells: Sequence[CellSpec], todo: Sequence[CellSpec]) -> list[str]:
    """Refuse models that do not suit the images; return a line where `stem` has no effect.

    A stem that a recipe brings along is nobody's wish for one model: it is passed over in silence.
    """
    unchanged: dict[str, dict[str, None]] = {}  # by stem, in the order of the study
    for cell in cells:
        source, stem = source_of(cell.model), cell.protocol.stem
        source.check_size(cell.image_px)
        is_wished = stem != "imagenet" and not cell.protocol.is_of_recipe("stem")
        if source.is_listed and is_wished and source.has_own_stem(stem):
            unchanged.setdefault(stem, {})[cell.model] = None
    for model, unlike in _unlike(todo).items():
        builds = [(c.image_px, c.channels, c.num_classes, c.protocol) for c in unlike]
        for cell, has_effect in zip(unlike, checked(model, builds), strict=True):
            if not has_effect and not cell.protocol.is_of_recipe("stem"):
                unchanged.setdefault(cell.protocol.stem, {})[model] = None
    return [
        f'stem = "{stem}" has no effect on {", ".join(models)}: their first layers stay as they are'
        for stem, models in unchanged.items()
    ]


def _unlike(cells: Sequence[CellSpec]) -> dict[str, list[CellSpec]]:
    """Return {model: cells} where a model must be built to be checked, one cell of each build."""
    kinds: dict[object, CellSpec] = {}
    for cell in cells:
        protocol = cell.protocol
        if protocol.pretrained or not source_of(cell.model).is_listed:
            settings = (protocol.pretrained, protocol.stem, protocol.stem_weights, protocol.dropout)
            size = (cell.image_px, cell.channels, cell.num_classes)
            kinds.setdefault((cell.model, size, settings), cell)
    by_model: dict[str, list[CellSpec]] = {}
    for cell in kinds.values():
        by_model.setdefault(cell.model, []).append(cell)
    return by_model
