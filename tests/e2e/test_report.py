"""`nvl report` and `nvl compare`: languages, files, and one clear error for what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.conftest import Nvl
from lab.fakes import fake_plan, fake_result
from neurovisionlab.lab.store import Store


def _run(folder: Path) -> Path:
    plan = fake_plan(models=("resnet18", "vit-tiny"))
    store = Store(folder)
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            store.put(fake_result(cell))
    return folder


def test_a_report_in_ukrainian_with_its_exports(nvl_here: Nvl, tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    answer = nvl_here("report", str(run), "--lang", "uk")
    assert answer.code == 0, answer.err
    html = (run / "report.html").read_text(encoding="utf-8")
    assert '<html lang="uk"' in html
    assert "Про що говорять числа" in html
    assert "точність" in (run / "report.md").read_text(encoding="utf-8")
    assert "ukrainian" in (run / "tables.tex").read_text(encoding="utf-8")
    assert "kind,cell_id,dataset" in (run / "results.csv").read_text(encoding="utf-8")


def test_the_language_can_be_set_once_and_for_all(
    nvl_here: Nvl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [str(_run(tmp_path / name)) for name in ("one", "two")]
    monkeypatch.setenv("NVL_LANG", "uk")
    answer = nvl_here("compare", *runs, "--out", "page.html")
    assert answer.code == 0, answer.err
    assert "Запуски поруч" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("report", "RUN", "--lang", "klingon"), "language: expected en or uk, got 'klingon'"),
        (("compare", "RUN"), "expected two runs or more, got 1"),
        (("compare", "RUN", "RUN"), "expected different runs, got"),
        (("compare", "RUN", "two", "--out", "no/such/folder/page.html"), "a file that can be"),
        (("compare", "RUN", "nowhere"), "nowhere"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    nvl_here: Nvl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    run, _ = _run(tmp_path / "run"), _run(tmp_path / "two")
    answer = nvl_here(*(str(run) if word == "RUN" else word for word in words))
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert len(answer.err.strip().splitlines()) == 1
