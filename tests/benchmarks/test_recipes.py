"""The searches for recipes: every study is one, and every network is what its name says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from statsmodels.stats.proportion import proportion_confint

from lab.fakes import fake_plan, fake_result
from neurovisionlab import api
from neurovisionlab.core.spec import warnings_of
from recipes import int8, together, variants

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


def test_networks_answer_together_by_their_mean_log_probability() -> None:
    # each of three is wrong once, elsewhere; one is unsure where it is wrong
    logits_KNC = np.zeros((3, 4, 2), dtype=np.float32)
    logits_KNC[:, :, 0] = [[2, 2, 2, -1], [2, 2, -1, 2], [2, -9, 2, 2]]
    found = together.together(logits_KNC, np.zeros(4, dtype=np.int64))
    assert found.alone == [75.0, 75.0, 75.0]
    assert found.joint == 75.0  # the surest mistake outweighs two right answers
    low, high = proportion_confint(3, 4, method="wilson")
    assert (found.low, found.high) == pytest.approx((100 * low, 100 * high))


def test_only_networks_of_one_model_and_split_answer_together() -> None:
    plan = fake_plan(models=("resnet18", "vit-tiny"), seeds=(0, 1, 2))
    records = [fake_result(cell).record for cell in plan.cells()]
    found = [[r.cell.seed for r in one] for one in together.groups(records)]
    assert found == [[0, 1, 2], [0, 1, 2]]
    elsewhere = [
        record.model_copy(update={"split_id": f"{number}"}) for number, record in enumerate(records)
    ]
    assert list(together.groups(elsewhere)) == []
    assert [len(one) for one in together.groups(records[:1] + records[3:5])] == [2]
