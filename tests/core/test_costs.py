"""What is measured once, and what a time to an accuracy is."""

from __future__ import annotations

from typing import Any

import pytest

from lab.fakes import fake_plan
from neurovisionlab.core.costs import Window, cost_spec, distinct, seconds_to
from neurovisionlab.core.records import EpochRow


def _rows(*accuracies: float) -> list[EpochRow]:
    return [
        EpochRow(
            epoch=number,
            learning_rate=0.001,
            train_loss=1.0,
            train_accuracy_frac=0.5,
            val_loss=1.0,
            val_accuracy_frac=accuracy,
            train_s=2.0 * number,
            eval_s=0.5,
        )
        for number, accuracy in enumerate(accuracies, 1)
    ]


def test_seconds_to_an_accuracy() -> None:
    rows = _rows(0.5, 0.8, 0.7, 0.9)
    assert seconds_to(rows, 0.8, epoch_s=10.0) == 20.0
    assert seconds_to(rows, 0.8) == 2.0 + 4.0  # the cell's own clocks
    assert seconds_to(rows, 0.85, epoch_s=10.0) == 40.0
    assert seconds_to(rows, 0.95, epoch_s=10.0) is None
    assert seconds_to([], 0.1) is None


def _ids(**study: Any) -> list[str]:
    return [cost_spec(cell).cost_id for cell in fake_plan(**study).cells()]


def test_cells_that_differ_in_their_seed_share_their_costs() -> None:
    cells = fake_plan(models=("resnet18", "glyphnet"), seeds=(0, 1, 2)).cells()
    specs = distinct(cost_spec(cell) for cell in cells)
    assert [spec.model for spec in specs] == ["resnet18", "glyphnet"]


@pytest.mark.parametrize(
    ("field", "value", "costs_the_same"),
    [
        ("learning_rate", 0.5, True),
        ("epochs", 3, True),
        ("schedule", "cosine", True),
        ("val_frac", 0.3, True),
        ("unaugmented_frac", 0.5, True),
        ("keep_weights", "all", True),
        ("batch_size", 7, False),
        ("optimizer", "sgd", False),
        ("stem", "light", False),
        ("precision", "bf16", False),
        ("augmentation", "character-safe", False),
        ("image_px", 32, False),
    ],
)
def test_only_settings_that_change_the_cost_ask_for_another_measurement(
    field: str, value: object, costs_the_same: bool
) -> None:
    changed = _ids(seeds=(0,), protocol={field: value})
    assert (changed == _ids(seeds=(0,))) == costs_the_same


@pytest.mark.parametrize(
    ("contention", "spread", "contended", "noisy"),
    [
        (0.05, 0.10, False, False),
        (0.051, 0.0, True, False),
        (0.0, 0.11, False, True),
        (None, None, False, False),
    ],
)
def test_limits_of_a_calm_window(
    contention: float | None, spread: float | None, contended: bool, noisy: bool
) -> None:
    window = Window(
        window_s=1,
        contention_frac=contention,
        num_warm_up=1,
        num_repeats=1,
        spread_frac=spread,
    )
    assert (window.is_contended, window.is_noisy) == (contended, noisy)
