"""Rows and tables, judged by Python's own statistics and csv modules."""

from __future__ import annotations

import csv
import io
import statistics
from dataclasses import asdict

import pytest

from lab.fakes import fake_plan, fake_result
from neurovisionlab.core.records import Failure
from neurovisionlab.lab.plan import Plan
from neurovisionlab.out.tables import (
    RESULT_COLUMNS,
    ResultRow,
    Table,
    result_rows,
    spread,
    summary_tables,
    to_csv,
    to_markdown,
)

# the columns that are promised to whoever reads results by machine
PROMISED = [
    "cell_id",
    "dataset",
    "model",
    "variant",
    "seed",
    "status",
    "accuracy_frac",
    "macro_f1_frac",
    "weighted_f1_frac",
    "macro_precision_frac",
    "macro_recall_frac",
    "num_parameters",
    "train_time_s",
]


def _failure(cell_id: str) -> Failure:
    return Failure(
        cell_id=cell_id,
        kind="Killed",
        message="died",
        traceback="",
        is_user_error=False,
        failed_at="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture
def plan() -> Plan:
    """Return a plan of two models and four seeds."""
    return fake_plan(seeds=(0, 1, 2, 3), models=("resnet18", "vit-tiny"))


def _mixed_rows(plan: Plan) -> list[ResultRow]:
    """Return rows of each kind: seed 0 done, 1 diverged, 2 failed, 3 pending."""
    cells = plan.cells()
    done = [fake_result(cell).record for cell in cells if cell.seed == 0]
    diverged = [fake_result(cell, diverged=True).record for cell in cells if cell.seed == 1]
    failures = [_failure(cell.cell_id) for cell in cells if cell.seed == 2]
    return result_rows(cells, [*diverged, *done], failures)


def test_a_row_for_every_planned_cell_with_the_promised_columns(plan: Plan) -> None:
    rows = _mixed_rows(plan)
    assert [row.cell_id for row in rows] == [cell.cell_id for cell in plan.cells()]
    assert set(PROMISED) <= set(RESULT_COLUMNS)
    for row in rows:
        assert tuple(asdict(row)) == RESULT_COLUMNS
    assert {(row.seed, row.status) for row in rows} == {
        (0, "done"),
        (1, "diverged"),
        (2, "failed"),
        (3, "pending"),
    }


def test_a_finished_row_says_what_the_record_says(plan: Plan) -> None:
    row = _mixed_rows(plan)[0]
    record = fake_result(plan.cells()[0]).record
    scores = record.test_scores
    assert scores is not None
    for name in ("accuracy_frac", "macro_f1_frac", "weighted_f1_frac", "nll", "brier", "ece_frac"):
        assert row.value(name) == getattr(scores, name), name
    assert row.num_parameters == 1234567
    assert row.train_time_s == record.resources.train_time_s
    assert (row.num_train, row.num_val, row.num_test) == (18, 12, 12)
    assert (row.dataset, row.model, row.tested_epoch) == ("digits", "resnet18", 1)


def test_what_is_unknown_is_none(plan: Plan) -> None:
    rows = {row.status: row for row in _mixed_rows(plan)}
    for status in ("diverged", "failed", "pending"):
        for name in ("accuracy_frac", "macro_f1_frac", "val_accuracy_frac", "nll"):
            assert rows[status].value(name) is None, (status, name)
    assert rows["diverged"].diverged_epoch == 1
    assert rows["diverged"].train_time_s is not None  # it did take time
    assert rows["failed"].train_time_s is None


def test_a_failure_that_was_mended_is_done(plan: Plan) -> None:
    cell = plan.cells()[0]
    rows = result_rows([cell], [fake_result(cell).record], [_failure(cell.cell_id)])
    assert rows[0].status == "done"


def test_csv_comes_back_as_it_was() -> None:
    plan = fake_plan(datasets=('npz:my, "odd" folder Ї',))
    rows = _mixed_rows(plan)
    back = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert len(back) == len(rows)
    for was, now in zip(rows, back, strict=True):
        assert tuple(now) == RESULT_COLUMNS
        for name, value in asdict(was).items():
            if value is None:
                assert now[name] == ""
            elif isinstance(value, float):
                assert float(now[name]) == value
            else:
                assert now[name] == str(value)


def test_summaries_are_means_and_sample_deviations() -> None:
    plan = fake_plan(seeds=(0, 1, 2), models=("resnet18", "vit-tiny"))
    skills = {"resnet18": 0.5, "vit-tiny": 9.0}
    records = [fake_result(cell, skill=skills[cell.model]).record for cell in plan.cells()]
    rows = result_rows(plan.cells(), records, [])
    (table,) = summary_tables(rows)
    assert table.title == "digits"
    by_model = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert list(by_model) == ["vit-tiny", "resnet18"]  # the best first
    for model, shown in by_model.items():
        own = [row for row in rows if row.model == model]
        for column, name in (
            ("accuracy %", "accuracy_frac"),
            ("macro F1 %", "macro_f1_frac"),
            ("precision %", "macro_precision_frac"),
            ("recall %", "macro_recall_frac"),
        ):
            values = [100 * row.value(name) for row in own]
            expected = f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"
            assert shown[column] == expected
        assert shown["train time s"] == "2.5 ± 1.0"
        assert shown["parameters"] == "1,234,567"
        assert shown["cells"] == "3"


def test_what_did_not_finish_is_counted_and_left_out(plan: Plan) -> None:
    (table,) = summary_tables(_mixed_rows(plan))
    shown = dict(zip(table.columns, table.rows[0], strict=True))
    assert shown["cells"] == "1/4"
    assert "±" not in shown["accuracy %"]  # one value has no spread
    for status in ("diverged", "failed", "pending"):
        assert f"2 of 8 cells {status}" in table.notes


def test_nothing_finished_is_a_table_all_the_same(plan: Plan) -> None:
    (table,) = summary_tables(result_rows(plan.cells(), [], []))
    assert len(table.rows) == 2
    assert table.rows[0][1:] == ("0/4", "–", "–", "–", "–", "–", "–")


def test_a_table_for_each_data_set_and_a_row_for_each_variant() -> None:
    plan = fake_plan(datasets=("digits", "mnist"), vary={"learning_rate": (0.001, 0.01)})
    cells = plan.cells()
    tables = summary_tables(result_rows(cells, [fake_result(c).record for c in cells], []))
    assert [table.title for table in tables] == ["digits", "mnist"]
    for table in tables:
        place = table.columns.index("variant")
        variants = {row[place] for row in table.rows}
        assert variants == {"learning_rate=0.001", "learning_rate=0.01"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.7], "60.0 ± 14.1"),
        ([0.5, None], "50.0"),
        ([None], "–"),
        ([], "–"),
        ([1, 1, 1], "100.0 ± 0.0"),
    ],
)
def test_spread(values: list[float | None], expected: str) -> None:
    assert spread(values, 100, 1) == expected


def test_markdown_keeps_its_columns() -> None:
    table = Table(title="t", columns=("model", "x|y"), rows=(("a|b", "1"), ("c", "2")))
    lines = to_markdown(table).splitlines()
    assert lines[1] == "|---|---:|"
    assert lines[2] == "| a\\|b | 1 |"
    unescaped = [line.replace("\\|", "").count("|") for line in lines]
    assert unescaped == [3, 3, 3, 3]


def test_columns_of_words_are_read_from_the_left() -> None:
    rows = (("1", "real", "embedded", "12", ""), ("2", "", "on disk (3 MiB)", "–", ""))
    table = Table(title="", columns=tuple("abcde"), rows=rows)
    assert table.are_text == (True, True, True, False, False)
    assert Table(title="", columns=("a", "b"), rows=()).are_text == (True, False)
