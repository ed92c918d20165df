"""Classes of two sets, matched by name."""

from __future__ import annotations

import pytest

from neurovisionlab.core.errors import DataError
from neurovisionlab.data.shared_labels import shared_labels


@pytest.mark.parametrize(
    ("of_set", "of_model", "table", "respelt"),
    [
        ("ABC", "ABC", [0, 1, 2], ()),
        ("CAB", "ABC", [2, 0, 1], ()),
        ("AXB", "ABC", [0, -1, 1], ()),
        ("abc", "ABC", [0, 1, 2], ("a", "b", "c")),
        ("aBC", "ABC", [0, 1, 2], ("a",)),
        (["Cat", "dog"], ["cat", "dog"], [0, 1], ("Cat",)),
        ("aAB", "AB", [-1, 0, 1], ()),  # where both cases are classes, case means something
        ("AB", "aAB", [1, 2], ()),
        ("aAb", "BC", [-1, -1, 0], ("b",)),
        ("Aa", "AB", [0, -1], ()),
        (["big  Cat", "dog"], ["Big cat", "cow"], [0, -1], ("big  Cat",)),
        (["ﬁsh", "b"], ["FISH", "c"], [0, -1], ("ﬁsh",)),
        ("01", "12", [-1, 0], ()),
    ],
)
def test_names_decide(
    of_set: str | list[str], of_model: str | list[str], table: list[int], respelt: tuple[str, ...]
) -> None:
    found = shared_labels("other", list(of_set), list(of_model))
    assert found.table_C.tolist() == table
    assert found.respelt == respelt
    assert found.names == tuple(list(of_model)[at] for at in table if at >= 0)


@pytest.mark.parametrize(("of_set", "of_model"), [("01", "AB"), ("aA", "а"), ("aA", "ÀÁ")])
def test_no_common_class_is_an_error(of_set: str, of_model: str) -> None:
    with pytest.raises(DataError, match="other, class names: expected a class of"):
        shared_labels("other", list(of_set), list(of_model))


def test_spellings_that_would_join_classes_match_nothing() -> None:
    with pytest.raises(DataError):
        shared_labels("other", ["a", "A"], ["Ａ"])
    with pytest.raises(DataError):
        shared_labels("other", ["Ａ"], ["a", "A"])
