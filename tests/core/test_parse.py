"""Reading a study: what is right is read, what is wrong is named, all of it at once."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from neurovisionlab.core.errors import SpecError
from neurovisionlab.core.parse import parse_study
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import Study

HEAD = 'name = "mini"\ndatasets = ["digits"]\nmodels = ["resnet18"]\n'
KNOWN = {
    "datasets": ["digits", "emnist-letters", "emnist-digits", "kmnist", "svhn"],
    "models": ["resnet18", "mobilenetv2", "vit-tiny", "vit-b16"],
}

WHOLE = """
name = "letters-mini"
description = "three models"
datasets = ["digits", "folder:my letters", "npz:x"]
models = ["resnet18", "vit-tiny"]
seeds = [0, 1, 2]
on_bad_image = "skip"
[protocol]
image_px = 28
color = "rgb"
scaling = "standardize"
mean = [0.5]
std = [0.25]
optimizer = "sgd"
learning_rate = 1
keep_weights = "all"
[subset]
train_images = 100
[split]
folds = 5
groups = "writers.csv"
[labels]
keep = "0-9"
merge_case = true
[vary]
epochs = [1, 2]
image_px = ["native", 32]
"""


def mistakes(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse_study(text, "my.toml", KNOWN)
    return str(caught.value)


def test_a_whole_study_is_read() -> None:
    study = parse_study(WHOLE, known=KNOWN)
    assert study.datasets == ("digits", "folder:my letters", "npz:x")
    assert study.seeds == (0, 1, 2)
    assert study.on_bad_image == "skip"
    assert study.protocol == Protocol(
        image_px=28,
        color="rgb",
        scaling="standardize",
        mean=(0.5,),
        std=(0.25,),
        optimizer="sgd",
        learning_rate=1.0,
        keep_weights="all",
    )
    assert (study.subset.train_images, study.subset.test_images) == (100, None)
    assert (study.split.folds, study.split.groups) == (5, "writers.csv")
    assert (study.labels.keep, study.labels.merge_case) == ("0-9", True)
    assert study.vary == {"epochs": (1, 2), "image_px": ("native", 32)}


def test_what_is_left_out_takes_the_default() -> None:
    assert parse_study(HEAD) == Study(name="mini", datasets=("digits",), models=("resnet18",))


def test_a_study_survives_json() -> None:
    study = parse_study(WHOLE)
    assert Study.model_validate_json(study.model_dump_json(), strict=True) == study


def test_all_mistakes_are_told_at_once() -> None:
    text = """
    name = "a/b"
    datasets = ["digitz"]
    models = ["resnet19", "vit_tiny"]
    seeds = [0, -1, "two"]
    modles = 3
    [protocol]
    epoch = 3
    batch_size = 0
    optimizer = "adm"
    pretrained = "yes"
    [subset]
    train_image = 5
    [split]
    folds = 1
    [vary]
    learning_rte = [0.1]
    epochs = []
    batch_size = [32, -2]
    """
    told = mistakes(text)
    assert told.startswith("my.toml: 16 mistakes\n")
    for expected in (
        "name: expected letters, digits, dot, dash or underscore, got 'a/b'; try my-study",
        "datasets: expected a known name, got 'digitz'; try digits",
        "models: expected a known name, got 'resnet19'; try resnet18",
        "models: expected a known name, got 'vit_tiny'; try vit-tiny",
        "seeds[1]: expected a number at least 0, got -1; try",
        "seeds[2]: expected a whole number, got 'two'; try",
        "modles: expected a known key, got an unknown one; try models",
        "protocol.epoch: expected a known key, got an unknown one; try epochs",
        "protocol.batch_size: expected a number at least 1, got 0; try 64",
        """protocol.optimizer: expected "adam", "adamw", "sgd" or "muon", got 'adm'; try "adam\"""",
        "protocol.pretrained: expected true or false, got 'yes'; try false",
        "subset.train_image: expected a known key, got an unknown one; try train_images",
        "split.folds: expected a number at least 2, got 1; try 5",
        "vary: learning_rte: expected a protocol field, got 'learning_rte'; try learning_rate",
        "vary: epochs: expected a list of values, got an empty one; try",
        "vary: batch_size: expected a number at least 1, got -2; try 64",
    ):
        assert f"\n  {expected}" in told
    assert len(told.splitlines()) == 17


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('epochs = "15"', "protocol.epochs: expected a whole number, got '15'; try 15"),
        ("epochs = 1.5", "protocol.epochs: expected a whole number, got 1.5; try 15"),
        ("epochs = true", "protocol.epochs: expected a whole number, got True; try 15"),
        ('learning_rate = "fast"', "protocol.learning_rate: expected a number, got 'fast'"),
        ("learning_rate = 0", "protocol.learning_rate: expected a number more than 0, got 0"),
        ("learning_rate = nan", "protocol.learning_rate: expected a "),
        ("learning_rate = inf", "protocol.learning_rate: expected a finite number"),
        ("val_frac = 1.0", "protocol.val_frac: expected a number below 1, got 1.0; try 0.15"),
        ("label_smoothing = -0.1", "protocol.label_smoothing: expected a number at least 0"),
        ("pretrained = 1", "protocol.pretrained: expected true or false, got 1; try false"),
        ("image_px = 7", "protocol.image_px: expected a number at least 8"),
        ("image_px = 2000", "protocol.image_px: expected a number at most 1024"),
        ('image_px = "nativ"', "got 'nativ'; try \"native\""),
        ("mean = [0.5]", "protocol: expected mean and std together, got one of them"),
        ("mean = [0.5]\nstd = [0.0]", "protocol: expected every std above 0, got [0.0]"),
        ("mean = [0.5]\nstd = [0.2, 0.2]", "protocol: expected as many means as stds"),
        ('mean = "grey"', "protocol.mean: expected a list, got 'grey'; try mean = [0.5]"),
        ("split_seed = 4294967296", "protocol.split_seed: expected a number below"),
        ('augmentation = "flip"', 'expected "none", "character-safe" or "gentle", got \'flip\''),
    ],
)
def test_a_protocol_is_strict(line: str, expected: str) -> None:
    told = mistakes(f"{HEAD}[protocol]\n{line}")
    assert told.startswith("my.toml: 1 mistake\n")
    assert expected in told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'name: expected a value, got nothing; try name = "my-study"'),
        ("", 'datasets: expected a value, got nothing; try datasets = ["digits"]'),
        ("", 'models: expected a value, got nothing; try models = ["resnet18"]'),
        (HEAD + "seeds = []", "seeds: expected at least one entry, got []"),
        (HEAD + "seeds = [1, 1]", "seeds: expected each once, got 1 twice"),
        (HEAD + "seeds = 3", "seeds: expected a list, got 3; try seeds = [0, 1, 2]"),
        (HEAD + "protocol = 3", "protocol: expected "),
        (HEAD + "[vary]\nepochs = 3", "vary.epochs: expected a list, got 3; try learning_rate = ["),
        (HEAD + "[subset]\ntest_images = 0", "subset.test_images: expected a number at least 1"),
        (HEAD + 'on_bad_image = "ignore"', 'on_bad_image: expected "stop" or "skip"'),
        (HEAD.replace("digits", "Digits "), "got 'Digits '; try digits"),
        (HEAD.replace("mini", ".."), "name: expected letters, digits"),
        (HEAD.replace("mini", "x" * 65), "name: expected letters, digits"),
        ("name = ", "my.toml: expected TOML, got "),
    ],
)
def test_a_study_is_strict(text: str, expected: str) -> None:
    assert expected in mistakes(text)


