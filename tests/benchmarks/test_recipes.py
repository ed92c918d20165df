"""The searches for recipes: every study is one, and every network is what its name says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from neurovisionlab import api
from neurovisionlab.core.spec import warnings_of
from recipes import int8, variants

RECIPES = Path(variants.__file__).parent
STUDIES = sorted(path.name for path in RECIPES.glob("*.toml"))
NETWORKS = [
    name.partition(":")[2] for name in api.load_study(str(RECIPES / "architecture.toml")).models
]


@pytest.mark.parametrize("file_name", STUDIES)
def test_every_search_is_a_study_over_three_seeds(file_name: str) -> None:
    study = api.load_study(str(RECIPES / file_name))
    assert f"{study.name}.toml" == file_name
    assert len(study.seeds) == 3
    assert warnings_of(study) == []


def test_other_images_are_met_under_the_protocol_of_the_preset() -> None:
    others, preset = api.load_study(str(RECIPES / "others.toml")), api.load_study("native-cpu")
    for part in ("protocol", "models", "seeds", "subset"):
        assert getattr(others, part) == getattr(preset, part)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_and_only_the_first_is_the_unchanged_one(name: str) -> None:
    network, unchanged = getattr(variants, name)(26, 1, 28), variants.base(26, 1, 28)
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 26)
    assert (str(network) == str(unchanged)) == (name == "base")


def test_weights_of_a_byte_are_near_those_of_four() -> None:
    state = variants.base(26, 1, 28).state_dict()
    small = int8.packed(state)
    again = int8.unpacked(small)
    assert again.keys() == state.keys()
    for name, tensor in state.items():
        if tensor.ndim < 2:
            assert again[name] is tensor
            continue
        assert small[name].dtype == torch.int8
        half_a_step = small[f"{name}.scale"] / 2
        assert bool(((again[name] - tensor).abs() <= 1.01 * half_a_step).all())


def test_a_channel_of_zeros_stays_one() -> None:
    again = int8.unpacked(int8.packed({"weight": torch.zeros(2, 3)}))
    assert again["weight"].tolist() == torch.zeros(2, 3).tolist()
