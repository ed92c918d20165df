"""Runs side by side: what differs, and warnings where numbers cannot be held together."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.fakes import fake_plan, fake_result
from neurovisionlab import api
from neurovisionlab.core.errors import SpecError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.lab.plan import Plan
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.page.compare import ComparedRun, compare_runs, settings_table
from out.test_report import Page


def _store(folder: Path, plan: Plan, num_done: int | None = None) -> Store:
    store = Store(folder)
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells()[:num_done]:
            store.put(fake_result(cell))
    return store


def test_two_runs_are_set_side_by_side(tmp_path: Path) -> None:
    one = _store(tmp_path / "one", fake_plan(protocol=Protocol(learning_rate=0.001)))
    two = _store(tmp_path / "two", fake_plan(protocol=Protocol(learning_rate=0.01)))
    page = Page(compare_runs([read(one), read(two)]))
    for words in ("one · two", "protocol.learning_rate", "0.001", "0.01", "resnet18"):
        assert words in page.text
    assert "protocol.batch_size" not in page.text  # the same in both
    assert page.attributes.count(("figure", "class", "chart")) == 1
    assert "different images" not in page.text


def test_other_images_under_one_name_are_warned_of(tmp_path: Path) -> None:
    plan = fake_plan()
    infos = tuple((ref, info.model_copy(update={"digest": "f" * 64})) for ref, info in plan.infos)
    other = plan.model_copy(update={"infos": infos})
    stores = [_store(tmp_path / "one", plan), _store(tmp_path / "two", other)]
    assert (
        "the runs used different images" in Page(compare_runs([read(one) for one in stores])).text
    )


def test_runs_of_one_name_are_numbered(tmp_path: Path) -> None:
    stores = [_store(tmp_path / name / "run", fake_plan()) for name in ("a", "b")]
    text = Page(compare_runs([read(one) for one in stores])).text
    assert "run (1) · run (2)" in text
    assert "Nothing." in text  # that differs


def test_a_run_without_results_is_there_and_says_why(tmp_path: Path) -> None:
    stores = [_store(tmp_path / "one", fake_plan()), _store(tmp_path / "two", fake_plan(), 0)]
    text = Page(compare_runs([read(one) for one in stores])).text
    assert "two: no intervals" in text
    assert "expected finished cells, got none" in text


def test_one_run_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="two runs or more, got 1"):
        compare_runs([read(_store(tmp_path / "one", fake_plan()))])


def test_settings_that_only_one_run_has_are_shown() -> None:
    plain, varied = fake_plan(), fake_plan(vary={"epochs": (1, 2)})
    sides = [
        ComparedRun(name, plan, (), None, (), "", "", ())
        for name, plan in (("a", plain), ("b", varied))
    ]
    rows = {row[0]: row[1:] for row in settings_table(sides).rows}
    assert rows == {"vary.epochs": ("–", "1, 2")}


def test_a_run_is_not_compared_with_itself(tmp_path: Path) -> None:
    store = _store(tmp_path / "one", fake_plan())
    (tmp_path / "link").symlink_to(tmp_path / "one")
    for again in (store.root, tmp_path / "link", tmp_path / "one" / ".." / "one"):
        with pytest.raises(SpecError, match=r"expected different runs, got .* twice"):
            api.compare([store.root, again], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