def _varied(count: int, *fields: str) -> str:
    values = ", ".join(str(number) for number in range(1, count + 1))
    return "[vary]\n" + "".join(f"{field} = [{values}]\n" for field in fields)


LONG = "9" * 400
DEEP = 3000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"seeds = [{'1' * 5000}]", "my.toml: expected TOML, got Exceeds the limit (4300 digits)"),
        (f"seeds = [0x{'f' * 5000}]", "got a number of some 6,000 digits"),
        (f"seeds = [{2**63}]", "seeds[0]: expected a number at most 9,223,372,036,854,775,807"),
        (f"seeds = [{LONG}]", "seeds[0]: expected a number at most 9,223,372,036,854,775,807"),
        (f"[protocol]\nepochs = {LONG}", "protocol.epochs: expected a number at most 1,000,000,"),
        ("[protocol]\nepochs = 1e400", "protocol.epochs: expected a whole number, got inf"),
        (f"[protocol]\nbatch_size = {LONG}", "batch_size: expected a number at most 1,000,000,000"),
        ("[protocol]\nlearning_rate = 1e308", "protocol.learning_rate: expected a number at most"),
        ("[protocol]\nweight_decay = 1e308", "protocol.weight_decay: expected a number at most"),
        ("[protocol]\nmean = [1e308]\nstd = [1.0]", "protocol.mean[0]: expected a number at most"),
        (f"[subset]\ntrain_images = {LONG}", "subset.train_images: expected a number at most"),
        (f"x = {'[' * DEEP}{']' * DEEP}", "got lists or tables within each other more than 50"),
        (f"x = {'{a=' * 500}1{'}' * 500}", "got lists or tables within each other more than 50"),
        (f"[protocol{'.a' * DEEP}]\nb = 1", "got lists or tables within each other more than 50"),
        ("seeds = [2020-01-01]", "seeds[0]: expected a whole number, got '2020-01-01'"),
        ("seeds = [true]", "seeds[0]: expected a whole number, got True"),
        ('name = "twice"', "my.toml: expected TOML, got Cannot overwrite a value"),
    ],
)
def test_what_nothing_could_hold_is_a_mistake(text: str, expected: str) -> None:
    told = mistakes(HEAD + text)
    assert expected in told
    assert len(told) < 500  # endless numbers are shortened
    assert len(told.splitlines()) <= 2


