"""A study from the command line to its results, and what is read of them later."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import Nvl
from e2e.studies import run_with_fakes, write_study
from lab.fakes import fake_plan, fake_result
from neurovisionlab import Split, Study, Subset, api
from neurovisionlab.api import running
from neurovisionlab.lab.executors import Done, Failed, Work, WorkEvent
from neurovisionlab.lab.store import Store


def test_a_study_runs_and_can_be_read_in_every_form(
    nvl: Nvl, nvl_here: Nvl, tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = write_study(
        tiny_npz, f"npz:{tiny_npz}", 'models = ["mobilenetv2", "vit-tiny"]', 'color = "grey"'
    )
    run = nvl("run", str(study), "--no-measure")
    assert (run.code, run.err) == (0, ""), run
    assert "2 of 2 cells to run" in run.out
    assert run.out.count("✓") == 2
    folder = tiny_npz / "runs" / "small"
    assert str(Path("runs") / "small" / "report.html") in run.out
    assert (folder / "report.html").is_file()
    assert not (folder / "failures.jsonl").exists()
    assert list((folder / "unfinished").glob("*")) == []

    monkeypatch.chdir(tiny_npz)
    status = nvl_here("status", "runs/small", "--json")
    told = json.loads(status.out)
    assert (told["name"], told["cells"], told["done"], told["pending"]) == ("small", 2, 2, 0)
    as_json = json.loads(nvl_here("results", "runs/small", "--json").out)
    as_csv = list(csv.DictReader(io.StringIO(nvl_here("results", "runs/small", "--csv").out)))
    assert [row["model"] for row in as_json] == ["mobilenetv2", "vit-tiny"]
    for one, other in zip(as_json, as_csv, strict=True):
        assert one["status"] == "done"
        assert 0 <= one["accuracy_frac"] <= 1
        assert one["accuracy_frac"] == float(other["accuracy_frac"])
        assert one["num_test"] == 24

    again = nvl_here("run", str(study), "--no-measure")
    assert again.code == 0
    assert "0 of 2 cells to run" in again.out
    assert "✓" not in again.out

    # what the processes of a run wrote can be used without them
    record = Store(folder).get(as_json[0]["cell_id"])
    told_test = Store(folder).predictions(record.cell_id, "test")
    assert (told_test.logits_NC.argmax(1) == told_test.labels_N).mean() == pytest.approx(
        as_json[0]["accuracy_frac"]
    )


MODULES_AFTER_EACH = """
import sys
from neurovisionlab.cli.app import main
for line in sys.argv[1:]:
    sys.argv = ["nvl", *line.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (line, end.code)
    print("LOADED", *sys.modules)
"""


def test_what_trains_nothing_imports_no_torch(tiny_npz: Path) -> None:
    run_with_fakes(write_study(tiny_npz, f"npz:{tiny_npz}"), tiny_npz / "out")
    # what one has loaded stays for the next: the one that loads most comes last
    lines = ("status out", "results out", "run study.toml --out out --no-measure", "report out")
    done = subprocess.run(
        [sys.executable, "-c", MODULES_AFTER_EACH, *lines],
        cwd=tiny_npz,
        capture_output=True,
        text=True,
        check=True,
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("LOADED")]
    for line, modules in zip(lines, told, strict=True):
        loaded = set(modules.split())
        assert "neurovisionlab.lab.store" in loaded, line
        assert not {"torch", "torchvision", "timm"} & loaded, line


def _finished(tmp_path: Path) -> Path:
    plan = fake_plan(seeds=(0, 1), models=("resnet18", "vit-tiny"))
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells()[:3]:
            store.put(fake_result(cell))
    return store.root


def test_status_and_results_of_half_a_run(nvl_here: Nvl, tmp_path: Path) -> None:
    root = str(_finished(tmp_path))
    status = nvl_here("status", root)
    assert (status.code, status.err) == (0, "")
    assert status.out == "fake: 4 cells: 3 done, 0 diverged, 0 failed, 1 pending\n"
    assert json.loads(nvl_here("status", root, "--json").out)["pending"] == 1
    rows = json.loads(nvl_here("results", root, "--json").out)
    assert [row["status"] for row in rows] == ["done", "done", "done", "pending"]
    table = nvl_here("results", root)
    assert table.code == 0
    for words in ("digits", "resnet18", "vit-tiny", "1/2", "±", "report.html"):
        assert words in table.out


def test_report_is_written_anew(nvl_here: Nvl, tmp_path: Path) -> None:
    root = _finished(tmp_path)
    (root / "report.html").write_text("old")
    assert nvl_here("report", str(root)).code == 0
    assert "<!doctype html>" in (root / "report.html").read_text(encoding="utf-8")


def test_presets_are_listed_and_printed(nvl_here: Nvl) -> None:
    listed = nvl_here("presets")
    assert listed.code == 0
    names = [line.split()[0] for line in listed.out.splitlines()]
    assert {"quick", "letters-cpu"} <= set(names)
    assert 'name = "quick"' in nvl_here("presets", "quick").out
    unknown = nvl_here("presets", "quik")
    assert unknown.code == 2
    assert "try quick" in unknown.err


def test_the_package_is_the_command_too(nvl: Nvl, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "neurovisionlab", "presets", "quik"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    asked = nvl("presets", "quik")
    assert (done.returncode, done.stdout, done.stderr) == (asked.code, asked.out, asked.err)
    assert asked.code == 2


def test_a_failed_cell_is_exit_code_1_and_the_others_are_shown(
    nvl_here: Nvl, tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = write_study(tiny_npz, f"npz:{tiny_npz}", "seeds = [0, 1]")

    def half_fails(cells: Iterable[Any], work: Work) -> Iterator[tuple[Any, WorkEvent]]:
        for cell in cells:
            yield cell, Failed("Killed", "out of memory") if cell.seed else Done(fake_result(cell))

    monkeypatch.setattr(running, "local", lambda *_: half_fails)
    answer = nvl_here("run", str(study), "--no-measure", "--out", str(tiny_npz / "out"))
    assert answer.code == 1
    assert "Killed: out of memory" in answer.out
    assert "1 cells failed; see" in answer.out
    assert "1/2" in answer.out
    rows = json.loads(nvl_here("results", str(tiny_npz / "out"), "--json").out)
    assert [row["status"] for row in rows] == ["done", "failed"]


def test_a_share_that_a_set_has_no_use_for_is_said(tiny_npz: Path, tmp_path: Path) -> None:
    study = Study(
        name="idle",
        datasets=(f"npz:{tiny_npz}",),
        models=("mobilenetv2",),
        split=Split(test_frac=0.3),
    )
    messages = api.prepare(study, out_dir=tmp_path / "out").messages
    assert any("split.test_frac has no effect on npz:" in line for line in messages)


def in_one_part(folder: Path, num_groups: int) -> Path:
    """Take the test part away; return a table of groups."""
    (folder / "test.npz").unlink()
    rows = (f"{number},w{number % num_groups}\n" for number in range(72))
    path = folder / "writers.csv"
    path.write_text("image,group\n" + "".join(rows))
    return path


@pytest.mark.parametrize(("test_frac", "is_wrong"), [(0.4, True), (0.2, False)])
def test_cells_whose_groups_were_divided_wrongly_are_trained_anew_and_it_is_said(
    tiny_npz: Path, tmp_path: Path, test_frac: float, is_wrong: bool
) -> None:
    study = Study(
        name="grouped",
        datasets=(f"npz:{tiny_npz}",),
        models=("mobilenetv2",),
        split=Split(test_frac=test_frac, groups=str(in_one_part(tiny_npz, 12))),
    )
    plan = api.prepare(study, out_dir=tmp_path / "plan").plan
    infos = tuple((ref, info.model_copy(update={"num_groups": None})) for ref, info in plan.infos)
    former = plan.model_copy(update={"infos": infos})  # as the version before wrote it
    store = Store(tmp_path / "out")
    with store.writing():
        store.keep_plan(former)
        store.put(fake_result(former.cells()[0]))
    assert len(store.finished(store.plan().cells())) == 1, "it can be read as it is"
    again = api.prepare(study, out_dir=tmp_path / "out")
    assert len(again.pending) == int(is_wrong)
    told = [line for line in again.messages if "1 finished cells are trained anew" in line]
    assert len(told) == int(is_wrong)
    assert not any("its data are others" in line for line in again.messages)


def test_what_a_division_came_to_is_said_once(tiny_npz: Path, tmp_path: Path) -> None:
    study = Study(
        name="odd",
        datasets=(f"npz:{tiny_npz}",),
        models=("mobilenetv2", "resnet18"),
        seeds=(0, 1),
        subset=Subset(train_images=73, test_images=2),
        split=Split(folds=3, groups=str(in_one_part(tiny_npz, 12))),
    )
    messages = api.prepare(study, out_dir=tmp_path / "out").messages
    told = [line for line in messages if line.startswith("warning: ")]
    assert len(told) == len(set(told))
    assert sum("subset.train_images = 73 has no effect" in line for line in told) == 1
    assert sum("no test image of 1 of 3 classes" in line for line in told) == 1


@pytest.mark.parametrize(
    ("datasets", "split", "wanted"),
    [
        (("emnist-letters", "npz:mine"), {}, False),
        (("npz:mine", "digits"), {}, True),
        (("pen-kana",), {}, True),
        (("npz:mine",), {"folds": 5}, True),
        (("npz:mine",), {"groups": "writers.csv"}, True),
    ],
)
def test_workers_import_scikit_learn_only_where_it_is_wanted(
    datasets: tuple[str, ...], split: dict[str, object], wanted: bool
) -> None:
    study = Study.model_validate(
        {"name": "any", "datasets": datasets, "models": ("glyphnet",), "split": split}
    )
    assert ("sklearn.model_selection" in running._workers(study)) == wanted
