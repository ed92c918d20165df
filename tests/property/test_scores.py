"""What holds for scores whatever the predictions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from neurovisionlab.core.metrics import Scores, score

Case = tuple[NDArray[np.float32], NDArray[np.int64]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    num, num_classes = draw(st.tuples(st.integers(1, 30), st.integers(1, 8)))
    size = draw(st.sampled_from([1.0, 128.0, 2.0**126]))
    values = st.floats(-size, size, width=32)
    logits_NC = draw(hnp.arrays(np.float32, (num, num_classes), elements=values))
    labels_N = draw(hnp.arrays(np.int64, num, elements=st.integers(0, num_classes - 1)))
    return logits_NC, labels_N


def numbers(scores: Scores) -> dict[str, float]:
    return {name: value for name, value in dict(scores).items() if name != "per_class"}


@given(cases())
def test_scores_keep_their_bounds(case: Case) -> None:
    scores = score(*case)
    for name, value in numbers(scores).items():
        if name.endswith("_frac"):
            assert 0 <= value <= 1, name
    assert scores.nll >= 0
    assert 0 <= scores.brier <= 2 + 1e-12
    assert sum(one.num_images for one in scores.per_class) == scores.num_images == len(case[1])


@given(cases())
def test_weighted_recall_is_accuracy(case: Case) -> None:
    scores = score(*case)
    assert scores.weighted_recall_frac == pytest.approx(scores.accuracy_frac, abs=1e-12)


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_images_says_nothing(case: Case, chance) -> None:
    logits_NC, labels_N = case
    order = list(range(len(labels_N)))
    chance.shuffle(order)
    one, other = numbers(score(*case)), numbers(score(logits_NC[order], labels_N[order]))
    assert one == pytest.approx(other, rel=1e-9, abs=1e-9)


@given(cases(), st.randoms(use_true_random=False))
def test_the_numbers_of_classes_say_nothing(case: Case, chance) -> None:
    logits_NC, labels_N = case
    # equal logits are decided by position: leave them out of this comparison
    top_two = np.sort(logits_NC, axis=1)[:, -2:]
    if logits_NC.shape[1] > 1 and (top_two[:, 0] == top_two[:, -1]).any():
        return
    order = list(range(logits_NC.shape[1]))
    chance.shuffle(order)
    moved = np.argsort(order)[labels_N]
    one, other = numbers(score(*case)), numbers(score(logits_NC[:, order], moved))
    assert one == pytest.approx(other, rel=1e-9, abs=1e-9)


@given(cases())
def test_a_perfect_guess_scores_one(case: Case) -> None:
    logits_NC, labels_N = case
    perfect = np.zeros_like(logits_NC)
    perfect[np.arange(len(labels_N)), labels_N] = 100
    scores = score(perfect, labels_N)
    assert scores.accuracy_frac == scores.macro_f1_frac == scores.weighted_precision_frac == 1
    assert scores.nll == pytest.approx(0, abs=1e-9)
    assert scores.ece_frac == pytest.approx(0, abs=1e-9)


@given(cases())
def test_scores_survive_storage(case: Case) -> None:
    scores = score(*case)
    assert Scores.model_validate_json(scores.model_dump_json(), strict=True) == scores