def test_the_largest_seed_is_that_of_every_export() -> None:
    assert parse_study(f"{HEAD}seeds = [{2**63 - 1}]").seeds == (2**63 - 1,)


FOUR = ("epochs", "batch_size", "learning_rate", "weight_decay")


def test_cells_are_counted_before_they_are_combined(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    validate = Protocol.model_validate_json
    monkeypatch.setattr(
        Protocol, "model_validate_json", lambda *a, **k: made.append(1) or validate(*a, **k)
    )
    told = mistakes(HEAD + _varied(100, *FOUR))
    assert "cells: expected at most 100,000, got 100,000,000 (100 values of epochs × 100" in told
    assert len(made) == 400
    made.clear()
    study = parse_study(HEAD + _varied(100, *FOUR[:2]))
    assert (study.num_cells, len(made)) == (10_000, 201)
    assert study.count() == "10,000 cells: 100 values of epochs × 100 values of batch_size"


@pytest.mark.parametrize(
    ("changes", "factors"),
    [
        ({"seeds": range(60_000), "models": ("a", "b")}, "2 models × 60,000 seeds"),
        ({"seeds": range(30_000), "split": {"folds": 5}}, "30,000 seeds × 5 folds"),
    ],
)
def test_too_many_cells_are_told_by_their_factors(changes: Any, factors: str) -> None:
    fields = {"name": "x", "datasets": ("digits",), "models": ("resnet18",)} | changes
    with pytest.raises(ValidationError) as caught:
        Study(**(fields | {"seeds": tuple(fields["seeds"])}))
    assert factors in str(caught.value)


def test_very_many_mistakes_are_counted_and_the_first_are_told() -> None:
    told = mistakes(HEAD + f"seeds = [{', '.join(['-1'] * 3000)}]")
    assert told.startswith("my.toml: 3,000 mistakes, the first 50 of them\n")
    assert len(told.splitlines()) == 51
    models = ", ".join(f'"m{number}"' for number in range(3000))
    assert "2,980 others" in mistakes(HEAD.replace('"resnet18"', models))
    keys = "".join(f"key{number} = 1\n" for number in range(3000))
    assert "3,000 mistakes" in mistakes(keys + HEAD)


@pytest.mark.parametrize("where", ["name", "models", "key"])
def test_long_texts_are_shortened_in_messages(where: str) -> None:
    long = "x" * 100_000
    name = {"name": "mini", "models": "resnet18"}.get(where)
    told = mistakes(HEAD.replace(name, long) if name else f"{HEAD}{long} = 1")
    assert len(told) < 400


def test_three_nearest_names_are_offered() -> None:
    told = mistakes(HEAD.replace("digits", "emnist"))
    offered = told.split("; try ")[1].split(", ")
    assert len(offered) == 3
    assert set(offered) <= set(KNOWN["datasets"])


def test_names_with_a_colon_are_not_looked_up() -> None:
    text = HEAD.replace("digits", "folder:/x y").replace("resnet18", "timm:resnet10t")
    assert parse_study(text, known=KNOWN).models == ("timm:resnet10t",)


def test_without_known_names_any_name_is_taken() -> None:
    assert parse_study(HEAD.replace("digits", "future-set")).datasets == ("future-set",)


def test_constants_can_be_varied_beside_given_ones() -> None:
    study = parse_study(
        HEAD + "[protocol]\nscaling = 'standardize'\nmean = [0.1]\nstd = [0.2]\n"
        "[vary]\nmean = [[0.1], [0.3]]"
    )
    assert [protocol.mean for _, protocol in study.protocols()] == [(0.1,), (0.3,)]


def test_a_combination_that_is_no_protocol_is_a_mistake() -> None:
    with pytest.raises(SpecError, match="vary: expected mean and std together"):
        parse_study(HEAD + "[vary]\nmean = [[0.1], [0.3]]")
