"""Intervals and tests: what must hold by construction."""

from __future__ import annotations

import numpy as np
import pytest

from judge.networks import drawn_right
from neurovisionlab.judge import stats
from neurovisionlab.judge.bootstrap import macro_samples, patterns_of
from neurovisionlab.judge.planning import MOST_SEEDS, Hurdle, would_decide
from neurovisionlab.judge.stats import Sample, SeedPart, Spread

PARTS = Spread(images=4e-6, num_images=1000, seeds=(SeedPart(9e-6, 1e-6, 3),))


def test_parts_add_up_and_the_rest_counts_once() -> None:
    assert PARTS.variance == pytest.approx(4e-6 + 9e-6 - 1e-6)


def test_a_seed_part_below_the_rest_adds_nothing_but_still_costs_freedom() -> None:
    parts = Spread(4e-6, 1000, (SeedPart(0.5e-6, 2e-6, 3),))
    assert parts.variance == 4e-6
    assert parts.df < stats.Spread(4e-6, 1000).df / 10


def test_one_seed_leaves_the_images_alone() -> None:
    right_SN = drawn_right(1, 500, 0.8)
    parts = stats.spread(stats.sample_of_means(right_SN))
    assert parts.seeds == ()
    assert parts.variance == pytest.approx(right_SN.var(ddof=1) / 500)
    assert parts.df == pytest.approx(499)


def test_several_seeds_against_one_take_the_networks_as_they_are() -> None:
    a, b = (stats.sample_of_means(drawn_right(n, 300, 0.8, n)) for n in (3, 1))
    assert stats.spread_of_difference(a, b).seeds == ()


def test_a_model_against_itself_differs_by_chance_of_its_seeds_alone() -> None:
    sample = stats.sample_of_means(drawn_right(4, 300, 0.8))
    assert stats.spread_of_difference(sample, sample).images == 0


def test_one_image_has_no_spread() -> None:
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        stats.spread(stats.sample_of_means(np.ones((3, 1))))


def test_samples_over_different_images_are_refused() -> None:
    a, b = (stats.sample_of_means(np.ones((2, n))) for n in (5, 6))
    with pytest.raises(ValueError, match="same images"):
        stats.spread_of_difference(a, b)


def test_no_spread_and_no_difference_is_no_evidence() -> None:
    assert stats.t_test_p(0.0, Spread(0.0, 10)) == 1.0
    assert stats.t_test_p(0.1, Spread(0.0, 10)) == 0.0


def test_all_answers_right_are_worth_no_more_than_the_images() -> None:
    low, high = stats.share_interval(np.ones((5, 40), bool))
    assert high == 1.0
    assert low == pytest.approx(40 / (40 + 1.959964**2), abs=1e-6)


def test_seeds_that_answer_alike_narrow_nothing() -> None:
    row_1N = drawn_right(1, 400, 0.8)
    one, five = stats.share_interval(row_1N), stats.share_interval(np.repeat(row_1N, 5, axis=0))
    np.testing.assert_allclose(one, five, atol=2e-4)


def test_a_share_of_one_image_has_an_interval() -> None:
    low, high = stats.share_interval(np.array([[True], [False]]))
    assert 0 < low < 0.5 < high < 1


def test_on_many_images_the_share_interval_is_the_t_interval() -> None:
    right_SN = drawn_right(5, 20_000, 0.9)
    parts = stats.spread(stats.sample_of_means(right_SN))
    expected = stats.t_interval(float(right_SN.mean()), parts)
    np.testing.assert_allclose(stats.share_interval(right_SN), expected, atol=2e-4)


def test_networks_that_never_disagree_are_not_told_apart() -> None:
    assert stats.mcnemar_mid_p(0, 0) == 1.0
    low, high = stats.paired_interval(0, 0, 50)
    assert low == -high < 0


def test_two_models_that_never_disagree_are_alike_on_many_images_only() -> None:
    for num, alike in ((100, False), (2000, True)):
        parts = stats.smoothed(Spread(0.0, num))
        assert stats.is_equivalent(*stats.t_interval(0.0, parts, 0.90), 0.005) is alike


