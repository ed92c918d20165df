"""Training and answering on a GPU: what a CPU says, without waiting, and the same again."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lab.fakes import tiny_cells
from neurovisionlab.core.errors import ResourceError
from neurovisionlab.core.predictions import CellResult
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.records import EpochRow
from neurovisionlab.data.augment import AUGMENTATIONS
from neurovisionlab.data.batches import Batches, Scaling, stage
from neurovisionlab.learn import pace, run
from neurovisionlab.learn.answer import predict
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import (
    Device,
    choose,
    memory_errors_explained,
    seed_everything,
)
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.pace import settle
from neurovisionlab.learn.run import run_cell
from neurovisionlab.learn.state import Trainer, Training, make_movers, new_sums
from neurovisionlab.learn.train import fit, run_epoch
from neurovisionlab.learn.zoo import build

pytestmark = pytest.mark.gpu

CPU = torch.device("cpu")
TRIO_AND_OURS = ["resnet18", "mobilenetv2", "vit-tiny", "glyphnet"]


def _run(folder: Path, model: str, **protocol: Any) -> CellResult:
    (cell,), home = tiny_cells(folder, (model,), **protocol)
    return run_cell(cell, lambda _: None, home)


def _batches(device: torch.device, num: int = 512, px: int = 28, **settings: Any) -> Batches:
    rng = np.random.default_rng(0)
    images_NHWC = rng.integers(0, 256, (num, px, px, 1), dtype=np.uint8)
    staged = stage(images_NHWC, rng.integers(0, 26, num), False, device)
    made: dict[str, Any] = {
        "batch_size": 32,
        "image_px": px,
        "channels": 1,
        "scaling": Scaling((0.5,), (0.25,)),
    }
    return Batches(staged, **(made | settings))


def _model(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build(name, ModelShape(28, 1, 26), Protocol(color="grey")).to(choose().torch_device)


def _shaken(net: nn.Module) -> nn.Module:
    """Give every normalisation numbers of its own: as drawn, some multiply a branch by zero."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean, module.running_var):
                assert isinstance(values, torch.Tensor)
                nn.init.uniform_(values, 0.5, 1.5)
    return net


