"""The report: one file, no network, whatever the classes are called."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from lab.fakes import HOSTILE_NAMES, fake_plan, fake_result
from neurovisionlab.core.records import Failure
from neurovisionlab.data.audit import audit
from neurovisionlab.data.images import ImageSet, Provenance
from neurovisionlab.lab.plan import Plan
from neurovisionlab.lab.store import Store
from neurovisionlab.out.data_sets import audit_lines
from neurovisionlab.out.page.report import write_report
from out.rendered import rendered

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; counts what is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that closes itself."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        """Check that tags close in order."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect what a person reads."""
        if self.open[-1:] != ["script"]:
            self.text += data


def _store(tmp_path: Path, plan: Plan, num_done: int | None = None) -> Store:
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells()[:num_done]:
            store.put(fake_result(cell))
    return store


def _check_self_contained(html: str) -> Page:
    page = Page(html)
    assert page.open == []
    assert not {"iframe", "object", "embed", "link", "base", "form"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert tag != "script" or (name, value) in {("type", "application/json"), ("id", "words")}
        assert not name.startswith("on"), (tag, name)
        if name in {"src", "href", "xlink:href", "srcset", "action", "poster", "data"}:
            assert value.startswith(("#", "data:image/")), (tag, name, value)
    own = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)  # ours, and Vega's
    for address in re.findall(r"url\(([^)]*)\)", own):
        assert address.strip("\"'").startswith(("#", "data:")), address
    assert "@import" not in own
    return page


def _num_charts(page: Page) -> int:
    return page.attributes.count(("figure", "class", "chart"))


def test_the_audit_of_the_data_is_in_the_report(tmp_path: Path) -> None:
    plan = fake_plan()
    store = _store(tmp_path, plan)
    assert "not audited yet" in rendered(store)
    _, info = plan.infos[0]
    images_NHWC = np.zeros((4, 8, 8, 1), np.uint8)
    images_NHWC[2:] = np.arange(64).reshape(8, 8, 1)
    found = audit(
        ImageSet(
            name=info.name,
            images_NHWC=images_NHWC,
            labels_N=np.array([0, 0, 0, 1]),
            class_names=("a", "b"),
            parts={"train": (0, 3), "test": (3, 4)},
            provenance=Provenance("made for this test", "none"),
        )
    )
    store.put_audit(found.model_copy(update={"digest": info.digest}))
    page = _check_self_contained(rendered(store))
    assert len(audit_lines(found)) >= 3
    for line in audit_lines(found):
        assert " ".join(line.split()) in " ".join(page.text.split())


def test_a_report_has_tables_charts_and_what_is_needed_to_repeat_it(tmp_path: Path) -> None:
    plan = fake_plan(seeds=(0, 1, 2), models=("resnet18", "vit-tiny"))
    store = _store(tmp_path, plan)
    path = write_report(store)
    assert path == store.root / "report.html"
    page = _check_self_contained(path.read_text(encoding="utf-8"))
    # overview; accuracy, convergence, recalls, two confusions (these fakes do not differ)
    assert _num_charts(page) == 6
    for cell in plan.cells():
        assert cell.cell_id in page.text
    for words in ("resnet18", "vit-tiny", "±", "learning_rate", "an-os", "6 of 6 cells finished"):
        assert words in page.text


def test_hostile_class_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    plan = fake_plan(class_names=HOSTILE_NAMES, description="<img src=x onerror=alert(1)> & co")
    html = rendered(_store(tmp_path, plan))
    page = _check_self_contained(html)
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "<img src=x onerror=alert(1)> & co" in page.text
    for name in HOSTILE_NAMES:
        assert page.text.count(name) >= 2, name  # in the list of classes and in the chart


def test_failures_are_shown_and_escaped(tmp_path: Path) -> None:
    plan = fake_plan()
    store = _store(tmp_path, plan, num_done=1)
    store.put_failure(
        Failure(
            cell_id=plan.cells()[1].cell_id,
            kind="RuntimeError",
            message="<b>bold</b> & broken",
            traceback="",
            is_user_error=False,
            failed_at="2026-01-01T00:00:00+00:00",
        )
    )
    page = _check_self_contained(rendered(store))
    assert "b" not in page.tags
    assert "<b>bold</b> & broken" in page.text
    assert "1 of 2 cells finished" in page.text


@pytest.mark.parametrize(
    ("study", "num_done", "num_charts"),
    [
        ({"seeds": (0, 1)}, 0, 0),
        ({"seeds": (0,)}, 1, 5),
        ({"seeds": (0,), "vary": {"learning_rate": (0.001, 0.01)}}, 2, 6),
        ({"seeds": (0,), "datasets": ("digits", "mnist")}, 2, 9),
        ({"seeds": (0,), "datasets": ("digits", "mnist")}, 1, 5),
    ],
)
def test_reports_of_little(
    tmp_path: Path, study: dict[str, object], num_done: int, num_charts: int
) -> None:
    page = _check_self_contained(rendered(_store(tmp_path, fake_plan(**study), num_done)))
    assert _num_charts(page) == num_charts


def test_a_report_of_diverged_cells_alone(tmp_path: Path) -> None:
    store = _store(tmp_path, fake_plan(), num_done=0)
    for cell in fake_plan().cells():
        store.put(fake_result(cell, diverged=True))
    page = _check_self_contained(rendered(store))
    assert "2 of 2 cells diverged" in page.text


def test_many_classes_have_no_confusion_chart(tmp_path: Path) -> None:
    names = tuple(f"class {number}" for number in range(65))
    page = _check_self_contained(rendered(_store(tmp_path, fake_plan(class_names=names))))
    assert _num_charts(page) == 4  # the 12 classes that were tested have a recall


def test_published_claims_about_these_models_and_data_are_held_against_the_run(
    tmp_path: Path,
) -> None:
    plan = fake_plan(
        datasets=("emnist-letters",), models=("resnet18", "mobilenetv2"), seeds=(0, 1, 2)
    )
    page = _check_self_contained(rendered(_store(tmp_path, plan)))
    assert "Published claims, held against this run" in page.text
    assert "not comparable" in page.text
    other = fake_plan(datasets=("digits",), models=("glyphnet",))
    assert "Published claims" not in rendered(_store(tmp_path / "other", other))
