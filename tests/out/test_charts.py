"""Charts: data first, then SVG that any XML parser reads."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from judge.test_verdicts import on_datasets
from lab.fakes import HOSTILE_NAMES, fake_plan, fake_result
from neurovisionlab.core.records import CellRecord
from neurovisionlab.judge.calibration import reliability
from neurovisionlab.judge.dynamics import dynamics_over_seeds
from neurovisionlab.judge.ranks import overall
from neurovisionlab.out.charts import drawing
from neurovisionlab.out.charts.confidence import reliability_chart
from neurovisionlab.out.charts.confusions import confusion_chart, difference_chart
from neurovisionlab.out.charts.drawing import as_svg, specification, spelt, to_files
from neurovisionlab.out.charts.learning import convergence_chart
from neurovisionlab.out.charts.quality import (
    MAX_CLASSES,
    accuracy_chart,
    interval_chart,
    rank_chart,
)


def svg_of(chart: Any) -> str:
    """Return a chart as the page draws it."""
    return as_svg(specification(chart))


def _records(**study: object) -> list[CellRecord]:
    return [fake_result(cell).record for cell in fake_plan(**study).cells()]


def _texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_accuracy_has_a_dot_for_each_cell() -> None:
    records = _records(models=("resnet18", "vit-tiny"), seeds=(0, 1, 2))
    chart = accuracy_chart(records)
    values = chart.to_dict()["data"]["values"]
    assert len(values) == 6
    shown = sorted(value["accuracy"] for value in values)
    known = [100 * r.test_scores.accuracy_frac for r in records if r.test_scores]
    assert shown == pytest.approx(sorted(known))
    assert {"resnet18", "vit-tiny"} <= set(_texts(svg_of(chart)))


def test_diverged_cells_have_no_accuracy() -> None:
    cells = fake_plan().cells()
    assert accuracy_chart([fake_result(cell, diverged=True).record for cell in cells]) is None
    assert accuracy_chart([]) is None


def test_convergence_is_the_mean_over_seeds_with_a_band() -> None:
    records = _records(seeds=(0, 1, 2))
    values = convergence_chart(records).to_dict()["data"]["values"]
    epochs = {row.epoch for record in records for row in record.epochs}
    assert len(values) == 2 * len(epochs)
    first = next(v for v in values if v["epoch"] == 1 and v["part"] == "validation")
    known = [100 * record.epochs[0].val_accuracy_frac for record in records]
    assert first["mean"] == pytest.approx(np.mean(known), abs=1e-3)
    assert (first["low"], first["high"]) == pytest.approx((min(known), max(known)), abs=1e-3)
    assert "epoch" in _texts(svg_of(convergence_chart(records)))
    assert convergence_chart([]) is None


def test_a_diamond_marks_where_the_gap_stays_open() -> None:
    records = _records(seeds=(0, 1))
    found = dynamics_over_seeds("resnet18", [record.epochs for record in records])
    opens = found.model_copy(update={"gap_opens_epoch": found.epochs_to_90})
    plain, marked = (str(convergence_chart(records, [d]).to_dict()) for d in (found, opens))
    assert found.gap_opens_epoch is None
    assert "diamond" in marked
    assert "diamond" not in plain


def test_confusion_shows_shares_of_the_true_class() -> None:
    counts_CC = np.array([[3, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]])
    chart = confusion_chart(counts_CC, HOSTILE_NAMES)
    shares = {(v["truth"], v["answer"]): v["share"] for v in chart.to_dict()["data"]["values"]}
    a, b, c, d = HOSTILE_NAMES
    assert shares == {(a, a): 0.75, (a, b): 0.25, (b, b): 1.0, (d, a): 0.5, (d, d): 0.5}
    svg = svg_of(chart)
    assert "<script" not in svg
    assert set(HOSTILE_NAMES) <= set(_texts(svg))  # the class without images has its row, too
    assert c in _texts(svg)


def test_a_difference_of_confusions_keeps_its_sign() -> None:
    more_CC = np.array([[2.0, -1.5], [0.0, 0.0]])
    chart = difference_chart(more_CC, ["a", "b"], "a minus b")
    values = {(v["truth"], v["answer"]): v["images"] for v in chart.to_dict()["data"]["values"]}
    assert values == {("a", "a"): 2.0, ("a", "b"): -1.5}
    assert difference_chart(np.zeros((2, 2)), ["a", "b"], "") is None


def test_a_reliability_curve_for_each_network() -> None:
    rng = np.random.default_rng(0)
    labels_N = rng.integers(0, 3, 300)
    curves = [reliability(rng.normal(size=(300, 3)), labels_N) for _ in range(2)]
    chart = reliability_chart({"net": curves, "other": curves[:1]})
    networks = _networks(chart.to_dict())
    assert networks == {"net 0", "net 1", "other 0"}
    assert reliability_chart({"net": []}) is None


def _networks(spec: object) -> set[str]:
    """Return every "network" that stands anywhere in a specification's values."""
    if isinstance(spec, dict):
        own = {spec["network"]} if isinstance(spec.get("network"), str) else set()
        return own.union(*(_networks(value) for value in spec.values()))
    if isinstance(spec, list):
        return set().union(*(_networks(value) for value in spec))
    return set()