@pytest.mark.parametrize(
    ("low", "high", "inside"),
    [(-0.004, 0.004, True), (-0.006, 0.004, False), (0.001, 0.005, False), (0.001, 0.004, True)],
)
def test_equivalence_takes_both_sides(low: float, high: float, inside: bool) -> None:
    assert stats.is_equivalent(low, high, 0.005) is inside


def test_holm_keeps_the_order_given_and_never_falls() -> None:
    assert stats.holm([0.04, 0.01, 0.03]) == pytest.approx((0.06, 0.03, 0.06))
    assert stats.holm([0.9, 0.8]) == (1.0, 1.0)
    assert stats.holm([]) == ()


def test_resampled_accuracy_has_the_parts_of_measured_accuracy() -> None:
    labels_N = np.repeat(np.arange(4), 500)
    right_SN = drawn_right(4, 2000, 0.85)
    predicted_SN = np.where(right_SN, labels_N, (labels_N + 1) % 4)
    score_S, around_SB = macro_samples(patterns_of(predicted_SN, labels_N), 4, 8000)["macro_recall"]
    drawn = stats.spread(Sample(score_S, around_SB, 2000, is_resampled=True))
    # recall resampled within classes: the images' part without what classes differ by
    shares_SC = np.stack([right_SN[:, labels_N == c].mean(axis=1) for c in range(4)], axis=1)
    means_C = [right_SN[:, labels_N == c].mean(axis=0).var() / 500 for c in range(4)]
    assert score_S == pytest.approx(shares_SC.mean(axis=1))
    assert drawn.images == pytest.approx(np.sum(means_C) / 16, rel=0.06)
    assert drawn.seeds[0].between == pytest.approx(score_S.var(ddof=1) / 4)


def test_patterns_hold_every_image_and_ignore_their_order() -> None:
    labels_N = np.arange(300) % 4
    predicted_RN = np.where(drawn_right(3, 300, 0.7), labels_N, (labels_N + 1) % 4)
    order = np.random.default_rng(0).permutation(300)
    one = patterns_of(predicted_RN, labels_N)
    other = patterns_of(predicted_RN[:, order], labels_N[order])
    assert one.counts_P.sum() == 300
    np.testing.assert_array_equal(one.counts_P, other.counts_P)
    np.testing.assert_array_equal(one.predicted_RP, other.predicted_RP)


HURDLE = Hurdle(alpha=0.05, num_tests=3, delta=0.005)


def test_seeds_decide_where_seeds_dominate() -> None:
    more = would_decide(0.01, Spread(1e-6, 10_000, (SeedPart(4e-5, 0, 3),) * 2), HURDLE)
    assert more.outcome == "better"
    assert more.more_seeds is not None
    assert 5 < more.more_seeds < MOST_SEEDS
    assert not more.images_help
    assert more.more_images is None


def test_more_seeds_cannot_help_where_images_dominate() -> None:
    more = would_decide(0.01, Spread(9e-5, 1000, (SeedPart(1e-7, 0, 3),) * 2), HURDLE)
    assert not more.seeds_help
    assert more.more_seeds is None
    assert more.images_help
    # variance must fall to (0.01/2.39)², a fifth: four times as many images more
    assert more.more_images == pytest.approx(5000, rel=0.25)


def test_a_difference_that_does_not_matter_needs_an_interval_within_the_bound() -> None:
    more = would_decide(0.0005, Spread(4e-5, 5000, (SeedPart(1e-6, 0, 5),) * 2), HURDLE)
    assert more.outcome == "equivalent"
    assert more.more_images is not None


def test_what_takes_too_much_is_capped() -> None:
    more = would_decide(0.0001, Spread(1e-9, 10_000, (SeedPart(1e-2, 0, 3),) * 2), HURDLE)
    assert more.seeds_help
    assert more.more_seeds is None


def test_networks_as_they_are_gain_nothing_from_seeds() -> None:
    assert not would_decide(0.01, Spread(9e-5, 1000), HURDLE).seeds_help


def test_patterns_tell_more_classes_apart_than_two_bytes_count() -> None:
    labels_N = np.array([70_000, 4_464, 70_000, 65_536])  # equal in their lower two bytes
    found = patterns_of(labels_N[None], labels_N)
    assert sorted(found.labels_P.tolist()) == [4_464, 65_536, 70_000]
    assert (found.predicted_RP == found.labels_P).all()
    assert found.counts_P.sum() == 4
