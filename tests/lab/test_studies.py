"""Finding studies and telling how two wordings differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurovisionlab.core.errors import SpecError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import Study
from neurovisionlab.core.study_differences import changes
from neurovisionlab.data.sources import SOURCES
from neurovisionlab.lab.named_files import PRESETS, read_study, shipped
from neurovisionlab.learn.catalogue import MODELS, patch_side

KNOWN = {"datasets": SOURCES, "models": MODELS}


@pytest.mark.parametrize("name", sorted(shipped(PRESETS)))
def test_every_preset_is_a_study_of_things_that_exist(name: str) -> None:
    study = read_study(name, KNOWN)
    assert study.name == name
    assert study.description
    assert set(study.models) <= MODELS.keys()
    for _, protocol in study.protocols():
        for model in study.models:
            if protocol.image_px != "native":
                patch_side(model, protocol.image_px)


def test_the_presets_of_the_issue_ship() -> None:
    assert {"quick", "letters-cpu"} <= shipped(PRESETS).keys()


def test_a_file_is_read_before_a_preset_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quick").write_text('name = "mine"\ndatasets = ["digits"]\nmodels = ["resnet18"]\n')
    assert read_study("quick", KNOWN).name == "mine"


def test_an_unknown_study_names_the_nearest_presets() -> None:
    with pytest.raises(SpecError, match=r"a preset's name or a TOML file, got 'quik'; try quick"):
        read_study("quik", KNOWN)


def test_changes_name_each_setting_that_differs() -> None:
    old = Study(name="a", datasets=("digits",), models=("resnet18",))
    new = old.model_copy(update={"seeds": (0, 1), "protocol": Protocol(epochs=3)})
    assert changes(old, old) == []
    assert changes(old, new) == ["protocol.epochs: 15 → 3", "seeds: [0] → [0, 1]"]


def test_an_unknown_study_names_the_files_beside_it_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my-study.toml").write_text("")
    (tmp_path / "my-stuby.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    for typed, near in (("my-stduy.toml", "my-study.toml"), (str(tmp_path / "my-stdy.toml"), None)):
        with pytest.raises(SpecError) as caught:
            read_study(typed, {})
        assert f"try {near or tmp_path / 'my-study.toml'}" in str(caught.value)
        assert "txt" not in str(caught.value)
    with pytest.raises(SpecError, match="try quick"):
        read_study("quik", {})
    with pytest.raises(SpecError, match="expected a preset's name"):
        read_study("nowhere/at/all.toml", {})
