"""Costs on a GPU, and a study through the worker processes that a person would have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from learn.test_meter import spec_of
from neurovisionlab import Study, api
from neurovisionlab.core.records import CellRecord
from neurovisionlab.lab.executors import local
from neurovisionlab.lab.measurements import Effort, measure
from neurovisionlab.learn.device import choose
from neurovisionlab.learn.measure import measure_part
from neurovisionlab.learn.memory import PeakMemory
from neurovisionlab.out.said import note_text

pytestmark = pytest.mark.gpu


def test_costs_are_measured_with_the_gpus_own_counters() -> None:
    specs = [spec_of(model) for model in ("resnet18", "glyphnet")]
    found = measure(specs, measure_part, local(api.WORKERS), Effort(0.3, 1, 1))
    costs = {one.spec.model: one for one in found}
    for one in costs.values():
        assert one.conditions.machine is not None
        assert one.conditions.machine.device == torch.cuda.get_device_name()
        assert one.weights_mib is not None
        assert one.train_peak_mib is not None
        assert one.train_reserved_mib is not None
        assert one.infer_peak_mib is not None
        # weights, gradients and Adam's two averages at least; the allocator holds what it gave
        assert 3.9 * one.weights_mib < one.train_peak_mib <= one.train_reserved_mib
        assert 0.9 * one.weights_mib < one.infer_peak_mib < one.train_peak_mib
        if one.energy_j_per_image is None:
            assert note_text(one.energy_note).startswith("not measurable: ")
        else:
            assert 0 < one.energy_j_per_image < 10


def test_what_libraries_keep_for_themselves_is_no_models_memory() -> None:
    # the workspace of a first matrix product: 32 MiB on an H100
    device = choose()
    memory = PeakMemory(device)
    model = nn.Linear(8, 8).to(device.torch_device)
    memory.reset()
    model(torch.rand(8, 8, device=device.torch_device)).sum().backward()
    peak_mib = memory.read().peak_mib
    assert peak_mib is not None
    assert 0 < peak_mib < 1


def test_a_study_runs_through_processes_of_its_own(tiny_npz: Path, tmp_path: Path) -> None:
    study = Study.model_validate(
        {
            "name": "bars",
            "datasets": (f"npz:{tiny_npz}",),
            "models": ("glyphnet", "vit-tiny"),
            "seeds": (0, 1),
            "protocol": {"epochs": 12, "batch_size": 8, "learning_rate": 3e-4, "image_px": 16},
        }
    )
    run = api.prepare(study, out_dir=tmp_path / "out")
    records = [event for _, event in run.events() if isinstance(event, CellRecord)]
    assert len(records) == 4
    assert {record.machine.device for record in records} == {torch.cuda.get_device_name()}
    assert np.mean([r.test_scores.accuracy_frac for r in records if r.test_scores]) > 0.9