def test_a_panel_of_intervals_for_each_data_set() -> None:
    rows = [
        {"dataset": name, "model": "net", "value": 90.0, "low": 88.0, "high": 92.0}
        for name in ("one", "two")
    ]
    texts = _texts(svg_of(interval_chart(rows)))
    assert {"one", "two", "net"} <= set(texts)
    assert sum("95 % interval" in text for text in texts) == 1
    assert interval_chart([]) is None


def test_characters_that_no_picture_can_hold_are_replaced() -> None:
    names = ["bell\x07", "nul\x00", "ok"]
    texts = _texts(svg_of(confusion_chart(np.eye(3), names)))
    assert {"bell\ufffd", "nul\ufffd", "ok"} <= set(texts)


def test_words_without_a_font_are_spelt_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_lacking", lambda characters: "きぎ")
    chart = confusion_chart(np.eye(4), ["き", "ぎ", "Щ", "ki"])
    rows = spelt(chart.to_dict())["data"]["values"]
    assert [row["truth"] for row in rows] == ["ki 1", "gi", "Щ", "ki"]


def test_the_fonts_here_are_looked_at() -> None:
    assert drawing._lacking("ab\ue123") == "\ue123"  # for private use: no font of ours has it


def test_files_are_what_they_are_called() -> None:
    files = dict(to_files(confusion_chart(np.eye(2), ["a", "b"])))
    assert files["png"].startswith(b"\x89PNG")
    assert files["pdf"].startswith(b"%PDF")
    assert "a" in _texts(files["svg"].decode())


@pytest.mark.parametrize("num_classes", [1, MAX_CLASSES + 1])
def test_confusions_too_small_or_too_large_are_left_out(num_classes: int) -> None:
    names = [str(number) for number in range(num_classes)]
    assert confusion_chart(np.eye(num_classes, dtype=np.int64), names) is None


def test_a_label_names_the_variant() -> None:
    plain, varied = _records(seeds=(0,))[0], _records(vary={"epochs": (1, 2)}, seeds=(0,))[1]
    assert plain.cell.label == "resnet18"
    assert varied.cell.label == "resnet18 (epochs=2)"


def test_a_critical_difference_diagram_has_a_bar_for_each_model() -> None:
    shares = [{"a": 0.9, "b": 0.8, "c": 0.85}] * 6
    found = overall(on_datasets(*shares), "accuracy")
    assert found.critical is not None
    spec = rank_chart(found, ["a", "b", "c"]).to_dict()
    (rows,) = [spec["data"]["values"]]
    assert [row["model"] for row in rows] == ["a", "c", "b"]
    for row in rows:
        assert row["high"] - row["low"] == pytest.approx(
            found.critical.critical_difference, abs=2e-3
        )
    few = overall(on_datasets(*shares[:2]), "accuracy")
    assert rank_chart(few, ["a", "b", "c"]) is None
