"""Mutants of publications: each is judged, or one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.mutations import clear_errors, mutants, rounds
from fuzz.trees import as_toml, mutated
from neurovisionlab import api
from neurovisionlab.core.documents import parse_toml
from neurovisionlab.lab.named_files import PUBLICATIONS, shipped

pytestmark = pytest.mark.slow
SECONDS = 8


def _judged(path: Path) -> None:
    """Hold a publication against itself, as `nvl claims` does, and say all of it."""
    told = api.claims(str(path))
    assert len(told.lines) == 2 * len(told.rows)
    assert len(told.as_json()) == len(told.rows)


def test_changed_bytes_of_a_publication(tmp_path: Path) -> None:
    seeds = [text.encode() for text in shipped(PUBLICATIONS).values()]
    path = tmp_path / "claims.toml"
    for said, rng in rounds("bytes of publications", SECONDS):
        for content in mutants(rng.choice(seeds), rng, 20, seeds):
            path.write_bytes(content)
            with clear_errors(said, {"claims.toml": content}):
                _judged(path)


def test_changed_values_of_a_publication(tmp_path: Path) -> None:
    seeds = [parse_toml(text, name) for name, text in shipped(PUBLICATIONS).items()]
    path = tmp_path / "claims.toml"
    for said, rng in rounds("values of publications", SECONDS):
        content = as_toml(mutated(rng.choice(seeds), rng), rng)
        path.write_bytes(content)
        with clear_errors(said, {"claims.toml": content}):
            _judged(path)
