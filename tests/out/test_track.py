"""What TensorBoard reads back is what the epochs were."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from lab.fakes import fake_plan, fake_result
from neurovisionlab.core.errors import ResourceError
from neurovisionlab.core.records import Progress
from neurovisionlab.out.track import to_tensorboard


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found = EventAccumulator(str(folder))
    found.Reload()
    return {
        tag: [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in found.Tensors(tag)]
        for tag in found.Tags()["tensors"]
    }


def test_epochs_are_written_and_events_passed_on(tmp_path: Path) -> None:
    cells = fake_plan(seeds=(0, 1)).cells()
    sign = Progress(epoch=1, num_images=5, num_images_total=18, images_per_s=10.0)
    events: list[Any] = []
    for cell in cells:
        record = fake_result(cell).record
        rows = [record.epochs[0], record.epochs[0].model_copy(update={"epoch": 2})]
        events += [(cell, sign), *((cell, row) for row in rows), (cell, record)]
    assert list(to_tensorboard(events, tmp_path.joinpath)) == events
    assert {path.name for path in tmp_path.iterdir()} == {cell.cell_id for cell in cells}
    told = _scalars(tmp_path / cells[0].cell_id)
    assert told["val_accuracy_frac"] == [(1, 0.5), (2, 0.5)]
    assert told["train_loss"] == [(1, 1.0), (2, 1.0)]


def test_a_loss_that_is_not_finite_is_left_out(tmp_path: Path) -> None:
    (cell,) = fake_plan(seeds=(0,)).cells()
    row = fake_result(cell, diverged=True).record.epochs[0]
    list(to_tensorboard([(cell, row)], tmp_path.joinpath))
    told = _scalars(tmp_path / cell.cell_id)
    assert "train_loss" not in told
    assert "val_loss" in told


def test_a_missing_package_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("tensorboard"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ResourceError, match="pip install 'neurovisionlab\\[track\\]'"):
        list(to_tensorboard([], tmp_path.joinpath))
