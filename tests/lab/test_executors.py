"""Executors: outcomes in order, whatever the work does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab import workers
from neurovisionlab.lab import executors
from neurovisionlab.lab.executors import (
    Done,
    Execute,
    Failed,
    Said,
    execute_here,
    local,
)

SRC = str(Path(executors.__file__).parents[2])
EXECUTORS = [pytest.param(execute_here, id="here"), pytest.param(local(), id="local")]


def _ends(execute: Execute, work: Any, cells: list[int]) -> list[tuple[int, Any]]:
    return [pair for pair in execute(cells, work) if not isinstance(pair[1], Said)]


def _is_gone(pid: int) -> bool:
    """Return whether a process has ended, waiting a little for it."""
    for _ in range(500):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("execute", EXECUTORS)
def test_what_is_said_and_done_comes_in_order(execute: Execute) -> None:
    assert list(execute([4, 1], workers.double)) == [
        (4, Said(("first", 4))),
        (4, Said(("second", 4))),
        (4, Done(8)),
        (1, Said(("first", 1))),
        (1, Said(("second", 1))),
        (1, Done(2)),
    ]


@pytest.mark.parametrize("execute", EXECUTORS)
def test_an_exception_is_an_outcome_and_the_others_go_on(execute: Execute) -> None:
    ends = _ends(execute, workers.fail_on_two, [1, 2, 3, 4])
    assert [cell for cell, _ in ends] == [1, 2, 3, 4]
    assert ends[0][1] == Done(1)
    assert ends[3][1] == Done(4)
    bug, mistake = ends[1][1], ends[2][1]
    assert (bug.kind, bug.message, bug.is_user_error) == ("ZeroDivisionError", "by nothing", False)
    assert "fail_on_two" in bug.trace  # the worker's own frames, not the executor's alone
    assert "ZeroDivisionError: by nothing" in bug.trace
    assert (mistake.kind, mistake.message) == ("DataError", "no such data")
    assert mistake.is_user_error


@pytest.mark.parametrize("execute", EXECUTORS)
def test_no_cells_no_outcomes(execute: Execute) -> None:
    assert list(execute([], workers.double)) == []


def test_a_killed_worker_is_a_failure_and_the_others_go_on() -> None:
    ends = _ends(local(), workers.die_on_two, [1, 2, 3])
    assert ends[0] == (1, Done(1))
    assert ends[2] == (3, Done(3))
    killed = ends[1][1]
    assert isinstance(killed, Failed)
    assert killed.kind == "Killed"
    assert "SIGKILL" in killed.message
    assert "memory" in killed.message
    assert not killed.is_user_error


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        (signal.SIGSEGV, "Crashed", "SIGSEGV, signal 11"),
        (signal.SIGABRT, "Crashed", "SIGABRT"),
        (signal.SIGBUS, "Crashed", "SIGBUS"),
        (signal.SIGRTMIN + 1, "Crashed", f"signal {signal.SIGRTMIN + 1}"),
        (signal.SIGTERM, "Stopped", "SIGTERM"),
        (-3, "Exited", "exit code 3"),
        (0, "Exited", "exit code 0"),
    ],
)
def test_a_death_is_told_by_its_signal_or_its_code(how: int, kind: str, words: str) -> None:
    dead, alive = _ends(local(), workers.die_of, [how, workers.ALIVE])
    assert isinstance(dead[1], Failed)
    assert (dead[1].kind, dead[1].trace) == (kind, "")
    assert words in dead[1].message
    assert "memory" not in dead[1].message
    assert alive == (workers.ALIVE, Done("alive"))


def test_a_process_that_dies_within_a_message_is_a_failure() -> None:
    ((_, end),) = _ends(local(), workers.say_half, [1])
    assert (end.kind, "SIGKILL" in end.message) == ("Killed", True)


def test_a_result_that_cannot_be_sent_is_a_failure_with_its_reason() -> None:
    ((_, end),) = _ends(local(), workers.return_a_lock, [1])
    assert end.kind == "TypeError"
    assert "pickle" in end.message


@pytest.mark.parametrize("work", [workers.say_pid_and_sleep, workers.say_pid_and_chatter])
def test_closing_early_leaves_no_process(work: Any) -> None:
    outcomes = local()([1, 2], work)
    _, said = next(outcomes)
    assert isinstance(said, Said)
    assert psutil.pid_exists(said.content)
    outcomes.close()  # type: ignore[attr-defined]
    assert _is_gone(said.content)


def test_each_cell_has_a_process_of_its_own() -> None:
    pids = [end.result for _, end in _ends(local(), workers.process_of, [1, 2, 3])]
    assert len(set(pids)) == 3
    counts = [end.result for _, end in _ends(local(), workers.count_here, [1, 2, 3])]
    assert counts == [1, 1, 1]  # nothing is inherited from the cell before


def test_settings_are_those_of_the_moment_though_the_server_is_older(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NVL_AT_FIRST", "yes")
    assert _ends(local(), workers.settings, [1])[0][1].result["NVL_AT_FIRST"] == "yes"
    monkeypatch.delenv("NVL_AT_FIRST")
    monkeypatch.setenv("NVL_NOW", "yes")
    found = _ends(local(), workers.settings, [1])[0][1].result
    assert "NVL_AT_FIRST" not in found
    assert found["NVL_NOW"] == "yes"


IMPORTS_WHILE_WE_WAIT = """
import os, psutil, signal, time
from neurovisionlab.lab.processes import start_early
signal.signal(signal.SIGINT, lambda *_: None)
start_early(("lab.slow_to_import",))
before = {child.pid for child in psutil.Process().children()}
os.killpg(0, signal.SIGINT)
from lab import workers
from neurovisionlab.lab.executors import local
((_, end),) = local(("lab.slow_to_import",))([1], workers.parent_of)
assert end.result in before, (end, before)
print("served by the one from before")
"""


def test_the_server_can_be_started_before_there_is_work_and_outlives_ctrl_c() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS_WHILE_WE_WAIT],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), SRC])},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert (done.stdout, done.stderr) == ("served by the one from before\n", "")


HANGS = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # below `nohup` it begins by ignoring it
from lab import workers
from neurovisionlab.lab.executors import local
for _, outcome in local()([1], workers.hang_hard):
    print(*outcome.content, flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV])
def test_a_cell_that_hangs_ends_with_its_parent_however_that_ends(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGS],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), SRC])},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        cell, server = map(int, parent.stdout.readline().split())
        parent.send_signal(how)
        try:
            parent.wait(30)
        finally:
            parent.kill()  # or it would be waited for without end
    assert _is_gone(cell)
    assert _is_gone(server)


def test_a_cell_that_says_nothing_for_too_long_is_ended_and_the_others_go_on() -> None:
    execute = local(limit_s=3.0)
    ends = _ends(execute, workers.sleep_on_two, [1, 2, 3])
    assert [ends[0][1], ends[2][1]] == [Done(1), Done(3)]
    assert (ends[1][1].kind, "said nothing for 3 s" in ends[1][1].message) == ("TimedOut", True)


@pytest.mark.parametrize(
    ("work", "kind"),
    [(workers.hang_after_its_answer, None), (workers.close_everything_and_hang, "TimedOut")],
)
def test_a_process_that_does_not_end_by_itself_is_ended(
    monkeypatch: pytest.MonkeyPatch, work: Any, kind: str | None
) -> None:
    monkeypatch.setattr(executors, "_LAST_S", 1.0)
    ((_, end),) = _ends(local(), work, [1])
    assert end == Done(1) if kind is None else end.kind == kind
