"""Coverage and false verdicts, simulated: what intervals and verdicts promise, counted.

Networks answer images by a logistic model: an image has an ease, a network a skill, and the rest
is chance. Expectations are over all networks and all images.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from neurovisionlab.judge import stats
from neurovisionlab.judge.bootstrap import macro_samples, patterns_of
from neurovisionlab.judge.samples import Rules
from neurovisionlab.judge.stats import Sample
from neurovisionlab.judge.verdicts import judge

pytestmark = pytest.mark.slow

MEAN_EASE, SD_EASE = 3.5, 2.5


class World:
    """Images of a given ease, and networks whose expected accuracy spreads by `run_sd`."""

    def __init__(self, run_sd: float, num_images: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.num_images = num_images
        ease = self.rng.normal(MEAN_EASE, SD_EASE, 100_000)
        chance = expit(ease)
        self.image_variance = float(chance.var())
        self.skill_sd = run_sd / float((chance * (1 - chance)).mean())
        skills = self.skill_sd * self.rng.normal(size=100)
        skills = np.concatenate([skills, -skills])  # no skill on average
        self.accuracy = float(np.mean([expit(ease + skill).mean() for skill in skills]))

    def right(self, num_seeds: int, ease_N: NDArray[np.float64]) -> NDArray[np.bool_]:
        skill_S1 = self.skill_sd * self.rng.normal(size=(num_seeds, 1))
        chance_SN = expit(ease_N + skill_S1)
        right_SN: NDArray[np.bool_] = self.rng.random(chance_SN.shape) < chance_SN
        return right_SN

    def ease(self) -> NDArray[np.float64]:
        return self.rng.normal(MEAN_EASE, SD_EASE, self.num_images)


def variance_of_images() -> float:
    return World(0.0, 1, 0).image_variance


@pytest.mark.parametrize("ratio", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("num_seeds", [3, 5, 10])
@pytest.mark.parametrize("per", ["network", "mean"])
def test_intervals_of_accuracy_cover(ratio: float, num_seeds: int, per: str) -> None:
    # the ratio is of what seeds and images add to the variance: of one network, or of the mean
    num_images, num_trials = 1000, 1500
    spread = ratio * variance_of_images() / num_images * (num_seeds if per == "mean" else 1)
    world = World(spread**0.5, num_images, num_seeds)
    covered = 0
    for _ in range(num_trials):
        low, high = stats.share_interval(world.right(num_seeds, world.ease()))
        covered += low <= world.accuracy <= high
    assert 0.92 <= covered / num_trials <= 0.99


@pytest.mark.parametrize("share", [0.9, 0.98])
def test_intervals_of_small_classes_cover(share: float) -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        hard_N = rng.random(60) > share
        flipped_SN = rng.random((3, 60)) < 0.01
        low, high = stats.share_interval(~(hard_N ^ flipped_SN))
        covered += low <= share * 0.99 + (1 - share) * 0.01 <= high
    assert 0.92 <= covered / 2000 <= 0.995


@pytest.mark.parametrize("ratio", [0.1, 1.0, 3.0])
def test_intervals_of_differences_cover(ratio: float) -> None:
    num_images, num_trials = 1000, 1500
    # what images add to a difference is less than to an accuracy: most are as hard for both
    world = World((0.3 * ratio * variance_of_images() / num_images) ** 0.5, num_images, 7)
    covered = 0
    for _ in range(num_trials):
        a, b = models(world, (3, 4))
        parts = stats.smoothed(stats.spread_of_difference(a, b))
        low, high = stats.t_interval(a.mean - b.mean, parts)
        covered += low <= 0 <= high
    assert 0.92 <= covered / num_trials <= 0.99


def models(world: World, num_seeds: tuple[int, ...]) -> list[Sample]:
    """Return models of one expected accuracy, to each of which images are hard in its own way."""
    shared_N, rho = world.ease() - MEAN_EASE, 0.85
    found = []
    for num in num_seeds:
        own_N = SD_EASE * world.rng.normal(size=world.num_images)
        ease_N = MEAN_EASE + rho**0.5 * shared_N + (1 - rho) ** 0.5 * own_N
        found.append(stats.sample_of_means(world.right(num, ease_N)))
    return found


@pytest.mark.parametrize("run_sd_points", [0.15, 0.3])
@pytest.mark.parametrize("num_seeds", [2, 3, 5])
@pytest.mark.parametrize("num_images", [1000, 10_000])
def test_equal_models_are_seldom_called_better(
    run_sd_points: float, num_seeds: int, num_images: int
) -> None:
    num_trials = 1000 if num_images == 1000 else 500
    world = World(run_sd_points / 100, num_images, num_seeds)
    # without equivalence, which would only take cases away
    rules = Rules(delta_frac=1e-9)
    false = 0
    for _ in range(num_trials):
        by_name = dict(zip("abc", models(world, (num_seeds,) * 3), strict=True))
        false += any(one.kind == "better" for one in judge(by_name, "accuracy", rules))
    assert false / num_trials <= 0.06


@pytest.mark.parametrize("num_seeds", [3, 6])
def test_intervals_of_macro_f1_cover(num_seeds: int) -> None:
    world = World(0.01, 600, num_seeds)
    # classes of differing size, the rarer the harder; mistakes name the next class
    shares, harder = np.array([0.5, 0.3, 0.15, 0.05]), np.array([0.0, 0.5, 1.0, 1.5])

    def sample(num_networks: int, num_images: int, num_draws: int) -> Sample:
        labels_N = world.rng.choice(4, num_images, p=shares)
        ease_N = world.rng.normal(MEAN_EASE, SD_EASE, num_images) - harder[labels_N]
        right_SN = world.right(num_networks, ease_N)
        predicted_SN = np.where(right_SN, labels_N, (labels_N + 1) % 4)
        found = macro_samples(patterns_of(predicted_SN, labels_N), 4, num_draws)["macro_f1"]
        return Sample(*found, num_images, is_resampled=True)

    truth = sample(200, 40_000, 2).mean
    covered = 0
    for _ in range(500):
        one = sample(num_seeds, 600, 300)
        low, high = stats.t_interval(one.mean, stats.spread(one))
        covered += low <= truth <= high
    assert 0.92 <= covered / 500 <= 0.99


def test_equal_networks_are_seldom_told_apart() -> None:
    world, false = World(0.0, 1000, 3), 0
    for _ in range(1500):
        by_name = dict(zip("ab", models(world, (1, 1)), strict=True))
        false += judge(by_name, "accuracy", Rules(delta_frac=1e-9))[0].kind == "better"
    # mid-p is no more exact than it claims: near 5 %, not far below
    assert 0.02 <= false / 1500 <= 0.06


def test_models_apart_by_the_bound_are_seldom_called_equivalent() -> None:
    rng = np.random.default_rng(0)
    bound, false = 0.005, 0
    for _ in range(1000):
        by_name = {}
        hard_N = 0.9 * rng.random(20_000)
        for name, threshold in (("a", 0.8), ("b", 0.8 + 0.9 * bound)):
            # between 0.1 and 0.9 the share below a threshold rises by 1/0.9 of it
            runs_S1 = threshold + 0.002 * rng.normal(size=(3, 1))
            right_SN = hard_N + 0.1 * rng.random((3, 20_000)) < runs_S1
            by_name[name] = stats.sample_of_means(right_SN)
        verdict = judge(by_name, "accuracy", Rules(delta_frac=bound))[0]
        assert verdict.scope == "models"
        false += verdict.kind == "equivalent"
    assert false / 1000 <= 0.06
