"""Training curves, described."""

from __future__ import annotations

import pytest

from judge.networks import curve
from neurovisionlab.core.errors import DataError
from neurovisionlab.judge.dynamics import dynamics, dynamics_over_seeds

CURVE = curve([0.50, 0.78, 0.84, 0.90, 0.95], [0.60, 0.73, 0.76, 0.74, 0.80])


def test_epochs_to_a_share_of_the_final_accuracy() -> None:
    found = dynamics(CURVE)  # 0.72, 0.76, 0.792
    assert (found.epochs_to_90, found.epochs_to_95, found.epochs_to_99) == (2, 3, 5)
    assert found.num_epochs == 5
    assert found.final_val_accuracy_frac == 0.80


def test_the_gap_opens_where_it_stays_open() -> None:
    found = dynamics(CURVE)
    assert found.gap_opens_epoch == 2
    assert found.final_gap_frac == pytest.approx(0.15)


def test_a_gap_that_closes_again_has_not_opened() -> None:
    assert dynamics(curve([0.9, 0.9], [0.5, 0.895])).gap_opens_epoch is None
    assert dynamics(curve([0.9, 0.5, 0.9], [0.5, 0.6, 0.7])).gap_opens_epoch == 3
    assert dynamics(curve([0.9], [0.5])).gap_opens_epoch == 1


def test_the_largest_drop_and_when() -> None:
    found = dynamics(CURVE)
    assert found.largest_drop_frac == pytest.approx(0.02)
    assert found.drop_epoch == 4


def test_a_curve_that_only_rises_has_no_drop() -> None:
    found = dynamics(curve([0.5, 0.6], [0.5, 0.6]))
    assert found.largest_drop_frac == 0
    assert found.drop_epoch is None


def test_a_model_that_learns_nothing_is_described_all_the_same() -> None:
    assert dynamics(curve([0.0], [0.0])).epochs_to_99 == 1


def test_over_seeds_the_middle_and_the_extremes() -> None:
    other = curve([0.5, 0.6], [0.70, 0.80])
    third = curve([0.5, 0.6, 0.7], [0.1, 0.2, 0.80])
    found = dynamics_over_seeds("m", [CURVE, other, third])
    assert (found.epochs_to_90.low, found.epochs_to_90.middle, found.epochs_to_90.high) == (2, 2, 3)
    assert found.num_seeds == 3
    assert found.num_opened == 1
    assert found.gap_opens_epoch is not None
    assert found.gap_opens_epoch.middle == 2


def test_no_seed_overfits() -> None:
    found = dynamics_over_seeds("m", [curve([0.5], [0.6])])
    assert found.num_opened == 0
    assert found.gap_opens_epoch is None


def test_nothing_trained_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one epoch"):
        dynamics([])
    with pytest.raises(DataError, match="at least one training"):
        dynamics_over_seeds("m", [])
