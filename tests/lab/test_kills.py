"""A run that is killed at any moment: nothing finished is lost, and it goes on to the same end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.fakes import fake_plan, fake_result
from neurovisionlab.core.records import CellRecord
from neurovisionlab.lab.conduct import conduct, pending
from neurovisionlab.lab.executors import execute_here
from neurovisionlab.lab.store import Store

PLAN = fake_plan(seeds=(0, 1))
CELLS = PLAN.cells()
# whatever makes, names, flushes or removes a file
PUBLISHING = ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "fsync")


def _run(root: Path) -> list[str]:
    """Do all that is missing; return the ids of the cells that ran."""
    store = Store(root, _never)
    with store.writing():
        store.keep_plan(PLAN)
    events = conduct(CELLS, store, lambda cell, say: fake_result(cell), execute_here)
    ran = [event.cell_id for _, event in events if isinstance(event, CellRecord)]
    store.write_text("report.html", "page")
    return ran


def _never(line: str) -> None:
    raise AssertionError(line)


def _killed_at(call: int, is_after: bool, root: Path) -> bool:
    """Run in a child that is killed at its so-many-th call; return whether it was."""
    pid = os.fork()
    if pid == 0:
        count = 0

        def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*words: Any, **named: Any) -> Any:
                nonlocal count
                count += 1
                if count == call and not is_after:
                    os.kill(os.getpid(), signal.SIGKILL)
                mine = count
                try:
                    return real(*words, **named)
                finally:
                    if mine == call:
                        os.kill(os.getpid(), signal.SIGKILL)

            return wrapped

        try:
            for name in PUBLISHING:
                setattr(os, name, deadly(getattr(os, name)))
            _run(root)
        except BaseException:
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _logits(root: Path) -> list[Any]:
    store = Store(root)
    return [store.predictions(cell.cell_id, "test").logits_NC for cell in CELLS]


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_a_kill_at_any_call_of_the_system_loses_nothing(tmp_path: Path, is_after: bool) -> None:
    _run(tmp_path / "whole")
    whole = _logits(tmp_path / "whole")
    num_kills = 0
    for call in range(1, 400):
        root = tmp_path / f"run{call}"
        if not _killed_at(call, is_after, root):
            break
        num_kills += 1
        before = Store(root, _never).stored_ids() if root.is_dir() else set()
        assert not before & set(_run(root))  # what was done is not done again
        assert pending(CELLS, Store(root, _never)) == []
        assert not any((root / "unfinished").glob("*"))
        strays = {path.name for path in root.rglob(".*") if path.is_file()} - {".lock"}
        assert strays == set(), strays
        for one, other in zip(_logits(root), whole, strict=True):
            np.testing.assert_array_equal(one, other)
    assert num_kills > 40


@pytest.mark.parametrize("seed", range(3))
def test_kills_one_after_the_other_still_end(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = tmp_path / "run"
    for _ in range(200):
        if not _killed_at(int(rng.integers(1, 60)), bool(rng.integers(2)), root):
            break
    assert pending(CELLS, Store(root, _never)) == []
