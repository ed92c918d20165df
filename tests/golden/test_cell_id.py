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


def grouped(num_groups: int | None, **split: object) -> CellSpec:
    """Return a cell of a set of one part, with groups if their number is known."""
    data = CELL.data.model_copy(update={"num_groups": num_groups})
    return CELL.model_copy(update={"data": data, "fold": None, "split": Split(**split)})


def test_groups_move_no_id_where_their_first_division_was_right() -> None:
    assert grouped(6).cell_id == "my-letters-resnet18-s3-d86f3a443075"
    folds = CELL.model_copy(update={"data": grouped(6).data})
    assert folds.cell_id == CELL.cell_id


def test_groups_move_the_ids_of_shares_that_were_not_held_out() -> None:
    assert (
        grouped(None, test_frac=0.4).cell_id == "my-letters-resnet18-s3-5a5ac9696722"
    )  # of the past
    assert grouped(6, test_frac=0.4).cell_id == "my-letters-resnet18-s3-b57c7010f1b7"


def test_the_cell_id_survives_storage() -> None:
    assert CellSpec.model_validate_json(CELL.model_dump_json()).cell_id == CELL.cell_id
