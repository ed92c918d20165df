"""Intervals and tests against SciPy, statsmodels, scikit-learn and printed worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize
from scipy import stats as scipy_stats
from sklearn import metrics as sk

from judge.networks import drawn_right
from neurovisionlab.judge import stats
from neurovisionlab.judge.bootstrap import MACRO_SCORES, macro_samples, patterns_of
from neurovisionlab.judge.calibration import fit_temperature
from neurovisionlab.judge.ranks import critical_difference, friedman
from neurovisionlab.judge.stats import Sample, SeedPart, Spread

proportion = pytest.importorskip("statsmodels.stats.proportion")
import pandas as pd  # noqa: E402  (statsmodels brings it)
from statsmodels.formula.api import ols  # noqa: E402
from statsmodels.stats.anova import anova_lm  # noqa: E402
from statsmodels.stats.contingency_tables import mcnemar  # noqa: E402
from statsmodels.stats.multitest import multipletests  # noqa: E402
from statsmodels.stats.weightstats import ttost_paired  # noqa: E402


def mean_squares(values_SN: np.ndarray) -> tuple[float, float, float]:
    """Return statsmodels' mean squares of seeds, images and the rest."""
    seeds, images = np.indices(values_SN.shape)
    table = pd.DataFrame(
        {"y": values_SN.ravel().astype(float), "s": seeds.ravel(), "i": images.ravel()}
    )
    found = anova_lm(ols("y ~ C(s) + C(i)", table).fit())
    return tuple(found["sum_sq"] / found["df"])


@pytest.mark.parametrize(("num_seeds", "num_images"), [(2, 20), (3, 40), (5, 30)])
def test_variance_components_against_statsmodels(num_seeds: int, num_images: int) -> None:
    right_SN = drawn_right(num_seeds, num_images, 0.7, num_images)
    seed, image, rest = mean_squares(right_SN)
    parts = stats.spread(stats.sample_of_means(right_SN))
    cells = num_seeds * num_images
    assert parts.images == pytest.approx(image / cells)
    assert parts.seeds[0].between == pytest.approx(seed / cells)
    assert parts.seeds[0].residual == pytest.approx(rest / cells)
    assert parts.variance == pytest.approx((max(seed, rest) + max(image, rest) - rest) / cells)


def test_the_variance_of_a_difference_against_analyses_of_each_model() -> None:
    a_SN, b_SN = drawn_right(3, 40, 0.7, 1), drawn_right(4, 40, 0.8, 2)
    parts = stats.spread_of_difference(*map(stats.sample_of_means, (a_SN, b_SN)))
    expected = (a_SN.mean(axis=0) - b_SN.mean(axis=0)).var(ddof=1) / 40
    assert parts.images == pytest.approx(expected)
    for part, values_SN in zip(parts.seeds, (a_SN, b_SN), strict=True):
        seed, _, rest = mean_squares(values_SN)
        assert part.between == pytest.approx(seed / values_SN.size)
        assert part.residual == pytest.approx(rest / values_SN.size)


def test_degrees_of_freedom_are_welchs_where_nothing_is_shared() -> None:
    # Satterthwaite's formula with two independent means is Welch's test
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 4), rng.normal(0.5, 3, 6)
    parts = Spread(
        0.0, 1000, (SeedPart(a.var(ddof=1) / 4, 0, 4), SeedPart(b.var(ddof=1) / 6, 0, 6))
    )
    theirs = scipy_stats.ttest_ind(a, b, equal_var=False)
    assert parts.df == pytest.approx(theirs.df)
    assert stats.t_test_p(a.mean() - b.mean(), parts) == pytest.approx(theirs.pvalue)
    low, high = theirs.confidence_interval(0.95)
    assert stats.t_interval(a.mean() - b.mean(), parts) == pytest.approx((low, high))


def test_one_network_each_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(1)
    a_1N, b_1N = rng.normal(size=(2, 1, 30))
    parts = stats.spread_of_difference(*map(stats.sample_of_means, (a_1N, b_1N)))
    theirs = scipy_stats.ttest_rel(a_1N[0], b_1N[0])
    ours = stats.t_test_p(a_1N.mean() - b_1N.mean(), parts)
    assert ours == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("bound", [0.3, 0.5, 0.8])
def test_equivalence_against_two_one_sided_tests(bound: float) -> None:
    rng = np.random.default_rng(2)
    a_1N, b_1N = rng.normal(size=(2, 1, 40))
    parts = stats.spread_of_difference(*map(stats.sample_of_means, (a_1N, b_1N)))
    interval = stats.t_interval(a_1N.mean() - b_1N.mean(), parts, 0.90)
    p, _, _ = ttost_paired(a_1N[0], b_1N[0], -bound, bound)
    assert stats.is_equivalent(*interval, bound) == (p < 0.05)


@pytest.mark.parametrize(("right", "num"), [(0, 10), (3, 17), (95, 100), (19_700, 20_800), (8, 8)])
def test_one_networks_interval_against_statsmodels(right: int, num: int) -> None:
    theirs = proportion.proportion_confint(right, num, method="wilson")
    ours = stats.share_interval(np.arange(num)[None] < right)
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_wilsons_interval_as_newcombe_printed_it() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3
    for right, num, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        ours = stats.wilson_interval(right / num, num, 1.959964)
        assert ours == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 5), (1, 7), (12, 12), (30, 51), (400, 460)])
def test_mcnemar_against_statsmodels(only_a: int, only_b: int) -> None:
    exact = mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue
    point = scipy_stats.binom.pmf(only_a, only_a + only_b, 0.5)
    # even counts: the exact p is cut at 1, and half the middle point goes
    expected = 1 - point / 2 if only_a == only_b else exact - point
    assert stats.mcnemar_mid_p(only_a, only_b) == pytest.approx(expected)