@contextmanager
def _no_waiting() -> Iterator[None]:
    """Raise where the host waits for the device."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_gpu_is_chosen_and_named(tiny_npz: Path) -> None:
    record = _run(tiny_npz, "glyphnet", epochs=1).record
    assert record.machine.device == torch.cuda.get_device_name()
    assert record.machine.tf32 is False


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("model", ["glyphnet", "vit-tiny"])
def test_it_learns_in_every_precision(tiny_npz: Path, model: str, precision: str) -> None:
    settings = {"epochs": 12, "learning_rate": 3e-4, "batch_size": 8, "precision": precision}
    record = _run(tiny_npz, model, **settings).record
    assert record.test_scores is not None
    assert record.test_scores.accuracy_frac > 0.9


@pytest.mark.parametrize("model", TRIO_AND_OURS)
def test_the_same_seed_gives_the_same_bits(tiny_npz: Path, model: str) -> None:
    settings = {"epochs": 3, "batch_size": 8, "augmentation": "character-safe"}
    first, second = (_run(tiny_npz, model, **settings) for _ in range(2))
    assert [row.train_loss for row in first.record.epochs] == [
        row.train_loss for row in second.record.epochs
    ]
    np.testing.assert_array_equal(
        first.predictions["test"].logits_NC, second.predictions["test"].logits_NC
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("model", TRIO_AND_OURS)
def test_a_rehearsal_leaves_no_trace(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch, model: str, precision: str
) -> None:
    settings = {"epochs": 2, "batch_size": 10, "augmentation": "character-safe"}
    rehearsed = _run(tiny_npz, model, precision=precision, **settings)
    monkeypatch.setattr(run, "rehearse", lambda *_: None)
    plain = _run(tiny_npz, model, precision=precision, **settings)
    np.testing.assert_array_equal(
        rehearsed.predictions["test"].logits_NC, plain.predictions["test"].logits_NC
    )


@pytest.mark.parametrize("model", TRIO_AND_OURS)
def test_it_answers_what_a_cpu_answers(model: str) -> None:
    device, net = choose(), _shaken(_model(model))
    there, labels_N = predict(net, _batches(device.torch_device), device, Stopwatches())
    on_cpu = Device(CPU, "fp32")
    here, same_labels_N = predict(net.to(CPU), _batches(CPU), on_cpu, Stopwatches())
    assert here.std(axis=0).mean() > 1e-3 * np.abs(here).max()  # images are told apart at all
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-3 * np.abs(here).max())
    np.testing.assert_array_equal(labels_N, same_labels_N)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_an_augmented_image_is_the_same_on_every_device(name: str) -> None:
    def first(device: torch.device) -> Any:
        batches = _batches(device, augment=AUGMENTATIONS[name])
        order, noise = (torch.Generator().manual_seed(seed) for seed in (1, 2))
        return next(batches.shuffled(order, noise))

    (there, labels_there), (here, labels_here) = first(choose().torch_device), first(CPU)
    torch.testing.assert_close(there.cpu(), here, rtol=0, atol=2e-4)
    assert torch.equal(labels_there.cpu(), labels_here)


@pytest.mark.parametrize(
    ("optimizer", "precision"),
    # not Muon in fp16: whether a step is left out is then decided by the host, once a step
    [(o, p) for o in ("adam", "adamw", "sgd") for p in ("fp32", "bf16", "fp16")]
    + [("muon", "fp32"), ("muon", "bf16")],
)
def test_no_step_waits_for_the_device(optimizer: Any, precision: Any) -> None:
    protocol = Protocol(
        batch_size=32, optimizer=optimizer, precision=precision, schedule="one-cycle", epochs=4
    )
    device, net = choose(precision), _model("glyphnet")
    trainer = Trainer(protocol, device, seed_everything(0), Stopwatches())
    train = _batches(device.torch_device, augment=AUGMENTATIONS["character-safe"])
    movers, sums = make_movers(net, trainer, steps=16), new_sums(device)

    def epoch() -> None:
        for _ in run_epoch(
            net, train.shuffled(trainer.chance.order, trainer.chance.noise), trainer, movers, sums
        ):
            pass

    epoch()  # what is set up once may wait
    with _no_waiting():
        epoch()
    assert float(sums[2]) == 2 * len(train)


@pytest.mark.parametrize("compiles", [False, True])
def test_a_long_training_chooses_by_measurement(
    monkeypatch: pytest.MonkeyPatch, compiles: bool
) -> None:
    monkeypatch.setenv("NVL_COMPILE", "1" if compiles else "0")
    monkeypatch.setenv("NVL_TRY_FORMATS", "1")
    monkeypatch.setattr(pace, "STEPS_WORTH_A_TRIAL", 1)
    monkeypatch.setattr(pace, "MARGIN", 1e-9 if compiles else 1.1)  # what is tried last is taken
    device, net = choose(), _model("glyphnet")
    before = copy.deepcopy(net.state_dict())
    protocol = Protocol(batch_size=32, epochs=2)
    trainer = Trainer(protocol, device, seed_everything(0), Stopwatches(device.synchronize))
    train = _batches(device.torch_device, num=500)
    settled = settle(net, train, trainer)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert settled.execution.compiled == compiles
    assert {"channels_last", "contiguous"} <= set(settled.execution.tried_step_s)
    rows = list(fit(Training(net, trainer, len(train), 26, settled.forward), train, train))
    losses = [row.train_loss for row in rows if isinstance(row, EpochRow)]
    assert losses[-1] < losses[0]


def test_memory_that_does_not_suffice_is_said() -> None:
    device = choose()
    with (
        pytest.raises(
            ResourceError, match=r"a model: expected at most .* MiB on cuda.*does not fit"
        ),
        memory_errors_explained(device, "a model"),
    ):
        torch.empty(2**45, device=device.torch_device)
    with pytest.raises(ResourceError, match="staging"):
        device.check_fits(2**45, "staging")
