"""Mutants of studies: each is a study, or one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.mutations import clear_errors, mutants, rounds
from fuzz.trees import as_toml, mutated
from neurovisionlab import api
from neurovisionlab.core.documents import parse_toml
from neurovisionlab.core.spec import warnings_of
from neurovisionlab.lab.named_files import PRESETS, shipped

pytestmark = pytest.mark.slow
SECONDS = 12


def _looked_at(path: Path) -> None:
    """Read a study as `nvl run` does, and look at all that is told of it before data are read."""
    study = api.load_study(str(path))
    assert study.num_cells >= 1
    if study.num_cells <= 2_000:
        warnings_of(study)
        study.count()
        assert study.data_refs()
        assert type(study).model_validate_json(study.model_dump_json()) == study


def test_changed_bytes_of_a_study(tmp_path: Path) -> None:
    seeds = [text.encode() for text in shipped(PRESETS).values()]
    path = tmp_path / "study.toml"
    for said, rng in rounds("bytes of studies", SECONDS):
        for content in mutants(rng.choice(seeds), rng, 20, seeds):
            path.write_bytes(content)
            with clear_errors(said, {"study.toml": content}):
                _looked_at(path)


def test_changed_values_of_a_study(tmp_path: Path) -> None:
    seeds = [parse_toml(text, name) for name, text in shipped(PRESETS).items()]
    path = tmp_path / "study.toml"
    for said, rng in rounds("values of studies", SECONDS):
        content = as_toml(mutated(rng.choice(seeds), rng), rng)
        path.write_bytes(content)
        with clear_errors(said, {"study.toml": content}):
            _looked_at(path)
