"""The Pareto front: who is beaten by nobody, and nobody beaten by a guess."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurovisionlab.judge.pareto import non_dominated

UP_DOWN = ("larger", "smaller")
VALUES = st.one_of(st.none(), st.integers(-3, 3).map(float))
POINTS = st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=6)
THREE = ("larger", "smaller", "larger")


def test_a_point_worse_in_everything_is_dominated() -> None:
    assert non_dominated([(90.0, 5.0), (80.0, 9.0)], UP_DOWN) == [True, False]


def test_a_point_as_good_in_one_and_worse_in_another_is_dominated() -> None:
    assert non_dominated([(90.0, 5.0), (90.0, 9.0)], UP_DOWN) == [True, False]


def test_equal_points_stand_side_by_side() -> None:
    assert non_dominated([(90.0, 5.0), (90.0, 5.0)], UP_DOWN) == [True, True]


def test_directions_decide_which_way_is_better() -> None:
    points = [(90.0, 5.0), (80.0, 9.0)]
    assert non_dominated(points, ("smaller", "larger")) == [False, True]
    assert non_dominated(points, ("larger", "larger")) == [True, True]


def test_an_unknown_neither_dominates_nor_is_dominated() -> None:
    points = [(99.0, None), (80.0, 9.0), (10.0, None), (70.0, 10.0)]
    assert non_dominated(points, UP_DOWN) == [True, True, True, False]


def test_no_points_have_no_front() -> None:
    assert non_dominated([], UP_DOWN) == []


def test_infinity_is_a_number() -> None:
    assert non_dominated([(1.0, math.inf), (1.0, 3.0)], UP_DOWN) == [False, True]


@pytest.mark.parametrize(
    ("points", "directions", "match"),
    [
        ([(1.0,)], UP_DOWN, "expected 2 values"),
        ([(1.0, math.nan)], UP_DOWN, "NaN"),
        ([(1.0, 2.0)], ("larger", "upwards"), "upwards"),
    ],
)
def test_what_cannot_be_compared_is_refused(points, directions, match) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=match):
        non_dominated(points, directions)


@given(POINTS)
def test_order_of_points_changes_nothing(points: list[tuple[float | None, ...]]) -> None:
    front = dict(zip(points, non_dominated(points, THREE), strict=True))
    for shuffled in list(permutations(points))[:24]:
        assert non_dominated(shuffled, THREE) == [front[point] for point in shuffled]


@given(POINTS.filter(bool))
def test_somebody_is_always_on_the_front(points: list[tuple[float | None, ...]]) -> None:
    assert any(non_dominated(points, THREE))


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=8))
def test_agrees_with_comparing_arrays(points: list[tuple[int, ...]]) -> None:
    array = np.array(points) * [1, -1, 1]
    at_least = (array[:, None] >= array[None]).all(axis=2)
    above = (array[:, None] > array[None]).any(axis=2)
    expected = ~(at_least & above).any(axis=0)
    assert non_dominated([tuple(map(float, p)) for p in points], THREE) == expected.tolist()


def test_raising_a_point_never_takes_it_off_the_front() -> None:
    points = [(90.0, 5.0), (80.0, 4.0), (70.0, 3.0)]
    for i in range(3):
        raised = [(p[0] + 5, p[1] - 1) if i == j else p for j, p in enumerate(points)]
        assert non_dominated(raised, UP_DOWN)[i]
