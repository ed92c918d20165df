"""Results of a run: whatever is made of them, each file is read once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lab.fakes import fake_costs, fake_plan, fake_result
from neurovisionlab.data import files
from neurovisionlab.lab.claim_evidence import evidence_of
from neurovisionlab.lab.judgements import Conclusions, advise_run, judge_run
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.cost_tables import cost_tables
from neurovisionlab.out.exports import write_exports
from neurovisionlab.out.page.report import write_report
from neurovisionlab.out.speech import ENGLISH


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder of a run of two models and two seeds, with costs."""
    plan = fake_plan(models=("resnet18", "vit-tiny"))
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            store.put(fake_result(cell))
            store.put_costs(fake_costs(cell))
    return store.root


def test_a_report_and_all_else_read_each_file_at_most_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: Counter[str] = Counter()
    opened = files.opened

    def counting(path: Path):  # type: ignore[no-untyped-def]
        if path.is_relative_to(root):
            counts[path.relative_to(root).as_posix()] += 1
        return opened(path)

    monkeypatch.setattr(files, "opened", counting)
    store = Store(root)
    results = read(store)
    conclusions = Conclusions(results)
    write_report(store, language=ENGLISH, conclusions=conclusions)
    write_exports(store, conclusions)
    judge_run(results)
    advise_run(results, None, "accuracy")
    evidence_of(results)
    cost_tables(results)
    of_cells = {name: count for name, count in counts.items() if name.startswith("cells/")}
    assert len(of_cells) == 2 * len(results.cells)  # record and predictions of each
    assert {name: count for name, count in counts.items() if count > 1} == {}


def test_what_is_read_is_under_the_plans_names(tmp_path: Path) -> None:
    before, after = fake_plan(), fake_plan(vary={"learning_rate": (0.001,)})
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(before)
        for cell in before.cells():
            store.put(fake_result(cell))
        store.keep_plan(after)
    results = read(Store(store.root))
    assert [record.cell for record in results.records] == list(results.cells)
    assert results.finished_ids == {cell.cell_id for cell in after.cells()}