def test_mcnemars_mid_p_as_fagerland_printed_it() -> None:
    # Fagerland, Lydersen & Laake 2013, airway hyper-responsiveness: 1 and 7 discordant pairs
    assert stats.mcnemar_mid_p(1, 7) == pytest.approx(0.0391, abs=5e-5)


@pytest.mark.parametrize("seed", range(5))
def test_holm_against_statsmodels(seed: int) -> None:
    p_values = np.random.default_rng(seed).random(7) ** 3
    assert stats.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


# Demšar 2006, JMLR 7, table 2: AUC of C4.5, with m, with cf, with both, on 14 data sets
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_mean_ranks_and_the_critical_difference_as_demsar_printed_them() -> None:
    mean_M, chi2, p = friedman(DEMSAR)
    np.testing.assert_allclose(mean_M, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    # he prints 9.28, without the correction for ties
    assert chi2 > 9.28
    assert p < 0.05
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=5e-3)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=5e-3)


def test_friedman_against_scipy() -> None:
    for scores_DM in (DEMSAR, np.random.default_rng(0).normal(size=(9, 5))):
        theirs = scipy_stats.friedmanchisquare(*scores_DM.T)
        _, chi2, p = friedman(scores_DM)
        assert (chi2, p) == pytest.approx(tuple(theirs))


@pytest.fixture(scope="module")
def networks() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    labels_N = rng.integers(0, 6, 800)
    wrong_RN = ~drawn_right(3, 800, 0.75)
    predicted_RN = np.where(wrong_RN, (labels_N + rng.integers(1, 3, 800)) % 6, labels_N)
    return predicted_RN, labels_N


def macro_by_scikit_learn(labels_N: np.ndarray, predicted_N: np.ndarray) -> dict[str, float]:
    found = sk.precision_recall_fscore_support(
        labels_N, predicted_N, average="macro", zero_division=0
    )
    return dict(zip(("macro_precision", "macro_recall", "macro_f1"), found, strict=False))


@pytest.mark.parametrize("name", MACRO_SCORES)
def test_macro_scores_against_scikit_learn(networks, name: str) -> None:
    predicted_RN, labels_N = networks
    scores_R, _ = macro_samples(patterns_of(predicted_RN, labels_N), 8, 2)[name]
    theirs = [macro_by_scikit_learn(labels_N, row_N)[name] for row_N in predicted_RN]
    np.testing.assert_allclose(scores_R, theirs, rtol=1e-12)


@pytest.fixture(scope="module")
def drawn_images(networks) -> list[list[dict[str, float]]]:
    """Return scikit-learn's scores of each network on test sets drawn image by image."""
    predicted_RN, labels_N = networks
    draws_BN = np.random.default_rng(0).integers(0, 800, (600, 800))
    return [
        [macro_by_scikit_learn(labels_N[draw_N], row_N[draw_N]) for row_N in predicted_RN]
        for draw_N in draws_BN
    ]


@pytest.mark.parametrize("name", MACRO_SCORES)
def test_drawn_patterns_spread_like_drawn_images(networks, drawn_images, name: str) -> None:
    predicted_RN, labels_N = networks
    _, ours_RB = macro_samples(patterns_of(predicted_RN, labels_N), 6, 4000)[name]
    plain_RB = np.array([[scores[name] for scores in draw] for draw in drawn_images]).T
    np.testing.assert_allclose(ours_RB.mean(axis=1), plain_RB.mean(axis=1), atol=2e-3)
    np.testing.assert_allclose(np.cov(ours_RB), np.cov(plain_RB), rtol=0.25)


def test_the_spread_of_macro_f1_against_its_influence_values(networks) -> None:
    predicted_RN, labels_N = networks
    scores_R, around_RB = macro_samples(patterns_of(predicted_RN, labels_N), 6, 20_000)["macro_f1"]
    drawn = stats.spread(Sample(scores_R, around_RB, 800, is_resampled=True))
    influence_RN = np.stack([f1_influence(labels_N, row_N, 6) for row_N in predicted_RN])
    exact = stats.spread(stats.sample_of_means(influence_RN))
    assert drawn.images == pytest.approx(exact.images, rel=0.05)
    assert drawn.seeds[0].residual == pytest.approx(exact.seeds[0].residual, rel=0.05)
    assert drawn.seeds[0].between == pytest.approx(exact.seeds[0].between)


def f1_influence(labels_N: np.ndarray, predicted_N: np.ndarray, num_classes: int) -> np.ndarray:
    """Return what each image adds to macro F1 to first order, around the score itself."""
    num = len(labels_N)
    influence_N = np.zeros(num)
    total = 0.0
    for c in range(num_classes):
        hit_N = (labels_N == c) & (predicted_N == c)
        weight_N = (labels_N == c).astype(float) + (predicted_N == c)
        f1 = 2 * hit_N.sum() / weight_N.sum()
        influence_N += (2 * hit_N - f1 * weight_N) / weight_N.mean() / num_classes
        total += f1 / num_classes
    return influence_N + total


def test_temperature_against_another_optimiser() -> None:
    rng = np.random.default_rng(0)
    logits_NC = rng.normal(0, 3, (500, 6))
    labels_N = (logits_NC / 1.7 + rng.gumbel(size=logits_NC.shape)).argmax(axis=1)

    def loss(inverse: np.ndarray) -> float:
        scaled = logits_NC * inverse[0]
        return float(
            np.mean(np.logaddexp.reduce(scaled, axis=1) - scaled[np.arange(500), labels_N])
        )

    theirs = optimize.minimize(loss, x0=[1.0], method="BFGS")
    assert fit_temperature(logits_NC, labels_N) == pytest.approx(1 / theirs.x[0], rel=1e-3)
