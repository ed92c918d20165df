"""`nvl measure`: of models by name and of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.conftest import Nvl
from lab.fakes import fake_plan
from neurovisionlab import api
from neurovisionlab.core.costs import Costs
from neurovisionlab.data.home import DataHome
from neurovisionlab.lab.store import Store

FIELDS = (
    "num_parameters",
    "weights_mib",
    "macs",
    "train_images_per_s",
    "train_peak_mib",
    "infer_peak_mib",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "throughput_images_per_s",
    "energy_j_per_image",
    "conditions",
)


def test_a_model_by_name(nvl_here: Nvl) -> None:
    words = "--model glyphnet --image-px 28 --classes 26 --seconds 0.1 --json"
    answer = nvl_here("measure", *words.split())
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert set(FIELDS) <= set(told)
    assert told["model"] == "glyphnet"
    assert told["num_parameters"] == 314_634
    assert told["energy_j_per_image"] != 0
    assert told["conditions"]["machine"]["versions"]["torch"]


def test_a_run_is_measured_at_its_end_unless_told_otherwise(
    nvl_here: Nvl, tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_npz)
    study = tiny_npz / "study.toml"
    study.write_text(
        f'name = "small"\ndatasets = ["npz:{tiny_npz}"]\nmodels = ["glyphnet-small"]\n'
        "seeds = [0, 1]\n[protocol]\nepochs = 1\nimage_px = 16\n"
    )
    bare = nvl_here("run", str(study), "--no-measure")
    assert bare.code == 0, bare.err
    assert "costs" not in bare.out
    again = nvl_here("run", str(study))  # nothing to train, but to measure
    assert again.out.count("measured glyphnet-small-16px-") == 1
    assert "p50 ms" in again.out
    told = json.loads(nvl_here("measure", "runs/small", "--seconds", "0.1", "--json").out)
    assert [row["model"] for row in told] == ["glyphnet-small"]
    report = (tiny_npz / "runs" / "small" / "report.html").read_text(encoding="utf-8")
    assert "What does it cost?" in report


def _no_measurements(store: Store, seconds: float, trust: bool) -> Iterator[Costs]:
    return iter(())


def test_measuring_leaves_the_report_in_its_language(
    nvl_here: Nvl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "measure_run", _no_measurements)
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(fake_plan())
    page = store.root / "report.html"
    for words, code in (
        (("report", "RUN", "--lang", "uk"), "uk"),
        (("measure", "RUN"), "uk"),
        (("results", "RUN"), "uk"),
        (("measure", "RUN", "--lang", "en"), "en"),
        (("measure", "RUN"), "en"),
    ):
        page.unlink(missing_ok=words[0] != "results")
        answer = nvl_here(*(str(store.root) if word == "RUN" else word for word in words))
        assert answer.code == 0, answer.err
        assert f'<html lang="{code}"' in page.read_text(encoding="utf-8"), words


def test_measuring_a_run_takes_where_the_data_lie(
    nvl_here: Nvl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "measure_run", _no_measurements)
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(fake_plan())
    folder = tmp_path / "images"
    folder.mkdir()
    homes: list[DataHome] = []

    def noted(store: Store, home: DataHome, language: object) -> Path:
        homes.append(home)
        return store.root

    monkeypatch.setattr("neurovisionlab.out.page.report.write_report", noted)
    assert nvl_here("measure", str(store.root), "--data", str(folder)).code == 0
    assert [home.data_dir for home in homes] == [folder]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected a run or --model, got neither"),
        (["runs/none", "--model", "glyphnet"], "got both"),
        (["runs/none"], "expected a run (study.json), got none"),
        (["RUN", "--batch", "8"], "expected the run's own shapes and batch, got one of"),
        (["RUN", "--lang", "klingon"], "language: expected en or uk, got 'klingon'"),
        (["--model", "glyphnet", "--data", "x"], "--data: expected a run"),
        (["--model", "glyphnet", "--trust"], "--trust: expected a run"),
        (["--model", "glyfnet"], "expected a known name, got 'glyfnet'; try glyphnet"),
        (["--model", "vit-b16"], "image_px = 16 or image_px = 32"),
        (["--model", "glyphnet", "--channels", "2"], "expected 1 or 3, got 2"),
    ],
)
def test_mistakes_are_one_line(nvl_here: Nvl, tmp_path: Path, words: list[str], said: str) -> None:
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(fake_plan())
    answer = nvl_here("measure", *(str(store.root) if word == "RUN" else word for word in words))
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("models", [("evil:net",), ("glyphnet-small", "evil:net")])
def test_measuring_a_strangers_run_imports_no_code_of_theirs(
    nvl_here: Nvl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))  # whatever is put there is taken away again
    (tmp_path / "evil.py").write_text("import pathlib\npathlib.Path('mark').touch()\n")
    store = Store(tmp_path / "run")
    with store.writing():
        plan = fake_plan(models=models)
        store.keep_plan(plan.changed(model_digests={"evil:net": "0" * 64}))
    told = nvl_here("measure", "run", "--seconds", "0.1")
    assert "evil:net" in told.err
    assert "--trust" in told.err
    assert told.code == (2 if len(models) == 1 else 0), told.err
    assert ("glyphnet-small · 16×16×1" in told.out) == (len(models) > 1)
    refused = nvl_here("measure", "run", "--trust")
    assert refused.code == 2
    assert "which was not imported" in refused.err
    assert "Traceback" not in told.err + refused.err
    assert not (tmp_path / "mark").exists()
