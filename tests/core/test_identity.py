"""What identifies results: a field that comes later leaves the ids of before alone."""

from __future__ import annotations

from typing import ClassVar

import pytest

from core.cells import plain_cell
from neurovisionlab.core.costs import CostSpec, cost_spec
from neurovisionlab.core.frozen import Identified
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import Split, Subset

# the fields that the first results were identified by: this list never grows
FIRST: dict[type[Identified], str] = {
    Protocol: (
        "image_px color scaling mean std val_frac split_seed optimizer learning_rate schedule "
        "batch_size epochs weight_decay label_smoothing dropout augmentation pretrained stem "
        "stem_weights keep_epoch precision deterministic"
    ),
    Subset: "train_images test_images",
    Split: "test_frac folds",
    CostSpec: "model model_digest image_px channels num_classes source_px protocol",
}


@pytest.mark.parametrize("kind", FIRST)
def test_each_field_is_of_the_first_results_or_younger_or_free(kind: type[Identified]) -> None:
    assert kind.model_fields.keys() >= kind.YOUNGER
    assert kind.model_fields.keys() >= kind.FREE
    assert kind.model_fields.keys() - kind.YOUNGER - kind.FREE == set(FIRST[kind].split())


class _NewSubset(Subset):
    YOUNGER: ClassVar[frozenset[str]] = Subset.YOUNGER | {"new"}
    new: int | None = None


class _NewSplit(Split):
    YOUNGER: ClassVar[frozenset[str]] = Split.YOUNGER | {"new"}
    new: tuple[int, ...] = ()


class _NewProtocol(Protocol):
    YOUNGER: ClassVar[frozenset[str]] = Protocol.YOUNGER | {"new"}
    new: float = 0.5


class _NewCostSpec(CostSpec):
    YOUNGER: ClassVar[frozenset[str]] = CostSpec.YOUNGER | {"new"}
    new: str = "as ever"


@pytest.mark.parametrize(
    ("before", "after", "value"),
    [
        (Subset(train_images=5), _NewSubset, 3),
        (Split(folds=5), _NewSplit, (1, 2)),
        (Protocol(epochs=3, unaugmented_frac=0.5), _NewProtocol, 0.1),
        (cost_spec(plain_cell()), _NewCostSpec, "otherwise"),
    ],
)
def test_a_younger_field_moves_an_identity_only_where_it_is_used(
    before: Identified, after: type[Identified], value: object
) -> None:
    fields = before.model_dump()
    assert after(**fields).identity() == before.identity()
    assert after(**fields, new=value).identity() != before.identity()


def test_costs_of_a_protocol_with_a_younger_field_keep_their_id() -> None:
    before = cost_spec(plain_cell())
    protocol = _NewProtocol(**before.protocol.model_dump())
    after = before.model_copy(update={"protocol": protocol})
    assert after.cost_id == before.cost_id
    used = before.model_copy(update={"protocol": protocol.model_copy(update={"new": 0.1})})
    assert used.cost_id != before.cost_id
