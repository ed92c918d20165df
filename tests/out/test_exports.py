"""What people paste: readers of other libraries open it, and it says what the run holds."""

from __future__ import annotations

import csv
import io
import re
import subprocess
from pathlib import Path

import pyarrow.parquet
import pytest

from hostile import HOSTILE, TEX
from lab.fakes import HOSTILE_NAMES, fake_plan, fake_result
from neurovisionlab.lab.cost_rows import CostRow
from neurovisionlab.lab.judgements import Conclusions, judge_run
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.exports import TIDY_COLUMNS, escaped, latex, tidy_rows, write_exports
from neurovisionlab.out.language import voice_of
from neurovisionlab.out.speech import speaking


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a run of two models, three seeds, one cell of which diverged."""
    plan = fake_plan(class_names=HOSTILE_NAMES, models=("resnet18", "vit-tiny"), seeds=(0, 1, 2))
    made = Store(tmp_path / "run")
    with made.writing():
        made.keep_plan(plan)
        for number, cell in enumerate(plan.cells()):
            made.put(fake_result(cell, diverged=number == 0))
    return made


def test_every_export_is_written_and_opens(store: Store) -> None:
    paths = write_exports(store, Conclusions(read(store)))
    assert {path.name for path in paths if path.parent == store.root} == {
        "results.csv",
        "results.parquet",
        "tables.tex",
        "report.md",
    }
    starts = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF"}
    figures = [path for path in paths if path.parent.name == "figures"]
    assert len(figures) >= 6
    for path in figures:
        assert path.read_bytes().startswith(starts[path.suffix])


def test_csv_and_parquet_hold_the_same_tidy_rows(store: Store) -> None:
    write_exports(store, Conclusions(read(store)))
    with (store.root / "results.csv").open(encoding="utf-8", newline="") as file:
        from_csv = list(csv.DictReader(file))
    from_parquet = pyarrow.parquet.read_table(store.root / "results.parquet").to_pylist()
    assert tuple(from_csv[0]) == tuple(from_parquet[0]) == TIDY_COLUMNS
    as_text = [
        {key: "" if value is None else str(value) for key, value in row.items()}
        for row in from_parquet
    ]
    assert as_text == from_csv


def test_tidy_rows_are_the_records_and_the_verdicts(store: Store) -> None:
    records = store.finished(store.plan().cells())
    judged = judge_run(read(store))
    rows = tidy_rows(records, judged)
    cells = [row for row in rows if row.kind == "cell"]
    assert {row.cell_id for row in cells} == {r.cell_id for r in records if r.test_scores}
    for record in records[1:]:
        (row,) = [r for r in cells if (r.cell_id, r.metric) == (record.cell_id, "accuracy_frac")]
        assert record.test_scores is not None
        assert row.value == record.test_scores.accuracy_frac
        assert row.low is None
    estimates = [row for row in rows if row.kind == "estimate"]
    assert len(estimates) == len(judged.datasets[0].verdicts.estimates)
    assert all(row.low <= row.value <= row.high for row in estimates)


@pytest.mark.parametrize("name", ["a&b_%$", "<script>", "C:\\x{y}~^#", "Щітка"])
def test_names_cannot_break_latex(name: str) -> None:
    shown = escaped(name)
    assert not re.search(r"(?<!\\)[&%$#_]", shown)
    assert not set("<>^~") & set(shown.replace(r"\^", "").replace(r"\~", ""))


def test_latex_tables_are_whole(store: Store) -> None:
    text = latex(store.finished(store.plan().cells()), [])
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == 2
    assert all(line.count(" & ") == 5 and line.endswith(r"\\") for line in body)
    assert r"$\pm$" in body[0]


def test_a_run_without_results_exports_empty_tables(tmp_path: Path) -> None:
    plan = fake_plan()
    bare = Store(tmp_path / "bare")
    with bare.writing():
        bare.keep_plan(plan)
    write_exports(bare, Conclusions(read(bare)))
    text = (bare.root / "results.csv").read_text()
    assert list(csv.reader(io.StringIO(text))) == [list(TIDY_COLUMNS)]


DOCUMENT = r"""\documentclass{article}
%s
\begin{document}
%s
\end{document}
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_holds_a_command_of_tex(name: str) -> None:
    shown = escaped(name)
    allowed = r"\\text(backslash|asciitilde|asciicircum|less|greater)\{\}|\$(\\pm|-)\$|\\[&%$#_{}]"
    rest = re.sub(allowed, "", shown)
    assert not set(rest) & set("\\%$#_{}^&"), shown
    assert "\n" not in shown
    assert all(letter.isprintable() for letter in shown)


def _measured(name: str) -> CostRow:
    """Return the costs of a model and data set of one name."""
    costs = ("train_s", "train_peak_mib", "infer_peak_mib", "weights_mib")
    return CostRow(
        dataset=name,
        variant="",
        model=name,
        label=name,
        num_cells=1,
        num_diverged=0,
        is_for_ranking=True,
        **dict.fromkeys(costs, 1234.5),  # type: ignore[arg-type]
    )


@pytest.mark.slow
@pytest.mark.parametrize("code", ["en", "uk"])
def test_latex_sets_every_hostile_name_and_runs_none(tmp_path: Path, code: str) -> None:
    records = [fake_result(cell).record for cell in fake_plan().cells()]
    costs = [_measured(name) for name in (*TEX, *HOSTILE)]
    with speaking(voice_of(code)):
        text = latex(records, costs)
    packages = "\n".join(re.findall(r"^% (\\usepackage.*)$", text, re.MULTILINE))
    (tmp_path / "page.tex").write_text(DOCUMENT % (packages, text), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-shell-escape", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert {path.name for path in tmp_path.iterdir()} == {
        "page.tex",
        "page.pdf",
        "page.aux",
        "page.log",
    }
    read = (tmp_path / "page.log").read_text(errors="replace")
    assert "passwd" not in read
    assert "runsystem" not in read


@pytest.mark.slow
@pytest.mark.parametrize("code", ["en", "uk"])
@pytest.mark.parametrize("name", ["plain", "a&b_%$", "き~^{}\\", "Щітка <script>"])
def test_latex_sets_the_tables(tmp_path: Path, code: str, name: str) -> None:
    records = [fake_result(cell).record for cell in fake_plan().cells()]
    with speaking(voice_of(code)):
        text = latex(records, [_measured(name)])
    packages = "\n".join(re.findall(r"^% (\\usepackage.*)$", text, re.MULTILINE))
    (tmp_path / "page.tex").write_text(DOCUMENT % (packages, text), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert b"Output written on page.pdf" in done.stdout
