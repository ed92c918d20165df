"""One cell id, pinned: if it moves, every stored result is orphaned.

A change here is meant only together with a raised SCHEMA_VERSION and a line in the changelog.
"""

from __future__ import annotations

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import SCHEMA_VERSION, CellSpec, DataInfo, DataRef, Split, Subset

CELL = CellSpec(
    data=DataInfo(
        name="folder:/home/ann/My Letters",
        digest="0123456789abcdef" * 4,
        height_px=28,
        width_px=28,
        channels=1,
        class_names=("A", "B", "き"),
        num_images={"train": 100},
    ),
    data_ref=DataRef(name="folder:/home/ann/My Letters"),
    model="resnet18",
    seed=3,
    fold=1,
    protocol=Protocol(image_px=28, color="grey", learning_rate=3e-4),
    subset=Subset(train_images=60),
    split=Split(folds=5),
)


def test_the_cell_id_is_the_one_of_the_past() -> None:
    assert SCHEMA_VERSION == 1
    assert CELL.cell_id == "my-letters-resnet18-s3-f1-c34ec6c2376c"


def test_the_cell_id_survives_storage() -> None:
    assert CellSpec.model_validate_json(CELL.model_dump_json()).cell_id == CELL.cell_id
