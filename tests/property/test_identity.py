"""A cell's id follows everything that can change its result, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cells import cells_of, plain_cell, plain_info, plain_study
from neurovisionlab.core.errors import SpecError
from neurovisionlab.core.parse import parse_study
from neurovisionlab.core.protocol import Protocol, normalised
from neurovisionlab.core.spec import CellSpec, DataRef, Split, Study, Subset

POSITIVE = st.floats(1e-6, 1e3)
FRACTIONS = st.floats(0.001, 0.999)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "image_px": st.integers(8, 1024),
    "color": st.sampled_from(["grey", "rgb"]),
    "scaling": st.sampled_from(["unit", "standardize"]),
    "val_frac": FRACTIONS,
    "split_seed": st.integers(0, 2**32 - 1),
    "optimizer": st.sampled_from(["adam", "adamw", "sgd", "muon"]),
    "learning_rate": POSITIVE,
    "schedule": st.sampled_from(["constant", "cosine", "one-cycle", "warm-up"]),
    "batch_size": st.integers(1, 4096),
    "epochs": st.integers(1, 1000),
    "weight_decay": st.floats(0, 1),
    "label_smoothing": st.floats(0, 0.99),
    "dropout": st.sampled_from(["model", "off"]),
    "augmentation": st.sampled_from(["none", "character-safe", "gentle"]),
    "unaugmented_frac": st.floats(0, 0.999),
    "pretrained": st.booleans(),
    "stem": st.sampled_from(["imagenet", "small", "light"]),
    "stem_weights": st.sampled_from(["adapt", "random"]),
    "keep_epoch": st.sampled_from(["last", "best"]),
    "precision": st.sampled_from(["fp32", "bf16", "fp16"]),
    "deterministic": st.booleans(),
    "keep_weights": st.sampled_from(["all", "best", "none"]),
}
CONSTANTS = st.integers(1, 3).flatmap(
    lambda num: st.tuples(
        st.tuples(*[st.floats(0, 1)] * num), st.tuples(*[st.floats(0.01, 1)] * num)
    )
)


@st.composite
def protocols(draw: st.DrawFn) -> Protocol:
    fields = draw(st.fixed_dictionaries({}, optional=VALUES))
    constants = draw(st.none() | CONSTANTS)
    if constants is not None:
        fields |= {"mean": constants[0], "std": constants[1]}
    return Protocol(**({"image_px": 28, "color": "grey"} | fields))


COUNTS = st.none() | st.integers(1, 10**6)
CELLS = st.builds(
    plain_cell,
    data=st.builds(plain_info, digest=st.sampled_from(["0" * 64, "1" * 64, "01" * 32])),
    data_ref=st.just(DataRef(name="letters")),
    model=st.sampled_from(["m1", "m2", "m.3"]),
    model_digest=st.none() | st.sampled_from(["m2", "0" * 64]),
    seed=st.integers(0, 12),
    fold=st.none() | st.integers(0, 12),
    protocol=protocols(),
    subset=st.builds(Subset, train_images=COUNTS, test_images=COUNTS),
    split=st.builds(Split, test_frac=FRACTIONS, folds=st.none() | st.integers(2, 50)),
)


def meaning(cell: CellSpec) -> list[Any]:
    """Return what decides a result, compared field by field and not by way of a text."""
    protocol = {k: v for k, v in dict(cell.protocol).items() if k != "keep_weights"}
    return [
        cell.data.digest,
        cell.model,
        cell.model_digest,
        cell.seed,
        cell.fold,
        protocol,
        cell.subset,
        (cell.split.test_frac, cell.split.folds),
    ]


@given(CELLS, CELLS)
def test_ids_are_equal_exactly_where_the_meaning_is(one: CellSpec, other: CellSpec) -> None:
    assert (one.cell_id == other.cell_id) == (meaning(one) == meaning(other))


@pytest.mark.parametrize("field", sorted(VALUES))
@given(protocol=protocols(), data=st.data())
@settings(max_examples=20)
def test_every_protocol_field_but_keep_weights_moves_the_id(
    field: str, protocol: Protocol, data: st.DataObject
) -> None:
    value = data.draw(VALUES[field].filter(lambda one: one != getattr(protocol, field)))
    changed = protocol.model_copy(update={field: value})
    ids = [plain_cell(protocol=one).cell_id for one in (protocol, changed)]
    assert (ids[0] == ids[1]) == (field == "keep_weights")


@given(CELLS)
def test_a_cell_survives_storage(cell: CellSpec) -> None:
    stored = CellSpec.model_validate_json(cell.model_dump_json(), strict=True)
    assert stored == cell
    assert stored.cell_id == cell.cell_id


@given(protocols())
def test_putting_back_settings_without_effect_is_done_once(protocol: Protocol) -> None:
    once = normalised(protocol)
    assert normalised(once) == once
    assert Protocol.model_validate(once.model_dump()) == once


def test_every_protocol_field_has_values_to_try() -> None:
    assert set(VALUES) | {"mean", "std", "recipe"} == set(Protocol.model_fields)


STUDIES = st.builds(
    plain_study,
    datasets=st.lists(st.sampled_from(["a", "b", "folder:c"]), min_size=1, unique=True).map(tuple),
    models=st.lists(st.sampled_from(["m1", "m2", "m3"]), min_size=1, unique=True).map(tuple),
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True).map(tuple),
    vary=st.fixed_dictionaries(
        {},
        optional={
            name: st.lists(VALUES[name], min_size=1, max_size=2).map(tuple)
            for name in ("epochs", "image_px", "learning_rate", "stem_weights", "keep_weights")
        },
    ),
)


@given(STUDIES)
def test_a_study_survives_json(study: Study) -> None:
    assert Study.model_validate_json(study.model_dump_json(), strict=True) == study


@given(STUDIES)
@settings(max_examples=50)
def test_every_model_gets_every_protocol_and_no_cell_comes_twice(study: Study) -> None:
    cells = cells_of(study)
    assert len({cell.cell_id for cell in cells}) == len(cells)
    per_model = {
        model: [(c.data.name, c.seed, c.protocol) for c in cells if c.model == model]
        for model in study.models
    }
    assert all(one == per_model[study.models[0]] for one in per_model.values())


@given(STUDIES)
@settings(max_examples=50)
def test_a_new_seed_adds_cells_and_moves_none(study: Study) -> None:
    more = study.model_copy(update={"seeds": (*study.seeds, 100)})
    before, after = ({cell.cell_id for cell in cells_of(one)} for one in (study, more))
    assert before < after


@given(st.text(max_size=200))
def test_no_text_crashes_the_reader(text: str) -> None:
    try:
        parse_study(text)
    except SpecError as error:
        assert str(error)


TOML_VALUES = st.sampled_from(
    ["1", "-1", "0", "1.5", "nan", "inf", '"x"', "true", "[]", "[1]", '["a"]', "{}", "{a=1}"]
    + ["1979-05-27", "99999999999999999999", "[[]]", "{epochs=[1]}", '{epochs="x"}']
)
KEYS = st.sampled_from(
    [*Study.model_fields, *(f"protocol.{name}" for name in Protocol.model_fields)]
    + ["subset.train_images", "split.folds", "split.test_frac", "labels.keep", "vary.epochs"]
    + ["vary.mean", "vary.nothing", "protocol.nothing", "nothing"]
)


@given(st.dictionaries(KEYS, TOML_VALUES, max_size=8))
def test_wrong_values_are_told_one_line_each(settings_: dict[str, str]) -> None:
    # a key inside a table that is also given as a value is no TOML: that is told, too
    text = "\n".join(f"{key} = {value}" for key, value in settings_.items())
    try:
        parse_study(text, "s.toml")
    except SpecError as error:
        first, *lines = str(error).splitlines()
        assert first.startswith("s.toml: ")
        for line in lines:
            assert line.startswith("  ")
            assert "expected" in line
            assert "; try " in line
            assert "null" not in line
