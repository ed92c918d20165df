"""What notebooks show: every name escaped, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.fakes import HOSTILE_NAMES, fake_plan, fake_result
from neurovisionlab import api
from neurovisionlab.lab.store import Store
from neurovisionlab.out.notebook import paragraphs_html, tables_html
from neurovisionlab.out.tables import Table

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def run(tmp_path: Path) -> api.OpenRun:
    """Return a finished run whose data set is called like a script."""
    plan = fake_plan(HOSTILE_NAMES, datasets=(HOSTILE,), models=("resnet18", "vit-tiny"))
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            store.put(fake_result(cell))
    return api.open(store.root)


def test_tables_and_sentences_are_escaped() -> None:
    table = Table(title="<i>", columns=("a&b", "c"), rows=(("<b>", '"'),), notes=("\u202e<u>",))
    text = tables_html([table])
    assert "<caption" in text and "&lt;i&gt;" in text and "a&amp;b" in text
    assert "&lt;b&gt;" in text and "\\u202e&lt;u&gt;" in text
    assert "<i>" not in text and "<u>" not in text
    assert "<li>&lt;b&gt;</li>" in paragraphs_html([("<i>", ("<b>", " why"))])


def test_all_that_tells_of_a_run_shows_itself(run: api.OpenRun) -> None:
    shown = (run, api.results(run), api.verdicts(run), api.advise(run))
    for one in shown:
        text = one._repr_html_()
        assert "resnet18" in text
        assert "<script" not in text and "&lt;script&gt;" in text


def test_claims_show_themselves() -> None:
    claims = api.claims("tretiakov-2025")
    assert all(f"<b>{row.id} " in claims._repr_html_() for row in claims.rows)
