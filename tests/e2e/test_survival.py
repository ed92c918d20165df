"""Real runs that are killed, stopped, doubled, cut off from the network or from power."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import disks
import nets
from conftest import write_tiny_npz
from e2e.conftest import NVL
from e2e.studies import run_here, write_study
from neurovisionlab.core.spec import hash_of
from neurovisionlab.lab.store import Store

pytestmark = pytest.mark.slow
ENVIRONMENT = os.environ | {"NVL_DEVICE": "cpu", "NVL_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def _study(folder: Path) -> Path:
    """Write a study of two cells of some seconds each."""
    return write_study(folder, f"npz:{folder}", "seeds = [0, 1]", "epochs = 12")


def _start(folder: Path, *before: str, measures: bool = False) -> subprocess.Popen[str]:
    rest = () if measures else ("--no-measure",)
    return subprocess.Popen(
        [*before, str(NVL), "run", "study.toml", *rest],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=ENVIRONMENT,
    )


def _whole(folder: Path, *before: str) -> str:
    """Run to the end; return what was printed."""
    with _start(folder, *before) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def _logits(folder: Path) -> dict[str, Any]:
    store = Store(folder / "runs" / "small")
    cells = store.plan().cells()
    return {
        hash_of(cell.cell_id): store.predictions(cell.cell_id, "test").logits_NC for cell in cells
    }


def _family(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def _are_gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=30)
    return not [one for one in alive if one.is_running() and one.status() != "zombie"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the logits of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    write_tiny_npz(folder)
    _study(folder)
    _whole(folder)
    return _logits(folder)


def _same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, logits_NC in expected.items():
        np.testing.assert_array_equal(found[name], logits_NC)


def test_kills_at_random_lose_nothing_and_give_the_same_logits(
    tiny_npz: Path, uninterrupted: dict[str, Any]
) -> None:
    rng = np.random.default_rng(0)
    _study(tiny_npz)
    root = tiny_npz / "runs" / "small"
    for wait_s in rng.uniform(1, 12, size=8):
        before = Store(root).stored_ids() if root.is_dir() else set()
        with _start(tiny_npz) as process:
            time.sleep(wait_s)
            family = _family(process.pid)
            process.kill()
        assert _are_gone(family)
        assert before <= (Store(root).stored_ids() if root.is_dir() else set())
    _whole(tiny_npz)
    _same(_logits(tiny_npz), uninterrupted)


@pytest.mark.parametrize("wait_s", [0.05, 0.5, 1.5, 3, 4.5, 6, 8, 10])
def test_a_stop_in_any_phase_ends_a_run_with_its_sentence(tiny_npz: Path, wait_s: float) -> None:
    study = _study(tiny_npz)
    with _start(tiny_npz, measures=True) as process:
        time.sleep(wait_s)
        family = _family(process.pid)
        os.killpg(process.pid, signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    # 0: it was done; -15: Python had not yet begun to read the program
    assert process.returncode in (130, 0, -signal.SIGTERM), err
    assert "Traceback" not in err
    if process.returncode == 130:
        assert "stopped; finished cells are kept" in err
    assert _are_gone(family)
    run = run_here(study, tiny_npz / "runs" / "small")  # it can go on
    assert len(run.records()) == 2


@pytest.mark.parametrize("wait_s", [0, 0.2, 0.7, 1.5, 2.5, 4, 6, 9])
def test_two_runs_at_once_are_one_run_and_one_error(
    tiny_npz: Path, uninterrupted: dict[str, Any], wait_s: float
) -> None:
    _study(tiny_npz)
    with _start(tiny_npz) as first:
        time.sleep(wait_s)
        with _start(tiny_npz) as second:
            ends = [process.communicate(timeout=300) for process in (first, second)]
    for process, (_, err) in zip((first, second), ends, strict=True):
        assert process.returncode in (0, 2), err
        if process.returncode == 2:
            assert "expected a free folder, got one that another run is writing to" in err
        assert "Traceback" not in err
    assert 0 in (first.returncode, second.returncode)
    _whole(tiny_npz)
    _same(_logits(tiny_npz), uninterrupted)


@pytest.mark.netns
def test_a_run_and_its_report_need_no_network(
    tiny_npz: Path, uninterrupted: dict[str, Any]
) -> None:
    _study(tiny_npz)
    _whole(tiny_npz, *nets.WITHOUT)
    _same(_logits(tiny_npz), uninterrupted)
    done = subprocess.run(
        [*nets.WITHOUT, str(NVL), "report", "runs/small"], cwd=tiny_npz, check=False
    )
    assert done.returncode == 0


@pytest.mark.loopdevice
def test_a_finished_run_survives_a_cut_of_power_whole(tmp_path: Path, tiny_npz: Path) -> None:
    image = disks.new_disk(tmp_path, size_mib=64)
    _study(tiny_npz)
    command = [str(NVL), "run", "study.toml", "--out"]
    with disks.mounted(image) as disk:
        subprocess.run([*command, str(disk / "run")], cwd=tiny_npz, env=ENVIRONMENT, check=True)
        subprocess.run([str(NVL), "report", str(disk / "run")], env=ENVIRONMENT, check=True)
        copy = disks.without_power(image)
    with disks.mounted(copy) as disk:
        found = [path for path in (disk / "run").rglob("*") if path.is_file()]
        empty = [path for path in found if path.stat().st_size == 0 and path.name != ".lock"]
        assert len(found) > 20
        assert empty == []
        again = subprocess.run(
            [*command, str(disk / "run")],
            cwd=tiny_npz,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=True,
        )
    assert "0 of 2 cells to run" in again.stdout
    assert "damaged" not in again.stdout + again.stderr
