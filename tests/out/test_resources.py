"""Costs beside accuracy: what is ranked, what is marked, what is unknown."""

from __future__ import annotations

from pathlib import Path

from lab.fakes import fake_costs, fake_plan, fake_result
from neurovisionlab.lab.cost_rows import cost_rows
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.charts.accuracy_costs import cost_charts
from neurovisionlab.out.cost_tables import cost_table, cost_tables
from out.rendered import rendered
from out.test_charts import svg_of

MODELS = ("resnet18", "mobilenetv2", "glyphnet")


def _store(tmp_path: Path) -> Store:
    """Return a run of three models: one fast, one measured beside others, one unmeasured."""
    plan = fake_plan(models=MODELS, seeds=(0, 1))
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            skill = 4.0 if cell.model == "resnet18" else 1.0
            store.put(fake_result(cell, skill))
        for cell in plan.cells()[:2]:
            contention = 0.4 if cell.model == "mobilenetv2" else 0.0
            store.put_costs(fake_costs(cell, contention))
    return store


def test_rows_hold_accuracy_costs_and_the_seconds_of_a_training(tmp_path: Path) -> None:
    store = _store(tmp_path)
    rows = cost_rows(read(store))
    assert [row.model for row in rows] == list(MODELS)
    fast, beside, unmeasured = rows
    assert fast.accuracy_frac > 0.8
    assert fast.macs_m == 2.0
    assert fast.train_s == 18 / 9.0  # 18 images, one epoch
    assert (fast.is_for_ranking, beside.is_for_ranking) == (True, False)
    assert unmeasured.weights_mib == 4.5  # known from its training
    assert unmeasured.train_peak_mib is None
    assert unmeasured.train_s is None
    assert fast.seconds_to_target is None  # the made-up epoch stayed at 50 %


def test_what_was_measured_beside_others_is_marked_and_never_ranked(tmp_path: Path) -> None:
    (table,) = cost_tables(read(_store(tmp_path)))
    latency = table.columns.index("p50 ms")
    weights = table.columns.index("size MiB")
    assert [row[latency] for row in table.rows] == ["2.00", "2.00*", "–"]
    assert [row[weights] for row in table.rows] == ["4.0", "4.0", "4.5"]  # no time: no mark
    assert [row[-1] for row in table.rows] == ["not reached", "not reached", "–"]
    assert any(
        note.startswith("* mobilenetv2: measured beside other processes") for note in table.notes
    )
    assert "energy: not measurable: nobody counts" in table.notes
    assert any(note.startswith("one process for each part") for note in table.notes)
    rows = cost_rows(read(_store(tmp_path / "again")))
    charts = [svg_of(chart) for chart in cost_charts(rows).values()]
    # size, training time, training memory, latency: only times suffer from company
    assert ["noisy: not ranked" in svg for svg in charts] == [False, True, False, True]


def test_seconds_to_an_accuracy_that_one_names(tmp_path: Path) -> None:
    (table,) = cost_tables(read(_store(tmp_path)), target_frac=0.5)
    assert table.columns[-1] == "s to 50 %"
    assert [row[-1] for row in table.rows] == ["2.0", "2.0*", "–"]  # 18 images at 9 a second


def test_a_model_that_does_not_fit_is_in_the_table(tmp_path: Path) -> None:
    store = _store(tmp_path)
    cell = store.plan().cells()[0]
    nothing = dict.fromkeys(("train_peak_mib", "train_images_per_s"))
    store.put_costs(fake_costs(cell, does_not_fit="needs more than 8,192 MiB", **nothing))
    (table,) = cost_tables(read(store))
    peak = table.columns.index("train MiB")
    assert table.rows[0][peak] == "does not fit"
    assert "resnet18 does not fit: needs more than 8,192 MiB" in table.notes


def test_nothing_measured_is_no_table_and_a_report_all_the_same(tmp_path: Path) -> None:
    plan = fake_plan()
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
    rows = cost_rows(read(store))
    assert cost_table(rows) is None
    assert cost_charts(rows) == {}
    assert "What does it cost?" not in rendered(store)
    assert "What does it cost?" in rendered(_store(tmp_path / "other"))
