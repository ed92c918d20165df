"""Trials before a training: they choose by measurement, and change nothing else."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from neurovisionlab.core.errors import ResourceError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.records import EpochRow, Execution
from neurovisionlab.data.batches import Batches, Scaling, stage
from neurovisionlab.learn import pace
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import Device, choose, seed_everything
from neurovisionlab.learn.one_pixel import OnePixelConv2d
from neurovisionlab.learn.pace import put_into_usual_form, settle
from neurovisionlab.learn.state import Trainer, Training
from neurovisionlab.learn.train import fit

LONG = Protocol(batch_size=16, epochs=500)  # 4 steps an epoch


@pytest.fixture
def trying(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for trials of both memory formats."""
    monkeypatch.setenv("NVL_TRY_FORMATS", "1")


def _train(num: int = 64) -> Batches:
    rng = np.random.default_rng(0)
    images_NHWC = rng.integers(0, 256, (num, 12, 12, 1), dtype=np.uint8)
    staged = stage(images_NHWC, rng.integers(0, 3, num), False, torch.device("cpu"))
    return Batches(staged, 16, image_px=12, channels=1, scaling=Scaling((0.5,), (0.25,)))


def _trainer(protocol: Protocol) -> Trainer:
    return Trainer(protocol, choose(), seed_everything(0), Stopwatches())


class _Own(nn.Module):
    """A model without a length: compiled, it has no truth value."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = _model()

    def forward(self, images_BCHW: Tensor) -> Tensor:
        logits_BC: Tensor = self.layers(images_BCHW)
        return logits_BC


def _model() -> nn.Sequential:
    layers = (nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(800, 3))


def _is_channels_last(model: nn.Sequential) -> bool:
    # the weights of one input channel fit both descriptions; strides tell them apart
    return model[0].weight.stride() == (9, 1, 3, 1)


@pytest.mark.parametrize(("kind", "multiplies"), [("cpu", True), ("cuda", False), ("mps", False)])
def test_only_a_processor_multiplies_single_pixels(kind: str, multiplies: bool) -> None:
    model = _model()
    put_into_usual_form(model, Device(torch.device(kind), "fp32"))
    assert isinstance(model[0], OnePixelConv2d) == multiplies
    assert _is_channels_last(model)


def test_a_cells_model_multiplies_single_pixels() -> None:
    model = _model()
    settle(model, _train(), _trainer(Protocol(batch_size=16, epochs=1)))
    assert isinstance(model[0], OnePixelConv2d)


def test_a_short_training_tries_nothing() -> None:
    model = _model()
    settled = settle(model, _train(), _trainer(Protocol(batch_size=16, epochs=1)))
    assert settled.forward is model
    assert settled.execution.memory_format == "channels_last"
    assert settled.execution.tried_step_s == {}
    assert _is_channels_last(model)


def test_a_long_training_tries_nothing_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_Trial", None)  # whoever times a step fails
    settled = settle(_model(), _train(), _trainer(LONG))
    assert settled.execution == Execution(memory_format="channels_last")


@pytest.mark.usefixtures("trying")
def test_trials_leave_no_trace() -> None:
    trainer, model = _trainer(LONG), _model()
    before, random_before = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    streams = trainer.chance.order.get_state(), trainer.chance.noise.get_state()
    settled = settle(model, _train(), trainer)
    assert set(settled.execution.tried_step_s) == {"channels_last", "contiguous"}
    assert min(settled.execution.tried_step_s.values()) > 0
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random_before)
    after = trainer.chance.order.get_state(), trainer.chance.noise.get_state()
    assert all(torch.equal(*pair) for pair in zip(streams, after, strict=True))


class _Late(_Own):
    """Makes a buffer in its first step."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        logits_BC = super().forward(images_BCHW)
        if not hasattr(self, "centre"):
            self.register_buffer("centre", logits_BC.detach().mean(0))
        return logits_BC - self.centre


@pytest.mark.usefixtures("trying")
def test_a_trial_leaves_no_buffer_behind() -> None:
    model = _Late()
    settled = settle(model, _train(), _trainer(LONG))
    assert settled.execution.tried_step_s
    assert not hasattr(model, "centre")


@pytest.mark.usefixtures("trying")
@pytest.mark.parametrize(
    ("contiguous_s", "expected"), [(0.8, "contiguous"), (0.95, "channels_last")]
)
def test_the_usual_format_is_left_for_a_clear_gain_alone(
    monkeypatch: pytest.MonkeyPatch, contiguous_s: float, expected: str
) -> None:
    step_s = {"channels_last": 1.0, "contiguous": contiguous_s}
    monkeypatch.setattr(pace._Trial, "formats", lambda *_: step_s)
    model = _model()
    settled = settle(model, _train(), _trainer(LONG))
    assert settled.execution.memory_format == expected
    assert settled.execution.tried_step_s == step_s
    assert _is_channels_last(model) == (expected == "channels_last")


class _Fails(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images_BCHW: Tensor) -> Tensor:
        raise RuntimeError("no C++ compiler")


def test_a_model_that_cannot_be_compiled_trains_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVL_COMPILE", "1")
    monkeypatch.setattr(torch, "compile", lambda model, **_: _Fails(model))
    model = _model()
    settled = settle(model, _train(), _trainer(LONG))
    assert settled.forward is model
    assert not settled.execution.compiled
    assert "compiled" not in settled.execution.tried_step_s
    assert settled.execution.compile_s is None


@pytest.mark.parametrize("name", ["NVL_COMPILE", "NVL_TRY_FORMATS"])
def test_a_wish_that_means_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "perhaps")
    with pytest.raises(ResourceError, match="expected 0 or 1, got 'perhaps'"):
        settle(_model(), _train(), _trainer(LONG))


@pytest.mark.slow
def test_a_compiled_model_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVL_COMPILE", "1")
    monkeypatch.setattr(pace, "MARGIN", 1e-9)  # whatever is tried last is taken
    short = Protocol(batch_size=16, epochs=2)

    def rows(compiles: bool) -> list[Any]:
        trainer = _trainer(short)
        torch.manual_seed(1)
        model, train = _Own(), _train(70)  # the last batch of an epoch is smaller
        monkeypatch.setattr(pace, "STEPS_WORTH_A_TRIAL", 1 if compiles else 10**9)
        settled = settle(model, train, trainer)
        assert settled.execution.compiled == compiles
        assert ((settled.execution.compile_s or 0.0) > 0.0) == compiles
        assert (settled.forward is model) != compiles
        graphs = counters["stats"]["unique_graphs"]
        said = list(fit(Training(model, trainer, len(train), 3, settled.forward), train, train))
        assert counters["stats"]["unique_graphs"] == graphs  # nothing is compiled while it trains
        return [row.train_loss for row in said if isinstance(row, EpochRow)]

    assert rows(compiles=True) == pytest.approx(rows(compiles=False), rel=1e-4)
