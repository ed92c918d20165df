"""The picture of docs/speed.md: what was measured is drawn again, until it is measured anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import speed_picture
from lab.fakes import fake_plan, fake_result


def _point(study: str, s: float, accuracy: float) -> dict[str, Any]:
    machine = "a machine, 2 cores"
    return {
        "study": study,
        "model": "glyphnet",
        "what": f"glyphnet of {study}",
        "machine": machine,
        "s": s,
        "accuracy": accuracy,
    }


def test_points_of_before_stay_until_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed_picture, "KEPT", tmp_path / "points.json")
    fast, strong, faster = (
        _point("fast", 250, 95.2),
        _point("strong", 900, 95.8),
        _point("fast", 200, 95.3),
    )
    assert speed_picture.kept_with([strong, fast]) == [fast, strong]
    assert speed_picture.kept_with([faster]) == [faster, strong]
    elsewhere = {**_point("fast", 10, 95.2), "machine": "a GPU"}
    assert speed_picture.kept_with([elsewhere]) == [elsewhere, faster, strong]
    assert json.loads((tmp_path / "points.json").read_text()) == [elsewhere, faster, strong]


def test_every_point_is_drawn_or_named_below() -> None:
    published = list(speed_picture.published())
    assert [point["accuracy"] for point in published] == [94.71, 95.03, 88.89]
    low, lower = _point("slow", 60, 50.0), _point("hasty", 9, 40.0)
    chart = speed_picture.draw([*published, low, lower], lowest=80.0).to_dict()
    said = json.dumps(chart)
    assert all(point["what"] in said for point in published)
    assert "glyphnet of slow: 50.0 % after 1.0 min" in chart["title"]["text"]
    assert "glyphnet of hasty: 40.0 % after 9 s" in chart["title"]["text"]


def test_a_point_names_the_machine_that_trained() -> None:
    (cell, *_) = fake_plan().cells()
    record = fake_result(cell).record
    assert speed_picture._point([record])["machine"] == "None, 2 cores, 28 px, from scratch"
    elsewhere = record.machine.model_copy(update={"device": "a GPU"})
    on_gpu = record.model_copy(update={"machine": elsewhere})
    assert speed_picture._point([on_gpu])["machine"] == "a GPU, 28 px, from scratch"


def test_the_kept_points_are_whole() -> None:
    for point in json.loads(speed_picture.KEPT.read_text()):
        assert {"study", "model", "what", "machine", "s", "accuracy"} <= point.keys()
        assert point["low"] <= point["accuracy"] <= point["high"]
