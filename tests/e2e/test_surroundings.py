"""The command line where much is odd: terminals, closed streams, settings, endless studies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.conftest import NVL, Nvl
from e2e.studies import run_with_fakes, write_study
from lab.fakes import fake_costs, fake_plan
from neurovisionlab import api
from neurovisionlab.core.errors import ModelError, ResourceError, StoreError
from neurovisionlab.lab.store import Store
from neurovisionlab.out.page import report


def _shell(line: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of a shell in which $NVL is the command."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=cwd,
        env=os.environ | {"NVL": str(NVL), "NVL_DEVICE": "cpu"} | settings,
        capture_output=True,
        timeout=280,
        check=False,
    )


@pytest.mark.parametrize(
    ("redirection", "encoding"),
    [
        pytest.param("", "ascii", marks=pytest.mark.slow),
        ("<&- >&- 2>&-", "utf-8"),
    ],
)
def test_a_run_ends_whoever_reads_it(tiny_npz: Path, redirection: str, encoding: str) -> None:
    study = write_study(tiny_npz, f"npz:{tiny_npz}")
    line = f"$NVL run {study} --no-measure --out out {redirection}"
    done = _shell(line, tiny_npz, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(Store(tiny_npz / "out").stored_ids()) == 1
    assert (tiny_npz / "out" / "report.html").is_file()
    if encoding == "ascii":
        assert rb"[1/1] \u2713" in done.stdout


@pytest.mark.parametrize("columns", ["", "0", "-1", "²", "1e9", "9" * 5000, "1", "40"])
def test_a_terminal_s_size_may_be_odd(
    nvl_here: Nvl, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", columns)
    answer = nvl_here("data", "list")
    assert answer.code == 0
    assert "kmnist" in answer.out
    assert os.environ.get("COLUMNS") == (columns if columns in ("1", "40") else None)


@pytest.fixture
def finished(tiny_npz: Path) -> Path:
    """Return a folder with a finished run in `out`, by a name beyond ASCII."""
    run_with_fakes(write_study(tiny_npz, f"npz:{tiny_npz}"), tiny_npz / "öut")
    return tiny_npz


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$NVL results öut --csv | head -c 1", 0),
        ("$NVL results öut >&-", 0),
        ("$NVL results öut --json > /dev/full", 1),
        ("$NVL run study.toml --out öut --no-measure > /dev/full", 0),
    ],
)
def test_nobody_reads_a_command_that_prints(finished: Path, line: str, code: int) -> None:
    done = _shell(line, finished)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert (b"could be printed: No space left" in done.stderr) == ("full" in line)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_and_csv_are_the_same_on_every_terminal(tiny_npz: Path, encoding: str) -> None:
    listed = _shell("$NVL data list --json", tiny_npz, PYTHONIOENCODING=encoding)
    assert "–" not in listed.stdout.decode("ascii")
    assert len(json.loads(listed.stdout)) > 3


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_csv_is_utf_8_on_every_terminal(
    nvl_here: Nvl, finished: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    (finished / "ж").mkdir()
    for part in ("train", "test"):
        (finished / "ж" / f"{part}.npz").write_bytes((finished / f"{part}.npz").read_bytes())
    run_with_fakes(write_study(finished, f"npz:{finished}/ж"), finished / "other")
    done = _shell("$NVL results other --csv", finished, PYTHONIOENCODING=encoding)
    assert "ж" in done.stdout.decode("utf-8")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NVL_THREADS", "99999999"),
        ("NVL_THREADS", "-1"),
        ("NVL_THREADS", "²"),
        ("NVL_THREADS", "1e3"),
        ("NVL_THREADS", ""),
        ("NVL_DEVICE", "toaster"),
        ("NVL_DEVICE", ""),
        ("NVL_COMPILE", "yes"),
        ("NVL_TRY_FORMATS", "2"),
    ],
)
def test_a_wrong_setting_is_one_error_before_anything_runs(
    nvl_here: Nvl, tiny_npz: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    out, study = tiny_npz / "out", write_study(tiny_npz, f"npz:{tiny_npz}")
    monkeypatch.setenv(name, value)
    answer = nvl_here("run", str(study), "--out", str(out))
    assert (answer.code, answer.err.count("error: ")) == (2, 1)
    assert f"error: {name}: expected" in answer.err
    assert not out.exists()
    with pytest.raises(ResourceError, match=name):
        list(api.measure_models(["glyphnet"], (28, 1, 26), 64, 0.1))
    monkeypatch.undo()
    run_with_fakes(study, out)
    monkeypatch.setenv(name, value)
    assert api.prepare(api.load_study(str(study)), None, out).pending == ()  # nothing asks


def test_a_large_study_is_counted_before_data_are_read(nvl_here: Nvl, tmp_path: Path) -> None:
    study = write_study(tmp_path, "npz:nowhere", f"seeds = {list(range(2000))}")
    answer = nvl_here("run", str(study))
    assert answer.out.split("\n")[0] == "2,000 cells: 2,000 seeds"
    assert answer.code == 2


@pytest.mark.parametrize("bad", ["x" * 300, "~no-such-user-here/x"])
def test_paths_that_cannot_be_are_one_error(nvl_here: Nvl, tiny_npz: Path, bad: str) -> None:
    study = str(write_study(tiny_npz, "digits", 'models = ["timm:\\u0007/../x"]'))
    lines = [["run", bad], ["run", study, "--data", bad], ["claims", bad]]
    if "~" not in bad:  # a folder may be called that
        lines += [["status", bad], ["run", "quick", "--out", bad], ["claims", "x", "--run", bad]]
        lines += [["run", "quick", "--weights", bad]]
    for line in lines:
        answer = nvl_here(*line)
        assert answer.code == 2, line
        assert "Traceback" not in answer.err
        assert answer.err.startswith("error: "), answer.err
        assert len(answer.err) < 600


def test_a_folder_whose_name_is_no_utf_8_holds_a_run(nvl_here: Nvl, tiny_npz: Path) -> None:
    out = Path(os.fsdecode(os.fsencode(tiny_npz) + b"/o\xffut"))
    study = write_study(tiny_npz, f"npz:{tiny_npz}")
    run_with_fakes(study, out)
    answer = nvl_here("run", str(study), "--out", str(out), "--no-measure")
    assert answer.code == 0
    assert "0 of 1 cells" in answer.out
    assert nvl_here("report", str(out)).code == 0


def test_a_full_disk_is_one_error_and_finished_cells_stay(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = write_study(tiny_npz, f"npz:{tiny_npz}")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez", full)
    with pytest.raises(StoreError, match="No space left on device; try to free space"):
        run_with_fakes(study, tiny_npz / "out")
    monkeypatch.undo()
    run = run_with_fakes(study, tiny_npz / "out")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        report.write_report(run.store)


def test_a_script_without_a_guard_trains(tiny_npz: Path) -> None:
    study = write_study(tiny_npz, f"npz:{tiny_npz}")
    script = (
        "from neurovisionlab import api\n"
        f"run = api.prepare(api.load_study({str(study)!r}), out_dir='out')\n"
        "events = [event for _, event in run.events()]\n"
        "print(len(run.records()), type(events[-1]).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-"],
        input=script,
        cwd=tiny_npz,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1 CellRecord\n", "")


def test_measuring_tells_what_was_measured_and_what_could_not_be(
    nvl_here: Nvl, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = fake_costs(fake_plan().cells()[0])

    def crashing(*_: object) -> Iterator[api.ModelCosts]:
        yield api.ModelCosts(costs)
        raise ModelError(
            "glyphnet: expected a model that can be measured, got Crashed; try another"
        )

    monkeypatch.setattr(api, "measure_models", crashing)
    answer = nvl_here("measure", "--model", "glyphnet", "--model", "resnet18", "--json")
    assert (answer.code, answer.err[:15]) == (2, "error: glyphnet")
    assert json.loads(answer.out)["model"] == costs.spec.model
