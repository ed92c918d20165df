"""How much disk a run will take, before it starts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from neurovisionlab.api.inspection import WORKERS
from neurovisionlab.core.errors import ModelError
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.lab.apart import asked
from neurovisionlab.learn.named_models import source_of
from neurovisionlab.learn.questions import Build

_LEAST_MIB = 100  # below it nobody asks


def disk_message(cells: Sequence[CellSpec], root: Path) -> str | None:
    """Return how much disk the cells will take; None where it is little or cannot be known.

    Models that are code of somebody's own are not built for this: they are named instead.

    Args:
        cells: that will be trained.
        root: the run's folder, which need not be there.
    """
    kept = _with_weights(cells)
    code = [m for m in dict.fromkeys(cell.model for cell in kept) if source_of(m).is_code]
    known = [cell for cell in kept if cell.model not in code]
    try:
        weights_mib = sum(_weights_mib(known))
    except (ModelError, RuntimeError):  # whatever is wrong, its cell says it: this is an estimate
        return None
    total_mib = weights_mib + sum(map(_answers_mib, cells))
    if total_mib < _LEAST_MIB:
        return None
    beside = f", and the weights of {', '.join(code)}" if code else ""
    policy = kept[0].protocol.keep_weights if kept else "none"
    line = f'disk: about {_amount(total_mib)} for results (keep_weights = "{policy}"){beside}'
    free_mib = _free_mib(root)
    if free_mib is not None and free_mib < total_mib:
        return f"warning: {line}; {_amount(free_mib)} are free"
    return line


def _with_weights(cells: Sequence[CellSpec]) -> list[CellSpec]:
    """Return the cells whose weights stay: all, or one of each data set, model and variant."""
    if not cells or cells[0].protocol.keep_weights == "none":
        return []
    if cells[0].protocol.keep_weights == "all":
        return list(cells)
    return list({(c.data.digest, c.model, c.variant): c for c in cells}.values())


def _weights_mib(cells: Sequence[CellSpec]) -> list[float]:
    from neurovisionlab.learn import questions

    builds: list[tuple[str, Build]] = [
        (cell.model, (cell.image_px, cell.channels, cell.num_classes, cell.protocol))
        for cell in cells
    ]
    distinct = {_key(build): build for build in builds}
    if not distinct:
        return []
    found = asked(questions.sizes, list(distinct.values()), cells[0].model, WORKERS)
    size_of = dict(zip(distinct, found, strict=True))
    return [size_of[_key(build)] for build in builds]


def _key(build: tuple[str, Build]) -> object:
    name, (*shape, protocol) = build
    return name, *shape, protocol.stem, protocol.stem_weights, protocol.pretrained


def _answers_mib(cell: CellSpec) -> float:
    """Return the size of logits, labels and indices of the evaluated images, at most."""
    num = sum(cell.data.num_images.values())
    asked = (cell.subset.train_images, cell.subset.test_images)
    most = num if None in asked else sum(filter(None, asked))
    return min(num, most) * (4 * cell.num_classes + 16) / 2**20


def _free_mib(root: Path) -> float | None:
    place = next((one for one in (root, *root.absolute().parents) if one.is_dir()), None)
    return None if place is None else shutil.disk_usage(place).free / 2**20


def _amount(mib: float) -> str:
    return f"{mib:,.0f} MiB" if mib < 1000 else f"{mib / 1024:,.1f} GiB"
