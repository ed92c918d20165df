"""Intervals and tests: arrays in, numbers out.

The design: S seeds (trained networks) of a model predict the same N test images. A score varies for
three reasons that a second study would meet anew: the seeds, the images, and the residual (this
network on this image). Shape suffixes: S seeds, N images, X images or draws.

Sources, named at their uses: Satterthwaite 1946; Wilson 1927; Korn & Graubard 1998; Owen 2007;
Fagerland, Lydersen & Laake 2013; Bonett & Price 2012; Holm 1979; Schuirmann 1987.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats as distributions

from neurovisionlab.core.metrics import Floats

Interval = tuple[float, float]


@dataclass(frozen=True)
class SeedPart:
    """Contribution of one model's seeds to the variance of a mean over S seeds and N images.

    Attributes:
        between: variance of the seeds' scores divided by S; expects σ²_seed/S + σ²_rest/(S N).
        residual: the part of it not due to the seeds themselves, σ²_rest/(S N).
        num_seeds: S, at least 2.
    """

    between: float
    residual: float
    num_seeds: int


@dataclass(frozen=True)
class Spread:
    """Estimated variance of a mean or a difference of means, in components.

    Attributes:
        images: variance over images of the mean over seeds, divided by N; expects σ²_image/N +
            σ²_rest/(S N).
        num_images: N, at least 2.
        seeds: one part per model; empty if the trained networks are taken as fixed.
    """

    images: float
    num_images: int
    seeds: tuple[SeedPart, ...] = ()

    @property
    def variance(self) -> float:
        """Return the variance: (MS_seed + MS_image - MS_rest)/(S N), no component below zero."""
        own = (max(part.between, part.residual) - part.residual for part in self.seeds)
        return self._images() + sum(own)

    @property
    def df(self) -> float:
        """Return Satterthwaite's degrees of freedom (1946, eq. 17).

        A seed component estimated as zero still counts: the zero is due to chance, and without its
        term two or three seeds would be trusted too much.
        """
        rest_df = self.num_images - 1
        total = self._images() ** 2 / rest_df
        for part in self.seeds:
            seed_df = part.num_seeds - 1
            total += max(part.between, part.residual) ** 2 / seed_df
            total += part.residual**2 / (seed_df * rest_df)
        # squares of variances may underflow
        return float(self.variance**2 / total) if total > 0 else float(rest_df)

    def _images(self) -> float:
        return max(self.images, sum(part.residual for part in self.seeds))


@dataclass(frozen=True)
class Sample:
    """One score of one model's networks, with its variation over images or draws.

    Attributes:
        scores_S: float64, the score of each network on all images.
        around_SX: float64, the score of each network on each image (X = N) if the score is a mean
            over images; otherwise on each resampled test set (X = draws).
        num_images: N.
        is_resampled: whether X counts draws.
    """

    scores_S: Floats
    around_SX: Floats
    num_images: int
    is_resampled: bool = False

    @property
    def mean(self) -> float:
        """Return the mean over seeds."""
        return float(self.scores_S.mean())

    def _divisor(self) -> int:
        return 1 if self.is_resampled else self.num_images


def sample_of_means(values_SN: NDArray[np.generic]) -> Sample:
    """Return the sample of a score that is a mean over images: accuracy, NLL, Brier score.

    Args:
        values_SN: value of each network on each image [S, N], of any numeric type.
    """
    values = np.asarray(values_SN, dtype=np.float64)
    return Sample(values.mean(axis=1), values, values.shape[1])


def spread(sample: Sample) -> Spread:
    """Split the variance of a model's score: two-way analysis of variance, seeds × images.

    The same formula holds for resampled test sets: seeds are resampled exactly (by algebra), images
    by the draws, and the residual, which a plain crossed bootstrap counts three times (Owen 2007,
    "The pigeonhole bootstrap", theorem 3), is counted once.

    Raises:
        ValueError: fewer than two images.
    """
    return _spread(sample.around_SX.mean(axis=0), (sample,))


def spread_of_difference(a: Sample, b: Sample) -> Spread:
    """Split the variance of mean(a) - mean(b): images are paired, seeds are independent.

    Raises:
        ValueError: fewer than two images, or samples over different images.
    """
    if a.around_SX.shape[1] != b.around_SX.shape[1]:
        raise ValueError("expected two models on the same images; try the same test set")
    return _spread(a.around_SX.mean(axis=0) - b.around_SX.mean(axis=0), (a, b))


def _spread(mean_X: Floats, samples: Sequence[Sample]) -> Spread:
    if samples[0].num_images < 2:
        raise ValueError("expected at least 2 images, got 1; try a larger test set")
    images = float(mean_X.var(ddof=1)) / samples[0]._divisor()
    # a single seed gives no run-to-run variance, so the networks are taken as fixed
    known = all(len(sample.scores_S) > 1 for sample in samples)
    seeds = tuple(_seed_part(sample) for sample in samples) if known else ()
    return Spread(images, samples[0].num_images, seeds)


def _seed_part(sample: Sample) -> SeedPart:
    num_seeds, num_points = sample.around_SX.shape
    own_SX = sample.around_SX - sample.around_SX.mean(axis=1, keepdims=True)
    rest = float(own_SX.var(axis=0, ddof=1).sum()) / (num_points - 1) / sample._divisor()
    between = float(sample.scores_S.var(ddof=1))
    return SeedPart(between / num_seeds, rest / num_seeds, num_seeds)


def t_interval(centre: float, parts: Spread, level: float = 0.95) -> Interval:
    """Return centre ± Student's t quantile × standard error, Satterthwaite's degrees of freedom."""
    half = t_quantile(level, parts.df) * parts.variance**0.5
    return centre - half, centre + half


def t_quantile(level: float, df: float) -> float:
    """Return the two-sided quantile: 1.96 for a level of 0.95 and many degrees of freedom."""
    return float(distributions.t.ppf(0.5 + level / 2, df))


def t_test_p(difference: float, parts: Spread) -> float:
    """Return the two-sided p of a difference whose variance is `parts`."""
    if parts.variance == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * distributions.t.sf(abs(difference) / parts.variance**0.5, parts.df))


def wilson_interval(share: float, num: float, quantile: float) -> Interval:
    """Return Wilson's score interval of a share of `num` trials (1927; Newcombe 1998, method 3).

    `num` need not be an integer: it may be an effective number of trials (Korn & Graubard 1998).

    Args:
        share: observed share, 0..1.
        num: number of trials.
        quantile: two-sided quantile, such as 1.96 for 95 %.
    """
    square = quantile**2 / num
    centre = (share + square / 2) / (1 + square)
    half = quantile * ((share * (1 - share) + square / 4) / num) ** 0.5 / (1 + square)
    # at a share of 0 or 1 the bound is exactly 0 or 1, except for rounding
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return low, high


def share_interval(right_SN: NDArray[np.bool_], level: float = 0.95) -> Interval:
    """Return the confidence interval of the accuracy of S networks on N images, within 0..1.

    For one network: Wilson's interval, which concerns this network alone. For several: Wilson's
    interval with the effective number of independent predictions that corresponds to the variance
    of the mean, p(1-p)/variance (Korn & Graubard 1998), and Student's quantile instead of the
    normal one. It stays within 0..1, approaches the symmetric t interval on large test sets, and
    assumes no more than N independent predictions if all are right.

    Args:
        right_SN: whether network s is right on image n; S, N at least 1.
        level: confidence level.
    """
    num_seeds, num_images = right_SN.shape
    share = float(right_SN.mean())
    normal = float(distributions.norm.ppf(0.5 + level / 2))
    if num_seeds == 1 or num_images == 1 or share in (0.0, 1.0):
        return wilson_interval(share, num_images, normal)
    parts = spread(sample_of_means(right_SN))
    most = float(num_seeds * num_images)
    worth = min(most, share * (1 - share) / parts.variance) if parts.variance > 0 else most
    return wilson_interval(share, worth, t_quantile(level, parts.df))


def mcnemar_mid_p(only_a: int, only_b: int) -> float:
    """Return the two-sided mid-p of McNemar's test (Fagerland, Lydersen & Laake 2013, eq. 5).

    Args:
        only_a: number of images that network a alone gets right.
        only_b: number of images that network b alone gets right.
    """
    num = only_a + only_b
    if num == 0:
        return 1.0
    fewer = min(only_a, only_b)
    tail = float(distributions.binom.cdf(fewer, num, 0.5))
    point = float(distributions.binom.pmf(fewer, num, 0.5))
    # equal counts: both tails share the middle point, which is counted once and then halved
    return 1 - point / 2 if only_a == only_b else 2 * tail - point


def paired_interval(only_a: int, only_b: int, num: int, level: float = 0.95) -> Interval:
    """Return Bonett and Price's adjusted Wald interval (2012) of accuracy a minus accuracy b.

    It adds two images, one right by each network alone.

    Args:
        only_a: number of images that network a alone gets right.
        only_b: number of images that network b alone gets right.
        num: number of images in all.
        level: confidence level.
    """
    a, b = (only_a + 1) / (num + 2), (only_b + 1) / (num + 2)
    quantile = float(distributions.norm.ppf(0.5 + level / 2))
    half = quantile * ((a + b - (a - b) ** 2) / (num + 2)) ** 0.5
    return max(-1.0, a - b - half), min(1.0, a - b + half)


def smoothed(parts: Spread) -> Spread:
    """Add the variance of Bonett and Price's two extra images to that of a difference of shares.

    Without it two models that never disagree on three images would be declared different, or
    equivalent, with certainty.
    """
    num = parts.num_images
    return Spread(parts.images + 2 / (num + 2) ** 2, num, parts.seeds)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p values corrected for multiple testing (Holm 1979), in the given order."""
    num, highest = len(p_values), 0.0
    corrected = [1.0] * num
    for rank, place in enumerate(sorted(range(num), key=lambda i: p_values[i])):
        highest = max(highest, (num - rank) * p_values[place])
        corrected[place] = min(1.0, highest)
    return tuple(corrected)


def is_equivalent(low_90: float, high_90: float, delta: float) -> bool:
    """Return whether the 90 % interval lies inside ±delta: two one-sided tests at 5 % each.

    Schuirmann 1987, "A comparison of the two one-sided tests procedure and the power approach".
    """
    return -delta < low_90 and high_90 < delta
