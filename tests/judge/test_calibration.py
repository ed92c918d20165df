"""Reliability, calibration error without bias, temperature."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError
from neurovisionlab.core.metrics import score
from neurovisionlab.core.predictions import Predictions
from neurovisionlab.judge.calibration import (
    calibration_over_seeds,
    debiased_ece,
    fit_temperature,
    reliability,
    temperature,
)


def calibrated(num: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw labels from the very probabilities that the logits state."""
    rng = np.random.default_rng(seed)
    logits_NC = rng.normal(0, 1.5, (num, 5))
    noise_NC = rng.gumbel(size=logits_NC.shape)
    return logits_NC, (logits_NC + noise_NC).argmax(axis=1)


def as_predictions(logits_NC: NDArray, labels_N: NDArray) -> Predictions:
    return Predictions(logits_NC.astype(np.float32), labels_N, np.arange(len(labels_N)))


def test_the_curve_of_a_calibrated_network_is_the_diagonal() -> None:
    bins = reliability(*calibrated(50_000))
    assert sum(one.num_images for one in bins) == 50_000
    inside = [one.low <= one.confidence_frac <= one.high for one in bins]
    assert np.mean(inside) > 0.7
    confidences = [one.confidence_frac for one in bins]
    assert confidences == sorted(confidences)


def test_an_overconfident_network_lies_below_the_diagonal() -> None:
    logits_NC, labels_N = calibrated(20_000)
    sure = [one for one in reliability(3 * logits_NC, labels_N) if one.num_images > 200]
    assert all(one.accuracy_frac < one.confidence_frac for one in sure)


def test_chance_alone_hardly_shows_in_the_debiased_error() -> None:
    cases = [calibrated(300, seed) for seed in range(40)]
    plain = np.mean([score(*case).ece_frac for case in cases])
    debiased = np.mean([debiased_ece(*case) for case in cases])
    assert plain > 0.04
    assert debiased < plain / 4


def test_a_true_error_is_kept() -> None:
    logits_NC, labels_N = calibrated(50_000)
    plain = score(3 * logits_NC, labels_N).ece_frac
    assert debiased_ece(3 * logits_NC, labels_N) == pytest.approx(plain, rel=0.03)
    small = [
        debiased_ece(3 * logits, labels)
        for logits, labels in map(calibrated, [500] * 30, range(30))
    ]
    assert np.mean(small) == pytest.approx(plain, abs=0.01)


def test_one_image_has_a_calibration_error() -> None:
    assert 0 <= debiased_ece(np.array([[2.0, 0.0]]), np.array([1])) <= 1


def test_temperature_undoes_a_factor() -> None:
    logits_NC, labels_N = calibrated(20_000)
    own = fit_temperature(logits_NC, labels_N)
    assert own == pytest.approx(1, abs=0.05)
    assert fit_temperature(3 * logits_NC, labels_N) == pytest.approx(3 * own, rel=1e-4)


def test_temperature_helps_a_test_set_that_did_not_choose_it() -> None:
    val, test = (calibrated(5000, seed) for seed in (1, 2))
    found = temperature(*(as_predictions(3 * logits, labels) for logits, labels in (val, test)))
    assert found.temperature == pytest.approx(3, rel=0.1)
    assert not found.at_bound
    assert found.nll_after < found.nll_before
    assert found.brier_after < found.brier_before
    assert found.ece_after_frac < found.ece_before_frac / 3


def test_validation_images_all_right_teach_no_temperature() -> None:
    logits_NC, _ = calibrated(200)
    sure = as_predictions(logits_NC, logits_NC.argmax(axis=1))
    assert temperature(sure, sure).at_bound


def test_over_seeds_the_mean_and_the_extremes() -> None:
    tests = [as_predictions(*calibrated(500, seed)) for seed in range(3)]
    found = calibration_over_seeds("m", tests)
    assert found.lowest_frac <= found.ece_frac <= found.highest_frac
    assert found.num_seeds == 3


def test_logits_that_are_not_finite_are_an_error() -> None:
    logits_NC, labels_N = calibrated(20)
    good = as_predictions(logits_NC, labels_N)
    logits_NC[3, 0] = np.nan
    with pytest.raises(DataError, match=r"validation predictions: expected finite.*NaN"):
        temperature(as_predictions(logits_NC, labels_N), good)
    with pytest.raises(DataError, match=r"test predictions.*got none"):
        temperature(good, as_predictions(logits_NC[:0], labels_N[:0]))
    with pytest.raises(DataError, match="stored test predictions"):
        calibration_over_seeds("m", [])
