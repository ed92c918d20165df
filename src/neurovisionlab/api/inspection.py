"""Facts about models before training: names, digests, weights, and whether they fit the images.

Model code of users runs in separate processes.
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

# modules preloaded by the server from which worker processes are forked
WORKERS = ("neurovisionlab.learn.run", "neurovisionlab.learn.measure")


def take_weights_from(folder: str | Path) -> None:
    """Look for pretrained weights in a folder, in this process and all processes started from it.

    Args:
        folder: may be missing unless a study uses pretrained weights.

    Raises:
        SpecError: the name cannot be that of a folder.
    """
    try:
        path = possible_path(folder, "--weights").absolute()
    except FileNotFoundError:
        got = "one that was deleted"
        raise SpecError(mould("the working folder", "a folder", got, "`cd DIR`")) from None
    os.environ["NVL_WEIGHTS"] = str(path)


def model_names(pattern: str | None = None) -> list[str]:
    """Return the names of the models that match a pattern.

    Args:
        pattern: such as "res*", "timm:convnext*", "torchvision:*"; by default the models of the
            catalogue.

    Raises:
        ModelError: no name matches.
    """
    from neurovisionlab.learn.survey import list_names

    return list_names(pattern)


def models(pattern: str | None = None) -> list[Facts]:
    """Return facts about the models that match a pattern; each is built, which takes a while.

    Args:
        pattern: see `model_names`.

    Raises:
        ModelError: no name matches, or a model cannot be built.
    """
    return [model_facts(name) for name in model_names(pattern)]


def model_facts(name: str) -> Facts:
    """Return facts about a model; a user's own model is built in a separate process.

    Raises:
        ModelError: the model is unknown or cannot be built.
    """
    from neurovisionlab.learn import questions, survey

    if not source_of(name).is_code:
        return survey.facts(name)
    make_findable(name)
    known: Facts = asked(questions.look, name, name, WORKERS)
    return known


def look_at_models(study: Study) -> tuple[dict[str, str], list[str]]:
    """Return digests of a study's models and notes on the origin of their pretrained weights.

    Models of the catalogue are looked up without torch.

    Returns:
        ({model or `weights_key`: digest}, a line for each model with pretrained weights).
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
    """Return the digest that identifies a model beyond its name; None if the name suffices.

    Code outside the catalogue is imported in a separate process.

    Raises:
        ModelError: the name is unknown, or the model's code ends the process.
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
    """Build a model in a separate process and return, for each build, whether `stem` changed it.

    Args:
        model: its name.
        builds: (image_px, channels, num_classes, protocol) of each build.

    Raises:
        ModelError: the model does not fit the images, or ends the process.
    """
    from neurovisionlab.learn import questions

    changed: list[bool] = asked(questions.check, (model, builds), model, WORKERS)
    return changed


def check_models(cells: Sequence[CellSpec], todo: Sequence[CellSpec]) -> list[str]:
    """Refuse models that do not fit the images; return a line for each `stem` without effect.

    A stem that comes from a recipe is not reported: the user did not choose it for a single model.
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
