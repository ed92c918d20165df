"""The fuzz tests' own tools: repeatable, various, and no bug passes them."""

from __future__ import annotations

import base64
import re
import zlib

import pytest

from fuzz.mutations import Rng, clear_errors, mutants, rounds
from neurovisionlab.core.errors import DataError


def test_mutants_are_the_same_by_the_same_seed_and_nearly_all_differ() -> None:
    seed = bytes(range(256)) * 4
    first = list(mutants(seed, Rng(1), 300, [b"other" * 50]))
    assert first == list(mutants(seed, Rng(1), 300, [b"other" * 50]))
    assert first != list(mutants(seed, Rng(2), 300, [b"other" * 50]))
    assert len(set(first)) > 250
    assert min(map(len, first)) < len(seed) < max(map(len, first))
    assert any(b"other" in one for one in first)


@pytest.mark.parametrize("seed", [b"", b"x", b"xyz"])
def test_little_is_changed_as_well(seed: bytes) -> None:
    assert len(list(mutants(seed, Rng(0), 500, [b""]))) == 500


def test_rounds_end_and_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVL_FUZZ_S", "0")
    assert len(list(rounds("a test", 3600))) == 1
    (said, rng), *_ = rounds("a test", 3600)
    monkeypatch.setenv("NVL_FUZZ_SEED", "7")
    (other, other_rng), *_ = rounds("a test", 3600)
    assert ("SEED=0" in said, "SEED=7" in other) == (True, True)
    assert rng.random() != other_rng.random()


def test_bugs_come_with_their_files_and_clear_errors_pass() -> None:
    with clear_errors("round 1", {}):
        raise DataError("x: expected a, got b; try c")
    with pytest.raises(AssertionError, match="no clear error"), clear_errors("round 1", {}):
        raise DataError("oh")
    with (
        pytest.raises(AssertionError, match=r"round 1: KeyError\('k'\)") as caught,
        clear_errors("round 1", {"x.png": b"bytes"}),
    ):
        raise KeyError("k")
    found = re.search("x.png: (.+)", str(caught.value))
    assert found is not None
    assert zlib.decompress(base64.b64decode(found[1])) == b"bytes"
