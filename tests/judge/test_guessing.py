"""Near guessing: by the accuracy and the share of the largest class alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier

from neurovisionlab.judge.guessing import is_near_guessing, largest_share

SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("percent", "largest", "near"),
    [
        (12.0, 10.0, True),  # a small transformer on ten drawn digits after three epochs
        (18.0, 10.0, True),
        (27.0, 10.0, False),
        (6.9, 7.3, True),  # 62 classes of street photographs
        (20.8, 7.3, False),
        (53.0, 50.0, True),
        (60.0, 50.0, False),
        (90.5, 90.0, True),
        (95.0, 90.0, False),
        (9.0, 0.1, False),  # a thousand classes: ninety times as good as guessing
        (0.0, 0.1, True),
        (100.0, 50.0, False),
    ],
)
def test_known_cases(percent: float, largest: float, near: bool) -> None:
    assert is_near_guessing(percent / 100, largest / 100) == near


@given(SHARES, SHARES, SHARES)
def test_less_accuracy_is_never_further_from_guessing(
    one: float, other: float, share: float
) -> None:
    low, high = sorted((one, other))
    assert is_near_guessing(low, share) >= is_near_guessing(high, share)
    assert is_near_guessing(share, share)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_the_share_is_what_always_naming_the_largest_class_reaches(labels: list[int]) -> None:
    images = np.zeros((len(labels), 1))
    judge = DummyClassifier(strategy="most_frequent").fit(images, labels).score(images, labels)
    assert largest_share(np.bincount(labels).tolist()) == pytest.approx(judge)
