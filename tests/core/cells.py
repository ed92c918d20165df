"""Data sets that are described but exist nowhere, and cells over them."""

from __future__ import annotations

from typing import Any

from neurovisionlab.core.expand import expand
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import CellSpec, DataInfo, DataRef, Study

PLAIN_INFO = DataInfo(
    name="letters",
    digest="0" * 64,
    height_px=28,
    width_px=28,
    channels=1,
    class_names=("A", "B", "C"),
    num_images={"train": 30, "test": 12},
)


def plain_info(**fields: Any) -> DataInfo:
    """Return a grey set of 28 px in three classes; `fields` override."""
    return PLAIN_INFO.model_copy(update=fields)


def plain_study(**fields: Any) -> Study:
    """Return a study of one cell; `fields` override."""
    return Study(**({"name": "s", "datasets": ("letters",), "models": ("resnet18",)} | fields))


def cells_of(study: Study, **info: Any) -> tuple[CellSpec, ...]:
    """Return the study's cells, every data set being `plain_info(**info)` under its own name."""
    infos: dict[DataRef, DataInfo] = {
        ref: plain_info(**({"name": name} | info))
        for name, refs in study.data_refs().items()
        for ref in refs
    }
    return expand(study, infos)


def plain_cell(**fields: Any) -> CellSpec:
    """Return one resolved cell; `fields` override."""
    (cell,) = cells_of(plain_study(protocol=Protocol(image_px=28, color="grey")))
    return cell.model_copy(update=fields)
