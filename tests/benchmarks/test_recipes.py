"""The searches for recipes: every study is one, and every network is what its name says."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.metrics import accuracy_score
from statsmodels.stats.proportion import proportion_confint

from lab.fakes import fake_plan, fake_result
from neurovisionlab import Protocol, api
from neurovisionlab.core.spec import warnings_of
from neurovisionlab.lab.store import Store
from recipes import small_images, together, variants

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


def test_other_images_are_met_by_the_models_and_subset_of_the_preset() -> None:
    others, preset = api.load_study(str(RECIPES / "others.toml")), api.load_study("native-cpu")
    for part in ("models", "seeds", "subset"):
        assert getattr(others, part) == getattr(preset, part)


@pytest.mark.parametrize("name", small_images.ROUNDS)
def test_every_round_of_the_recipe_is_a_protocol_on_a_set_that_is_written(name: str) -> None:
    tasks = list(small_images.tasks_of(Path(), name, 2))
    assert {task.model for task in tasks} == set(small_images.MODELS)
    for task in tasks:
        Protocol.model_validate(small_images.BASE | task.changed)
        assert task.set_name in small_images.SETS


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_and_only_the_first_is_the_unchanged_one(name: str) -> None:
    network, unchanged = getattr(variants, name)(26, 1, 28), variants.base(26, 1, 28)
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 26)
    assert (str(network) == str(unchanged)) == (name == "base")


def test_networks_answer_together_by_their_mean_log_probability() -> None:
    # each of three is wrong once, each elsewhere: two of them only just, the third surely
    logits_KNC = np.zeros((3, 4, 2), dtype=np.float32)
    logits_KNC[:, :, 0] = [[2, 2, 2, -1], [2, 2, -1, 2], [2, -9, 2, 2]]
    labels_N = np.zeros(4, dtype=np.int64)
    found = together.together(logits_KNC, labels_N)
    assert found.alone == [75.0, 75.0, 75.0]
    assert found.joint == 75.0  # the sure mistake outweighs two right answers
    means_NC = log_softmax(logits_KNC.astype(np.float64), axis=2).mean(axis=0)
    assert found.joint == 100 * accuracy_score(labels_N, means_NC.argmax(axis=1))
    low, high = proportion_confint(3, 4, method="wilson")
    assert (found.low, found.high) == pytest.approx((100 * low, 100 * high))


def test_only_networks_that_differ_in_their_seed_answer_together() -> None:
    plan = fake_plan(models=("resnet18", "vit-tiny"), seeds=(0, 1, 2))
    records = [fake_result(cell).record for cell in plan.cells()]
    found = {tuple((r.cell.model, r.cell.seed) for r in one) for one in together.groups(records)}
    assert found == {tuple((m, seed) for seed in (0, 1, 2)) for m in ("resnet18", "vit-tiny")}
    alone = [record for record in records if record.cell.seed == 0]
    assert list(together.groups(alone)) == []


def test_test_images_are_told_of_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = fake_plan(seeds=(0, 1))
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            store.put(fake_result(cell))

    def said(*words: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["together.py", str(tmp_path / "run"), *words])
        together.main()
        return capsys.readouterr().out.splitlines()

    heading, val = said()
    assert heading.startswith("2 × resnet18 on ")
    assert val.startswith("  val: alone ")
    assert [line[:8] for line in said("--test")] == [heading[:8], val[:8], "  test: "]
