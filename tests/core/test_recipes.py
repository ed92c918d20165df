"""A recipe is a base for what a study does not set itself; its name counts for nothing."""

from __future__ import annotations

import json

import pytest

from core.cells import cells_of, plain_study
from neurovisionlab.core.costs import cost_spec
from neurovisionlab.core.errors import SpecError
from neurovisionlab.core.parse import parse_study
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.recipes import RECIPES
from neurovisionlab.core.spec import Study, warnings_of

HEAD = 'name = "mini"\ndatasets = ["digits"]\nmodels = ["resnet18"]\n[protocol]\n'


def _protocol(lines: str) -> Protocol:
    return parse_study(HEAD + lines).protocol


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_stands_for_its_fields_in_toml_and_python(name: str) -> None:
    written = _protocol(f'recipe = "{name}"')
    assert written == Protocol(recipe=name)  # type: ignore[arg-type]
    by_hand = Protocol(**RECIPES[name])  # type: ignore[index]
    assert by_hand != Protocol()
    assert written.model_dump() == by_hand.model_dump() | {"recipe": name}


def test_what_the_study_sets_goes_before_the_recipe_even_at_the_default() -> None:
    default = Protocol()
    settings = {field: getattr(default, field) for field in RECIPES["small-images"]}
    lines = "\n".join(f"{field} = {json.dumps(value)}" for field, value in settings.items())
    assert _protocol(f'recipe = "small-images"\n{lines}') == default.model_copy(
        update={"recipe": "small-images"}
    )
    one = _protocol('epochs = 3\nrecipe = "small-images"\nmean = [0.5]\nstd = [0.2]')
    assert (one.epochs, one.mean) == (3, (0.5,))
    assert one.optimizer == RECIPES["small-images"]["optimizer"]


def test_a_stored_study_means_what_it_meant_when_the_recipe_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = parse_study(HEAD + 'recipe = "small-images"').model_dump_json()
    monkeypatch.setattr("neurovisionlab.core.protocol.RECIPES", {"small-images": {"epochs": 7}})
    assert _protocol('recipe = "small-images"').epochs == 7
    assert Study.model_validate_json(stored, strict=True).model_dump_json() == stored


def test_the_name_is_in_no_identity() -> None:
    named = Protocol(recipe="small-images", image_px=28, color="grey")
    plain = Protocol(**(named.model_dump() | {"recipe": None}))
    cells = [cells_of(plain_study(protocol=one))[0] for one in (named, plain)]
    assert cells[0].cell_id == cells[1].cell_id
    assert cost_spec(cells[0]).cost_id == cost_spec(cells[1]).cost_id


def test_single_fields_can_be_varied_around_a_recipe() -> None:
    study = parse_study(HEAD + 'recipe = "small-images"\n[vary]\nepochs = [1, 40]')
    protocols = [protocol for _, protocol in study.protocols()]
    assert [one.epochs for one in protocols] == [1, 40]
    assert {one.optimizer for one in protocols} == {RECIPES["small-images"]["optimizer"]}


def test_an_unknown_recipe_and_a_varied_one_are_refused() -> None:
    with pytest.raises(SpecError, match=r'protocol.recipe: expected "small-images".*try "small'):
        _protocol('recipe = "small-image"')
    with pytest.raises(SpecError, match="vary: recipe: expected a field of the protocol"):
        parse_study(HEAD + '[vary]\nrecipe = ["small-images"]')


def test_what_a_recipe_sets_without_effect_is_no_warning_but_what_the_study_sets_is() -> None:
    assert warnings_of(parse_study(HEAD + 'recipe = "small-images"\naugmentation = "none"')) == []
    own = 'recipe = "small-images"\naugmentation = "none"\nunaugmented_frac = 0.3'
    (line,) = warnings_of(parse_study(HEAD + own))
    assert line.startswith("unaugmented_frac has no effect")


@pytest.mark.parametrize(
    ("lines", "published"),
    [
        ("", True),
        ("image_px = 32\nepochs = 3\nbatch_size = 8", True),
        ('recipe = "small-images"', False),
        ("learning_rate = 0.002", False),
        ("pretrained = true", False),
    ],
)
def test_training_as_published_is_recognised(lines: str, published: bool) -> None:
    assert _protocol(lines).is_published == published
