"""From a study to its cells: every model alike, each cell once, everything resolved."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from core.cells import cells_of, plain_cell, plain_info, plain_study
from neurovisionlab.core.errors import SpecError
from neurovisionlab.core.expand import resolve
from neurovisionlab.core.protocol import Protocol, without_effect
from neurovisionlab.core.spec import (
    CellSpec,
    DataRef,
    Labels,
    Split,
    Subset,
    slug,
    warnings_of,
)


def test_everything_is_crossed_models_innermost() -> None:
    study = plain_study(
        datasets=("a", "b"),
        models=("m1", "m2"),
        seeds=(7, 3),
        split=Split(folds=2),
        vary={"epochs": (1, 2)},
    )
    told = [(c.data.name, c.variant, c.seed, c.fold, c.model) for c in cells_of(study)]
    assert told == [
        (data, f"epochs={epochs}", seed, fold, model)
        for data in ("a", "b")
        for epochs in (1, 2)
        for seed in (7, 3)
        for fold in (0, 1)
        for model in ("m1", "m2")
    ]


def test_what_varies_varies_for_every_model_alike() -> None:
    study = plain_study(
        models=("m1", "m2", "m3"),
        vary={"learning_rate": (0.1, 0.01), "augmentation": ("none", "character-safe")},
    )
    cells = cells_of(study)
    protocols = {
        model: [cell.protocol for cell in cells if cell.model == model] for model in study.models
    }
    assert protocols["m1"] == protocols["m2"] == protocols["m3"]
    assert [(p.learning_rate, p.augmentation) for p in protocols["m1"]] == [
        (0.1, "none"),
        (0.1, "character-safe"),
        (0.01, "none"),
        (0.01, "character-safe"),
    ]


@pytest.mark.parametrize(
    ("vary", "num_cells"),
    [
        ({"epochs": (2, 2)}, 1),
        ({"image_px": ("native", 28, 32)}, 2),
        ({"color": ("native", "grey", "rgb")}, 2),
        ({"stem_weights": ("adapt", "random")}, 1),
        ({"stem_weights": ("adapt", "random"), "pretrained": (False, True)}, 3),
        ({"keep_weights": ("all", "best", "none")}, 1),
        ({"weight_decay": (0, 0.0)}, 1),
        ({"learning_rate": (1, 1.0, 2)}, 2),
    ],
)
def test_cells_that_come_to_the_same_are_one(vary: dict[str, tuple[object, ...]], num_cells: int):
    cells = cells_of(plain_study(vary=vary))
    assert len(cells) == len({cell.cell_id for cell in cells}) == num_cells


def test_constants_without_effect_collapse_and_warn() -> None:
    given = plain_study(protocol=Protocol(mean=(0.5,), std=(0.5,)))
    assert cells_of(given)[0].cell_id == cells_of(plain_study())[0].cell_id
    assert [line.split(" ")[0] for line in warnings_of(given)] == ["mean", "std"]


def test_settings_with_effect_do_not_warn() -> None:
    assert warnings_of(plain_study()) == []
    assert not without_effect(Protocol(pretrained=True, stem_weights="random"))
    assert not without_effect(Protocol(scaling="standardize", mean=(0.5,), std=(0.5,)))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"unaugmented_frac": 0.5}, "no epoch changes the images"),
        (
            {"unaugmented_frac": 0.1, "augmentation": "gentle", "epochs": 4},
            "it comes to no whole epoch after the first",
        ),
        (
            {"unaugmented_frac": 0.9, "augmentation": "gentle", "epochs": 1},
            "it comes to no whole epoch after the first",
        ),
    ],
)
def test_a_share_of_epochs_without_effect_collapses_and_warns(
    settings: dict[str, Any], why: str
) -> None:
    protocol = Protocol(**settings)
    assert without_effect(protocol) == {"unaugmented_frac": why}
    plain = protocol.model_copy(update={"unaugmented_frac": 0.0})
    ids = [cells_of(plain_study(protocol=one))[0].cell_id for one in (protocol, plain)]
    assert ids[0] == ids[1]


def test_shares_that_come_to_as_many_epochs_are_one_cell() -> None:
    ids = {
        cells_of(
            plain_study(protocol=Protocol(augmentation="gentle", epochs=16, unaugmented_frac=share))
        )[0].cell_id
        for share in (0.23, 0.25, 0.26)
    }
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("frac", "epochs", "augmented"),
    [(0.0, 5, 5), (0.25, 16, 12), (0.25, 5, 4), (0.5, 2, 1), (0.99, 3, 1)],
)
def test_images_are_changed_in_the_first_epochs(frac: float, epochs: int, augmented: int) -> None:
    protocol = Protocol(unaugmented_frac=frac, epochs=epochs, augmentation="gentle")
    assert protocol.num_augmented_epochs == augmented


def test_varied_settings_without_effect_warn_once_each() -> None:
    study = plain_study(
        vary={"stem_weights": ("adapt", "random"), "keep_weights": ("all",), "epochs": (1, 2)}
    )
    told = warnings_of(study)
    assert sum("stem_weights has no effect" in line for line in told) == 1
    assert sum("vary.keep_weights has no effect" in line for line in told) == 1
    assert len(told) == 2


@pytest.mark.parametrize(("channels", "color"), [(1, "grey"), (3, "rgb")])
def test_native_becomes_what_the_set_has(channels: int, color: str) -> None:
    (cell,) = cells_of(plain_study(), channels=channels, height_px=32, width_px=32)
    assert (cell.image_px, cell.protocol.color, cell.channels) == (32, color, channels)
    assert cell.num_classes == 3


@pytest.mark.parametrize(
    ("side_px", "near"),
    [(1, "image_px = 32"), (7, "image_px = 32"), (1025, "image_px = 1024 or less")],
)
def test_native_is_refused_where_no_study_could_ask_for_it(side_px: int, near: str) -> None:
    info = plain_info(height_px=side_px, width_px=side_px)
    with pytest.raises(
        SpecError, match=f"8 to 1024 px .* got .*{side_px}×{side_px} px; try {near}"
    ):
        resolve(Protocol(), info)
    assert resolve(Protocol(image_px=32), info).image_px == 32


@pytest.mark.parametrize("side_px", [8, 9, 1024])
def test_every_cell_can_be_read_again(side_px: int) -> None:
    info = plain_info(height_px=side_px, width_px=side_px)
    cell = plain_cell(data=info, protocol=resolve(Protocol(), info))
    assert CellSpec.model_validate_json(cell.model_dump_json()) == cell


def test_a_changed_record_is_checked_as_a_new_one() -> None:
    assert Protocol().changed(epochs=3) == Protocol(epochs=3)
    for wrong in ({"image_px": 4}, {"learning_rate": float("inf")}, {"no_such": 1}):
        with pytest.raises(ValidationError):
            Protocol().changed(**wrong)


def test_native_needs_square_images() -> None:
    with pytest.raises(
        SpecError, match=r"letters: expected square images .*30×20 px; try image_px"
    ):
        cells_of(plain_study(), width_px=30, height_px=20)
    (cell,) = cells_of(plain_study(protocol=Protocol(image_px=24)), width_px=30, height_px=20)
    assert cell.image_px == 24


@pytest.mark.parametrize(
    ("num", "color", "is_fine"),
    [(1, "grey", True), (1, "rgb", True), (3, "rgb", True), (3, "grey", False), (2, "rgb", False)],
)
def test_constants_fit_the_channels(num: int, color: str, is_fine: bool) -> None:
    constants = {"mean": (0.5,) * num, "std": (0.2,) * num}
    protocol = Protocol.model_validate({"color": color, "scaling": "standardize"} | constants)
    if is_fine:
        assert resolve(protocol, plain_info()).mean == (0.5,) * num
    else:
        with pytest.raises(SpecError, match=r"protocol\.mean: expected 1 or"):
            resolve(protocol, plain_info())


def test_a_set_is_read_once_per_size_only_if_it_is_a_folder() -> None:
    study = plain_study(
        datasets=("digits", "folder:x"),
        vary={"image_px": ("native", 32, 48)},
        labels=Labels(keep="0-9"),
        split=Split(groups="w.csv"),
        on_bad_image="skip",
    )
    refs = study.data_refs()
    assert [ref.image_px for ref in refs["folder:x"]] == [None, 32, 48]
    assert {ref.image_px for ref in refs["digits"]} == {None}
    assert set(refs["digits"]) == {
        DataRef(name="digits", labels=Labels(keep="0-9"), groups="w.csv", on_bad_image="skip")
    }


def test_an_own_model_is_known_by_its_code() -> None:
    one, other = (plain_cell(model="mine.py:net", model_digest=digest) for digest in ("a", "b"))
    assert one.cell_id != other.cell_id
    assert "-net-s0-" in one.cell_id


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("folder:/home/ann/My Letters/", "my-letters"),
        ("npz:C:\\data\\x", "x"),
        ("emnist-letters", "emnist-letters"),
        ("folder:../..", "x"),
        ("folder:Щітка", "x"),
        ("a" * 60, "a" * 40),
        ("", "x"),
    ],
)
def test_slug_is_a_safe_piece_of_a_file_name(name: str, short: str) -> None:
    assert slug(name) == short


def test_place_and_name_of_a_set_are_no_part_of_its_identity() -> None:
    here = plain_cell(data=plain_info(name="folder:/here/x"), data_ref=DataRef(name="here"))
    there = plain_cell(data=plain_info(name="folder:/there/x", notes=("moved",)))
    assert here.cell_id == there.cell_id


NEAR = (0.1, 0.15, 0.2, 0.25, 0.3, 1 / 3, 0.35, 0.5, 5e-324)
FAR = (0.4, 0.45, 0.6, 0.7, 0.8, 0.99)


@pytest.mark.parametrize(
    ("parts", "fold", "test_frac", "val_frac", "is_new"),
    [
        *((("train",), None, frac, 0.2, False) for frac in NEAR),
        *((("train",), None, frac, 0.2, True) for frac in FAR),
        (("train",), None, 0.2, 0.4, True),
        (("train", "test"), None, 0.4, 0.2, False),  # its own test part: no share is held out
        (("train", "test"), None, 0.2, 0.4, True),
        (("train", "val"), None, 0.4, 0.4, True),
        (("train", "val", "test"), None, 0.4, 0.4, False),
        (("train",), 1, 0.4, 0.2, False),  # a fold takes the place of the test part
        (("train",), 1, 0.2, 0.4, True),
        (("train", "test"), 1, 0.4, 0.4, False),  # and here that of the validation part
    ],
)
def test_only_shares_of_groups_that_were_not_held_out_have_another_identity(
    parts: tuple[str, ...], fold: int | None, test_frac: float, val_frac: float, is_new: bool
) -> None:
    counts = dict.fromkeys(parts, 30)
    fields = {
        "split": Split(test_frac=test_frac, folds=None if fold is None else 3),
        "protocol": Protocol(image_px=28, color="grey", val_frac=val_frac),
        "fold": fold,
    }
    without = plain_cell(data=plain_info(num_images=counts), **fields)
    with_groups = plain_cell(data=plain_info(num_images=counts, num_groups=6), **fields)
    assert (with_groups.cell_id != without.cell_id) == is_new


def test_subset_and_split_are_part_of_the_identity_groups_by_content_alone() -> None:
    base = plain_cell()
    assert plain_cell(split=Split(groups="elsewhere.csv")).cell_id == base.cell_id
    changed = [
        plain_cell(subset=Subset(train_images=10)),
        plain_cell(subset=Subset(test_images=10)),
        plain_cell(split=Split(test_frac=0.3)),
        plain_cell(split=Split(folds=3), fold=0),
        plain_cell(split=Split(folds=3), fold=1),
        plain_cell(data=plain_info(digest="1" * 64)),
        plain_cell(model="resnet34"),
        plain_cell(seed=1),
    ]
    assert len({cell.cell_id for cell in [base, *changed]}) == len(changed) + 1
