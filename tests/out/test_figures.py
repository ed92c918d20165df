"""Charts: data first, then SVG that any XML parser reads."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from lab.fakes import HOSTILE_NAMES, fake_plan, fake_result
from neurovisionlab.core.records import CellRecord
from neurovisionlab.out.figures import (
    MAX_CONFUSION_CLASSES,
    accuracy_chart,
    confusion_chart,
    convergence_chart,
    to_svg,
)


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
    assert {"resnet18", "vit-tiny"} <= set(_texts(to_svg(chart)))


def test_diverged_cells_have_no_accuracy() -> None:
    cells = fake_plan().cells()
    assert accuracy_chart([fake_result(cell, diverged=True).record for cell in cells]) is None
    assert accuracy_chart([]) is None


def test_convergence_has_both_parts_of_every_epoch() -> None:
    chart = convergence_chart(_records())
    values = chart.to_dict()["data"]["values"]
    assert sorted(value["part"] for value in values) == ["training"] * 2 + ["validation"] * 2
    assert "epoch" in _texts(to_svg(chart))
    assert convergence_chart([]) is None


def test_confusion_shows_shares_of_the_true_class() -> None:
    counts_CC = np.array([[3, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]])
    chart = confusion_chart(counts_CC, HOSTILE_NAMES)
    shares = {(v["truth"], v["answer"]): v["share"] for v in chart.to_dict()["data"]["values"]}
    assert len(shares) == 16
    a, b, c, d = HOSTILE_NAMES
    assert (shares[a, a], shares[a, b], shares[b, b], shares[d, a]) == (0.75, 0.25, 1.0, 0.5)
    assert shares[c, c] == 0  # a class without images
    svg = to_svg(chart)
    assert "<script" not in svg
    assert set(HOSTILE_NAMES) <= set(_texts(svg))


@pytest.mark.parametrize("num_classes", [1, MAX_CONFUSION_CLASSES + 1])
def test_confusions_too_small_or_too_large_are_left_out(num_classes: int) -> None:
    names = [str(number) for number in range(num_classes)]
    assert confusion_chart(np.eye(num_classes, dtype=np.int64), names) is None


def test_a_label_names_the_variant() -> None:
    plain, varied = _records(seeds=(0,))[0], _records(vary={"epochs": (1, 2)}, seeds=(0,))[1]
    assert plain.cell.label == "resnet18"
    assert varied.cell.label == "resnet18 (epochs=2)"
