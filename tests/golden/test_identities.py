"""Ids of ten cells and three costs, pinned as the first results had them: a field that is added to
a protocol, a subset, a split or a cost must not move them at its default.
"""

from __future__ import annotations

from typing import Any

import pytest

from neurovisionlab.core.costs import cost_spec
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import CellSpec, DataInfo, DataRef, Split, Subset

DATA = DataInfo(
    name="emnist-letters",
    digest="89abcdef01234567" * 4,
    height_px=28,
    width_px=28,
    channels=1,
    class_names=tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    num_images={"train": 124_800, "test": 20_800},
    source="NIST",
    licence="public domain",
)
PLAIN: dict[str, Any] = {
    "data": DATA,
    "data_ref": DataRef(name="emnist-letters"),
    "model": "glyphnet",
    "seed": 0,
    "protocol": Protocol(image_px=28, color="grey"),
    "subset": Subset(),
    "split": Split(),
}
RECIPE = Protocol(recipe="small-images", image_px=32, color="rgb")
MUON = Protocol(
    image_px=28,
    color="grey",
    optimizer="muon",
    learning_rate=0.01,
    schedule="one-cycle",
    augmentation="character-safe",
    unaugmented_frac=0.25,
    epochs=16,
    precision="bf16",
)
PRETRAINED = Protocol(
    image_px=224,
    color="rgb",
    pretrained=True,
    stem_weights="random",
    scaling="standardize",
    mean=(0.5, 0.4, 0.3),
    std=(0.2, 0.2, 0.2),
    keep_epoch="best",
)
GROUPED = DATA.model_copy(update={"num_images": {"train": 1000}, "num_groups": 40})

CELLS: dict[str, dict[str, Any]] = {
    "the default": {},
    "another seed": {"seed": 7, "model": "resnet18", "model_digest": "revision 2"},
    "a recipe": {"protocol": RECIPE},
    "muon": {"protocol": MUON},
    "pretrained": {
        "protocol": PRETRAINED,
        "model": "timm:convnext_atto",
        "model_digest": "0f" * 32,
    },
    "a subset": {"subset": Subset(train_images=16_000, test_images=5_000)},
    "a fold": {"split": Split(folds=5), "fold": 3},
    "other groups": {"data": GROUPED, "split": Split(test_frac=0.4, groups="writers.csv")},
    "groups": {"data": GROUPED, "split": Split(groups="writers.csv")},
    "an own model": {"model": "own_model:net", "model_digest": "ab" * 32, "seed": 2**32 - 1},
}
COSTS = {"of the default": "the default", "of a pretrained model": "pretrained", "of muon": "muon"}


def _cell(name: str) -> CellSpec:
    return CellSpec(**(PLAIN | CELLS[name]))


@pytest.mark.parametrize("name", CELLS)
def test_ids_of_cells_are_those_of_the_past(name: str) -> None:
    assert _cell(name).cell_id == PINNED[name]


@pytest.mark.parametrize("name", COSTS)
def test_ids_of_costs_are_those_of_the_past(name: str) -> None:
    assert cost_spec(_cell(COSTS[name])).cost_id == PINNED[name]


PINNED = {
    "the default": "emnist-letters-glyphnet-s0-609791d028db",
    "another seed": "emnist-letters-resnet18-s7-5acd0ba0ba4c",
    "a recipe": "emnist-letters-glyphnet-s0-358751c76cc2",
    "muon": "emnist-letters-glyphnet-s0-857024bebb1e",
    "pretrained": "emnist-letters-convnext_atto-s0-55dc3bceec79",
    "a subset": "emnist-letters-glyphnet-s0-af494d4ae9bb",
    "a fold": "emnist-letters-glyphnet-s0-f3-4e93a78dcd1a",
    "other groups": "emnist-letters-glyphnet-s0-b1823e1bed6d",
    "groups": "emnist-letters-glyphnet-s0-609791d028db",
    "an own model": "emnist-letters-net-s4294967295-4d4b91582abc",
    "of the default": "glyphnet-28px-0101a8514bbe",
    "of a pretrained model": "convnext_atto-224px-832ea2b04d20",
    "of muon": "glyphnet-28px-c247ffe4a756",
}
