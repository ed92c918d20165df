"""Runs that are extended, edited, stopped and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from e2e.conftest import NVL, Nvl
from e2e.studies import run_with_fakes, write_study
from neurovisionlab import api
from neurovisionlab.cli.options import hearing_stops
from neurovisionlab.lab.store import Store


def test_a_new_seed_model_or_data_set_runs_only_new_cells(tiny_npz: Path) -> None:
    out, name = tiny_npz / "out", f"npz:{tiny_npz}"
    first = run_with_fakes(write_study(tiny_npz, name), out)
    assert len(first.pending) == 1
    seed = run_with_fakes(write_study(tiny_npz, name, "seeds = [0, 1]"), out)
    assert [cell.seed for cell in seed.pending] == [1]
    both = 'seeds = [0, 1]\nmodels = ["vit-tiny", "resnet18"]'
    model = run_with_fakes(write_study(tiny_npz, name, both), out)
    assert [cell.model for cell in model.pending] == ["resnet18", "resnet18"]
    nothing = api.prepare(api.load_study(str(tiny_npz / "study.toml")), None, out)
    assert nothing.pending == ()
    assert list(nothing.events()) == []
    assert len(nothing.records()) == 4
    assert nothing.messages == ()


def test_a_renamed_data_folder_trains_nothing_anew(tiny_npz: Path, tmp_path: Path) -> None:
    first, second, out = tmp_path / "photos", tmp_path / "pictures", tmp_path / "out"
    first.mkdir()
    for part in ("train", "test"):
        (tiny_npz / f"{part}.npz").rename(first / f"{part}.npz")
    before = run_with_fakes(write_study(tmp_path, f"npz:{first}"), out)
    assert len(before.pending) == 1
    first.rename(second)
    after = run_with_fakes(write_study(tmp_path, f"npz:{second}"), out)
    assert after.pending == ()
    assert not any("not shown" in message for message in after.messages)
    (record,) = after.records()
    assert record.cell == after.cells[0]
    assert len(after.store.predictions(record.cell_id, "test").labels_N) == 12


def test_an_edited_protocol_is_said_and_kept_apart(nvl_here: Nvl, tiny_npz: Path) -> None:
    out, name = tiny_npz / "out", f"npz:{tiny_npz}"
    before = run_with_fakes(write_study(tiny_npz, name), out)
    edited = write_study(tiny_npz, name, protocol="epochs = 3")
    after = run_with_fakes(edited, out)
    said = "\n".join(after.messages)
    assert "protocol.epochs: 1 → 3" in said
    assert "1 finished cells of other wordings" in said
    assert len(after.pending) == 1
    store = Store(out)
    assert store.stored_ids() == {before.cells[0].cell_id, after.cells[0].cell_id}
    assert [r.cell.protocol.epochs for r in store.finished(store.plan().cells())] == [3]
    # back to the first wording: nothing is lost, and the other is the one apart now
    write_study(tiny_npz, name)
    answer = nvl_here("run", "--no-measure", str(tiny_npz / "study.toml"), "--out", str(out))
    assert answer.code == 0
    assert "protocol.epochs: 3 → 1" in answer.out
    assert "0 of 1 cells to run" in answer.out


def test_a_setting_without_effect_warns_and_makes_no_new_cell(tiny_npz: Path) -> None:
    out, name = tiny_npz / "out", f"npz:{tiny_npz}"
    run_with_fakes(write_study(tiny_npz, name), out)
    again = run_with_fakes(write_study(tiny_npz, name, protocol='stem_weights = "random"'), out)
    assert again.pending == ()
    assert any("stem_weights has no effect" in line for line in again.messages)


def test_other_data_under_the_same_name_are_other_cells(tiny_npz: Path) -> None:
    study, out = write_study(tiny_npz, f"npz:{tiny_npz}"), tiny_npz / "out"
    run_with_fakes(study, out)
    test = (tiny_npz / "test.npz").read_bytes()
    (tiny_npz / "val.npz").write_bytes(test)
    after = run_with_fakes(study, out)
    assert len(after.pending) == 1
    assert any("its images are others" in line for line in after.messages)


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


@contextmanager
def _hearing_all_stops() -> Iterator[None]:
    """Let processes that are started hear what a script's background job or `nohup` tells not to.

    A signal that is heard here is theirs to hear, too, by default.
    """
    numbers = (signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _running(study: Path) -> Iterator[subprocess.Popen[str]]:
    """Start `nvl run` as the head of its own group, as a terminal would."""
    with _hearing_all_stops():
        process = subprocess.Popen(
            [str(NVL), "run", str(study), "--no-measure"],
            cwd=study.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | {"NVL_DEVICE": "cpu", "PYTHONUNBUFFERED": "1"},
        )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"no {text!r} in {seen!r}")


def _wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=30)
    left = [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert left == []


def _long_study(folder: Path) -> Path:
    """One short cell, then one that would take minutes."""
    vary = "[vary]\nepochs = [1, 3000]"
    return write_study(folder, f"npz:{folder}", tables=vary)


def _finish(study: Path) -> api.Run:
    """Check that the run can go on, and finish it."""
    prepared = run_with_fakes(study, study.parent / "runs" / "small")
    assert [cell.protocol.epochs for cell in prepared.pending] == [3000]
    assert not (prepared.store.root / "unfinished").exists() or not any(
        (prepared.store.root / "unfinished").iterdir()
    )
    return prepared


# what a terminal, a service manager, a closed window and a person with `kill` send, and to whom
STOPS = [
    pytest.param(os.killpg, signal.SIGINT, id="Ctrl-C"),
    pytest.param(os.killpg, signal.SIGTERM, id="terminated-group", marks=pytest.mark.slow),
    pytest.param(os.kill, signal.SIGTERM, id="terminated"),
    pytest.param(os.killpg, signal.SIGHUP, id="hung-up", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_hears_each_wish_to_end_as_ctrl_c(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt), hearing_stops():
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN)  # as under `nohup`
        with hearing_stops():
            signal.raise_signal(number)
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(("send", "number"), STOPS)
def test_a_stop_keeps_finished_cells_and_leaves_no_process(
    tiny_npz: Path, send: Callable[[int, int], None], number: int
) -> None:
    study = _long_study(tiny_npz)
    with _running(study) as process:
        _read_until(process, "[1/2]")
        _read_until(process, "epoch 2/3000")
        family = _family(psutil.Process(process.pid))
        assert len(family) >= 3  # itself, the fork server, the cell
        send(process.pid, number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
    assert "stopped; finished cells are kept" in err
    assert "Traceback" not in err
    _wait_until_gone(family)
    prepared = _finish(study)
    (kept,) = [r for r in prepared.store.finished(prepared.cells) if r.cell.protocol.epochs == 1]
    assert kept.status == "done"
    assert prepared.store.failures() == []


def test_a_killed_run_can_go_on_and_its_child_ends(tiny_npz: Path) -> None:
    study = _long_study(tiny_npz)
    with _running(study) as process:
        _read_until(process, "epoch 1/3000")
        family = _family(psutil.Process(process.pid))
        process.kill()
        process.wait(timeout=30)
        began_s = time.monotonic()
        _wait_until_gone(family)
        assert time.monotonic() - began_s < 30
    _finish(study)
