"""The searches for recipes: every study is one, and every network is what its name says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from neurovisionlab import api
from neurovisionlab.core.spec import warnings_of
from recipes import variants

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


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_and_only_the_first_is_the_unchanged_one(name: str) -> None:
    network, unchanged = getattr(variants, name)(26, 1, 28), variants.base(26, 1, 28)
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 26)
    assert (str(network) == str(unchanged)) == (name == "base")
