"""Calibration of confidences: reliability curve, debiased calibration error, temperature scaling.

Calibration errors have no interval: the bias of the estimate depends on the estimated quantity, so
that no coverage could be guaranteed. The lowest and highest value over seeds are given instead.

Shape suffixes: N images, C classes, B bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import optimize
from scipy.special import erf, log_softmax, softmax

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.metrics import Floats, calibration_bins, score
from neurovisionlab.core.predictions import Predictions
from neurovisionlab.core.protocol import Fraction, PositiveInt
from neurovisionlab.judge import stats

COOLEST, HOTTEST = 0.01, 100.0


class ReliabilityBin(Frozen):
    """Images whose confidence lies in one of 15 equal-width bins of 0..1.

    `confidence_frac` and `accuracy_frac` are means; `low`, `high` are Wilson's 95 % interval of the
    accuracy of this network.
    """

    num_images: PositiveInt
    confidence_frac: Fraction
    accuracy_frac: Fraction
    low: Fraction
    high: Fraction


class Temperature(Frozen):
    """Temperature of one network, fitted on validation images, and its effect on test scores.

    A temperature above 1 means that the network was overconfident. `at_bound` means that the
    optimum does not lie within 0.01..100, for instance because all validation images are predicted
    correctly. Accuracy does not change. NLLs are in nats.
    """

    temperature: Annotated[float, Field(gt=0)]
    at_bound: bool
    nll_before: float
    nll_after: float
    brier_before: float
    brier_after: float
    ece_before_frac: Fraction
    ece_after_frac: Fraction


class CalibrationOverSeeds(Frozen):
    """Debiased calibration error of a model's networks, 0..1: mean, lowest, highest value."""

    model: str
    num_seeds: PositiveInt
    ece_frac: Fraction
    lowest_frac: Fraction
    highest_frac: Fraction


def reliability(
    logits_NC: NDArray[np.floating], labels_N: NDArray[np.integer]
) -> tuple[ReliabilityBin, ...]:
    """Return the reliability curve of one network: its non-empty bins, lowest confidence first.

    Args:
        logits_NC: logits [N, C] of any float type.
        labels_N: true classes [N], 0..C-1.
    """
    found = []
    for num, confidence, right in _bins(logits_NC, labels_N):
        low, high = stats.wilson_interval(right / num, num, stats.t_quantile(0.95, np.inf))
        found.append(
            ReliabilityBin(
                num_images=int(num),
                confidence_frac=min(1.0, confidence / num),
                accuracy_frac=right / num,
                low=low,
                high=high,
            )
        )
    return tuple(found)


def _bins(logits_NC: NDArray[np.floating], labels_N: NDArray[np.integer]) -> Floats:
    """Return [B, 3]: images, summed confidence and correct predictions of the non-empty bins."""
    confidence_N = softmax(logits_NC.astype(np.float64), axis=1).max(axis=1)
    bins_B3 = calibration_bins(confidence_N, logits_NC.argmax(axis=1) == labels_N)
    held: Floats = bins_B3[bins_B3[:, 0] > 0]
    return held


def debiased_ece(logits_NC: NDArray[np.floating], labels_N: NDArray[np.integer]) -> float:
    """Return the expected calibration error (15 bins, 0..1) without the bias due to chance.

    The plain error takes the absolute value of each bin's gap between confidence and accuracy, so
    it grows as bins empty, even for a perfectly calibrated network (Kumar, Liang & Ma 2019,
    "Verified Uncertainty Calibration", section 4). Here one half of a bin's images determines the
    sign of the gap and the other half its size: without a true gap the two disagree half of the
    time, and the mean is 0. Averaged over all halvings, with normal noise of standard deviation s
    around a gap d, that is d (2 Φ(d/s) - 1) - 2 s φ(d/s), which tends to |d| for gaps far larger
    than s. For a gap no larger than its noise the estimate is too low, by less than half the noise.
    The sum over bins is never below 0.

    Args:
        logits_NC: logits of any float type.
        labels_N: true classes, 0..C-1.
    """
    num_B, confidence_B, right_B = _bins(logits_NC, labels_N).T
    gap_B = np.abs(confidence_B - right_B) / num_B
    # one more correct and one more wrong prediction: a bin of one image has a nonzero error
    smooth_B = (right_B + 1) / (num_B + 2)
    noise_B = np.sqrt(smooth_B * (1 - smooth_B) / num_B)
    ratio_B = gap_B / noise_B
    chance_B = noise_B * np.sqrt(2 / np.pi) * np.exp(-(ratio_B**2) / 2)
    own_B = gap_B * erf(ratio_B / np.sqrt(2)) - chance_B
    return float(max(0.0, np.average(own_B, weights=num_B)))


def calibration_over_seeds(model: str, tests: Sequence[Predictions]) -> CalibrationOverSeeds:
    """Return the debiased calibration error of one model's networks.

    Args:
        model: its name.
        tests: test predictions, one per seed.

    Raises:
        DataError: `tests` is empty.
    """
    if not tests:
        raise DataError(mould(model, "stored test predictions", "none", "to run the study again"))
    errors = [debiased_ece(one.logits_NC, one.labels_N) for one in tests]
    return CalibrationOverSeeds(
        model=model,
        num_seeds=len(errors),
        ece_frac=float(np.mean(errors)),
        lowest_frac=min(errors),
        highest_frac=max(errors),
    )


def fit_temperature(logits_NC: NDArray[np.floating], labels_N: NDArray[np.integer]) -> float:
    """Return the temperature T in 0.01..100 that minimises the NLL of softmax(logits/T).

    Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2. The NLL is convex in
    1/T: the search over log T finds the unique minimum.

    Args:
        logits_NC: logits [N, C] of any float type.
        labels_N: true classes [N], 0..C-1.
    """
    logits_NC = logits_NC.astype(np.float64)
    rows_N = np.arange(len(labels_N))

    def nll(log_temperature: float) -> float:
        log_probs_NC = log_softmax(logits_NC / np.exp(log_temperature), axis=1)
        return float(-log_probs_NC[rows_N, labels_N].mean())

    bounds = (np.log(COOLEST), np.log(HOTTEST))
    best = optimize.minimize_scalar(nll, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def temperature(val: Predictions, test: Predictions) -> Temperature:
    """Fit one network's temperature on its validation images and apply it to its test images.

    Raises:
        DataError: a part without images, or with logits that are not finite.
    """
    for part, given in (("validation", val), ("test", test)):
        if len(given.labels_N) == 0 or not np.isfinite(given.logits_NC).all():
            expected, remedy = "finite logits of at least one image", "to run the cell again"
            got = "none" if len(given.labels_N) == 0 else "NaN or infinity"
            raise DataError(mould(f"{part} predictions", expected, got, remedy))
    found = fit_temperature(val.logits_NC, val.labels_N)
    logits_NC = test.logits_NC.astype(np.float64)
    before, after = (score(logits, test.labels_N) for logits in (logits_NC, logits_NC / found))
    return Temperature(
        temperature=found,
        at_bound=not COOLEST * 1.001 < found < HOTTEST / 1.001,
        nll_before=before.nll,
        nll_after=after.nll,
        brier_before=before.brier,
        brier_after=after.brier,
        ece_before_frac=debiased_ece(logits_NC, test.labels_N),
        ece_after_frac=debiased_ece(logits_NC / found, test.labels_N),
    )
