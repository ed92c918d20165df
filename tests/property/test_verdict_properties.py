"""What holds for verdicts whatever the networks answered."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from judge.networks import answers, compare, estimate
from neurovisionlab.judge import stats
from neurovisionlab.judge.answers import Answers
from neurovisionlab.judge.samples import METRICS, Rules
from neurovisionlab.judge.verdicts import PairVerdict, verdicts_of_dataset
from neurovisionlab.out.words.verdict_words import estimate_sentence, pair_sentence

Right = NDArray[np.bool_]
FEW_DRAWS = Rules(num_draws=100)


def rights(num_seeds: st.SearchStrategy[int], num_images: int) -> st.SearchStrategy[Right]:
    return num_seeds.flatmap(lambda seeds: hnp.arrays(np.bool_, (seeds, num_images)))


@st.composite
def two_models(draw: st.DrawFn, fewest_seeds: int = 1) -> tuple[Right, Right]:
    num_images = draw(st.integers(5, 40))
    seeds = st.integers(fewest_seeds, 5)
    return draw(rights(seeds, num_images)), draw(rights(seeds, num_images))


def pair(a_SN: Right, b_SN: Right) -> tuple[Answers, Answers]:
    return answers(a_SN, "a"), answers(b_SN, "b")


def numbers(found: PairVerdict) -> dict[str, float]:
    keys = ("difference", "low", "high", "low_90", "high_90", "p", "p_holm", "standard_error")
    return {key: getattr(found, key) for key in keys}


@given(two_models(), st.sampled_from(METRICS))
def test_swapping_a_and_b_mirrors_the_verdict(models: tuple[Right, Right], metric) -> None:
    a, b = pair(*models)
    one, other = compare(a, b, metric, FEW_DRAWS), compare(b, a, metric, FEW_DRAWS)
    assert (one.kind, one.better, one.leading) == (other.kind, other.better, other.leading)
    assert one.difference == -other.difference
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)
    assert (one.p, one.smallest_delta) == pytest.approx((other.p, other.smallest_delta))
    assert one.would_decide == other.would_decide
    assert (one.num_seeds_a, one.num_seeds_b) == (other.num_seeds_b, other.num_seeds_a)


@given(two_models(), st.randoms(use_true_random=False))
def test_the_order_of_images_changes_nothing(models: tuple[Right, Right], chance) -> None:
    order = list(range(models[0].shape[1]))
    chance.shuffle(order)
    straight = pair(*models)
    shuffled = tuple(
        dataclasses.replace(
            one,
            predicted_SN=one.predicted_SN[:, order],
            nll_SN=one.nll_SN[:, order],
            brier_SN=one.brier_SN[:, order],
            labels_N=one.labels_N[order],
            indices_N=one.indices_N[order],
        )
        for one in straight
    )
    one, other = (verdicts_of_dataset("d", models, FEW_DRAWS) for models in (straight, shuffled))
    for before, after in zip(one.pairs, other.pairs, strict=True):
        assert before.kind == after.kind
        assert numbers(before) == pytest.approx(numbers(after), abs=1e-9)


@given(two_models(), st.randoms(use_true_random=False))
def test_the_order_of_seeds_changes_nothing(models: tuple[Right, Right], chance) -> None:
    shuffled = []
    for right_SN in models:
        order = list(range(len(right_SN)))
        chance.shuffle(order)
        shuffled.append(right_SN[order])
    one, other = (compare(*pair(*rows), "accuracy") for rows in (models, shuffled))
    assert one.kind == other.kind
    assert numbers(one) == pytest.approx(numbers(other), abs=1e-9)


@given(rights(st.integers(2, 5), 12), st.integers(2, 6))
def test_images_replicated_narrow_the_images_part_only(right_SN: Right, times: int) -> None:
    one, more = (stats.spread(stats.sample_of_means(np.tile(right_SN, (1, n)))) for n in (1, times))
    # 12 images, divided by 11; n times as many, by n times 12 less 1
    narrower = 11 / (12 * times - 1)
    assert more.images == pytest.approx(one.images * narrower)
    assert more.seeds[0].residual == pytest.approx(one.seeds[0].residual * narrower)
    assert more.seeds[0].between == pytest.approx(one.seeds[0].between)


def _mostly_right(frac: float, seed: int) -> Right:
    return np.random.default_rng(seed).random((3, 4000)) < frac


# what Hypothesis does not draw by itself: few images decide nothing
BETTER = (_mostly_right(0.95, 0), _mostly_right(0.6, 1))
EQUIVALENT = (_mostly_right(0.99, 0), _mostly_right(0.99, 1))


@pytest.mark.parametrize(("models", "kind"), [(BETTER, "better"), (EQUIVALENT, "equivalent")])
def test_the_examples_are_what_they_are_called(models: tuple[Right, Right], kind: str) -> None:
    assert kind in {one.kind for one in verdicts_of_dataset("d", pair(*models), FEW_DRAWS).pairs}


@given(two_models())
@example(BETTER)
@example(EQUIVALENT)
def test_verdicts_fit_their_numbers(models: tuple[Right, Right]) -> None:
    for found in verdicts_of_dataset("d", pair(*models), FEW_DRAWS).pairs:
        assert found.low <= found.low_90 <= found.high_90 <= found.high
        assert 0 <= found.p <= found.p_holm <= 1
        assert (found.kind == "better") == (found.better is not None)
        assert (found.kind == "cannot tell") == (found.would_decide is not None)
        if found.kind == "better":
            assert found.p_holm < 0.05
            assert found.better == found.leading
        if found.kind == "equivalent":
            assert found.equivalent_within < found.delta
        if 1 in (found.num_seeds_a, found.num_seeds_b):
            assert found.about_models == "cannot tell"


@given(rights(st.integers(1, 5), 20))
def test_intervals_of_shares_hold_the_share_within_its_bounds(right_SN: Right) -> None:
    low, high = stats.share_interval(right_SN)
    assert 0 <= low <= right_SN.mean() <= high <= 1
    assert low < high


@given(rights(st.integers(1, 4), 15), st.sampled_from(METRICS))
def test_estimates_lie_in_their_intervals(right_SN: Right, metric) -> None:
    found = estimate(answers(right_SN), metric, FEW_DRAWS)
    assert found.low <= found.value <= found.high
    if metric not in ("nll", "brier"):
        assert found.low >= 0
        assert found.high <= 1


@given(two_models())
def test_every_verdict_can_be_said(models: tuple[Right, Right]) -> None:
    found = verdicts_of_dataset("d", pair(*models), FEW_DRAWS)
    texts = [pair_sentence(one, "d") for one in found.pairs]
    texts += [estimate_sentence(one, "d") for one in found.estimates]
    for text in texts:
        assert "{" not in text
        assert "nan" not in text
        assert text.endswith(".")


@given(hnp.arrays(np.int64, 2, elements=st.integers(0, 60)))
def test_mid_p_is_a_probability_and_has_no_side(counts: NDArray[np.int64]) -> None:
    only_a, only_b = counts.tolist()
    p = stats.mcnemar_mid_p(only_a, only_b)
    assert 0 < p <= 1
    assert p == stats.mcnemar_mid_p(only_b, only_a)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_raises_and_keeps_order(p_values: list[float]) -> None:
    corrected = stats.holm(p_values)
    assert all(p <= c <= 1 for p, c in zip(p_values, corrected, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert list(np.array(corrected)[order]) == sorted(corrected)
