"""Conducting: what is missing runs, what fails is written beside and tried again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.fakes import fake_plan, fake_result
from neurovisionlab.core.errors import StoreError
from neurovisionlab.core.predictions import CellResult
from neurovisionlab.core.records import CellRecord, Failure
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.lab.conduct import conduct, pending
from neurovisionlab.lab.executors import execute_here
from neurovisionlab.lab.store import Store


class Work:
    """Fake work that remembers its cells, and fails on the seeds it is told to."""

    def __init__(self, failing: tuple[int, ...] = (), skills: dict[int, float] | None = None):
        self.failing, self.skills = failing, skills or {}
        self.cells: list[CellSpec] = []

    def __call__(self, cell: CellSpec, say: Callable[[Any], None]) -> CellResult:
        """Return a made-up result."""
        self.cells.append(cell)
        say(f"hello from {cell.seed}")
        if cell.seed in self.failing:
            raise RuntimeError("a bug")
        return fake_result(cell, skill=self.skills.get(cell.seed, 2.0))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    return Store(tmp_path / "run")


def test_only_what_is_missing_runs(store: Store) -> None:
    two, three = fake_plan(seeds=(0, 1)).cells(), fake_plan(seeds=(0, 1, 2)).cells()
    first, second, third = Work(), Work(), Work()
    list(conduct(two, store, first, execute_here))
    assert first.cells == list(two)
    list(conduct(two, store, second, execute_here))
    assert second.cells == []
    list(conduct(three, store, third, execute_here))
    assert [cell.seed for cell in third.cells] == [2]
    assert pending(three, store) == []


def test_events_come_as_they_happen(store: Store) -> None:
    cells = fake_plan(seeds=(0, 1)).cells()
    events = conduct(cells, store, Work(), execute_here)
    assert next(events) == (cells[0], "hello from 0")
    cell, record = next(events)
    assert isinstance(record, CellRecord)
    assert store.get(cell.cell_id) == record  # kept before anybody is told
    assert not store.has(cells[1].cell_id)
    events.close()  # type: ignore[attr-defined]
    assert store.stored_ids() == {cells[0].cell_id}
    with store.writing():  # the folder is free again
        pass


def test_a_failure_is_written_beside_and_tried_again(store: Store) -> None:
    cells = fake_plan(seeds=(0, 1, 2)).cells()
    events = list(conduct(cells, store, Work(failing=(1,)), execute_here))
    ends = [event for _, event in events if isinstance(event, CellRecord | Failure)]
    assert [type(end) for end in ends] == [CellRecord, Failure, CellRecord]
    (failure,) = store.failures()
    assert failure == ends[1]
    assert (failure.cell_id, failure.kind) == (cells[1].cell_id, "RuntimeError")
    assert "a bug" in failure.traceback
    assert failure.failed_at.endswith("+00:00")
    assert pending(cells, store) == [cells[1]]
    again = Work()
    list(conduct(cells, store, again, execute_here))
    assert again.cells == [cells[1]]
    assert pending(cells, store) == []
    assert len(store.failures()) == 1  # a log: it keeps what happened


def test_nothing_runs_in_a_folder_that_another_run_holds(store: Store) -> None:
    work = Work()
    with store.writing(), pytest.raises(StoreError, match="another run"):
        list(conduct(fake_plan().cells(), Store(store.root), work, execute_here))
    assert work.cells == []


@pytest.mark.parametrize(
    ("keep", "kept_seeds"), [("best", {1}), ("all", {0, 1, 2}), ("none", {0, 1, 2})]
)
def test_weights_of_the_best_seed_are_kept(store: Store, keep: str, kept_seeds: set[int]) -> None:
    # "none" is up to the work: conduct stores what it is given
    plan = fake_plan(
        seeds=(0, 1, 2), models=("resnet18", "vit-tiny"), protocol={"keep_weights": keep}
    )
    work = Work(skills={0: -1.0, 1: 9.0, 2: 1.0})
    list(conduct(plan.cells(), store, work, execute_here))
    for model in plan.study.models:
        kept = {c.seed for c in plan.cells() if c.model == model and store.has_weights(c.cell_id)}
        assert kept == kept_seeds, model
    for cell in plan.cells():  # losers keep everything else
        assert store.predictions(cell.cell_id, "test").logits_NC.shape == (12, 3)


def test_variants_do_not_compete_for_their_weights(store: Store) -> None:
    plan = fake_plan(seeds=(0, 1), vary={"learning_rate": (0.001, 0.01)})
    list(conduct(plan.cells(), store, Work(skills={0: 9.0, 1: -1.0}), execute_here))
    kept = [(c.variant, c.seed) for c in plan.cells() if store.has_weights(c.cell_id)]
    assert kept == [("learning_rate=0.001", 0), ("learning_rate=0.01", 0)]
