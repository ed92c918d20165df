"""Every error is made of one sentence and can name what would have been valid."""

from __future__ import annotations

import pytest

from neurovisionlab.core import errors


def test_mould_says_what_expected_got_and_remedy() -> None:
    assert errors.mould("epochs", "a whole number", "'x'", "15") == (
        "epochs: expected a whole number, got 'x'; try 15"
    )


def test_nearest_puts_the_likeliest_first() -> None:
    known = ["vit-tiny", "resnet18", "resnet34", "mobilenetv2"]
    assert errors.nearest("resnet81", known)[0] in ("resnet18", "resnet34")
    assert errors.nearest("mobilnet", known)[0] == "mobilenetv2"


def test_nearest_always_names_three_where_three_exist_and_takes_any_iterable() -> None:
    known = ["alpha", "beta", "gamma", "delta"]
    assert len(errors.nearest("qqqqqqqq", iter(known))) == 3
    assert errors.nearest("delta1", iter(known))[0] == "delta"
    assert errors.nearest("x", []) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_nearest_never_gives_more_than_asked(count: int) -> None:
    assert len(errors.nearest("abc", ["abc", "abd", "abe", "abf"], count)) == count


@pytest.mark.parametrize("kind", ["Spec", "Data", "Model", "Resource", "Store"])
def test_every_kind_is_a_user_error(kind: str) -> None:
    assert issubclass(getattr(errors, f"{kind}Error"), errors.NvlError)
