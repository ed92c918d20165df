"""Lab efficiency: `fit` against a bare loop over tensors that were staged and scaled before.

Same model, weights, batches, threads and memory format on both sides; goal: at least 0.95 of the
bare loop's images/s for the three models and `glyphnet` at 28 px. And what being measured costs a
training: `fit` with its stopwatches and contention counter against `fit` without; at most 2 %.
"""

from __future__ import annotations

import neurovisionlab.learn  # noqa: F401  before torch: it says how threads wait

# isort: split
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn import functional

import compare
from neurovisionlab import Protocol
from neurovisionlab.core.records import EpochRow
from neurovisionlab.data.batches import Batches, Scaling, stage
from neurovisionlab.learn.clock import Contention, Stopwatches
from neurovisionlab.learn.device import choose, seed_everything
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.optimizers import make_optimizer
from neurovisionlab.learn.pace import put_into_usual_form
from neurovisionlab.learn.state import Trainer, Training
from neurovisionlab.learn.train import fit
from neurovisionlab.learn.zoo import build

NUM_IMAGES, BATCH, ROUNDS = 1024, 64, 5
MODELS = ("resnet18", "mobilenetv2", "vit-tiny", "glyphnet")


class NoClocks(Stopwatches):
    """Stopwatches that never look at the time."""

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Do nothing."""
        yield

    def seconds(self, name: str) -> float:
        """Return nothing."""
        return 0.0


def alternatives(name: str) -> dict[str, object]:
    """Return calls that train one epoch on the same images: bare, the lab's, and it unmeasured."""
    device = choose()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (NUM_IMAGES, 28, 28, 1), dtype=np.uint8)
    labels = rng.integers(0, 26, NUM_IMAGES)
    staged = stage(images, labels, True, device.torch_device)
    protocol = Protocol(epochs=1, batch_size=BATCH, stem="light")
    unit = Scaling((0.0,), (1.0,))
    train = Batches(staged, BATCH, 28, 1, unit)
    val = Batches(stage(images[:1], labels[:1], True, device.torch_device), BATCH, 28, 1, unit)
    floats = staged.images_NCHW.float() / 255

    def fresh() -> torch.nn.Module:
        seed_everything(0)
        model = build(name, ModelShape(28, 1, 26), protocol).to(device.torch_device)
        put_into_usual_form(model, device)
        return model

    lab_model, bare_model, unmeasured_model = fresh(), fresh(), fresh()
    optimizer = make_optimizer(bare_model, protocol)

    def run(model: torch.nn.Module, clocks: Stopwatches) -> None:
        trainer = Trainer(protocol, device, seed_everything(0), clocks)
        for row in fit(Training(model, trainer, len(train), 26), train, val):
            assert not isinstance(row, EpochRow) or row.train_loss is not None

    def lab() -> None:
        contention = Contention()
        run(lab_model, Stopwatches(device.synchronize))
        contention.frac()

    def bare() -> None:
        bare_model.train()
        for some in torch.randperm(NUM_IMAGES).split(BATCH):
            loss = functional.cross_entropy(bare_model(floats[some]), staged.labels_N[some])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return {"bare loop": bare, "lab": lab, "unmeasured": lambda: run(unmeasured_model, NoClocks())}


def main() -> int:
    """Run the benchmark for each model; exit code 1 if a goal is missed."""
    met = True
    for name in MODELS:
        seconds = compare.interleaved(alternatives(name), ROUNDS)
        compare.show(f"{name}, one epoch of {NUM_IMAGES} images", seconds)
        met &= compare.verdict(
            "lab ÷ bare, images/s", compare.ratio(seconds, "bare loop", "lab"), 0.95
        )
        measured = compare.ratio(seconds, "lab", "unmeasured")
        met &= compare.verdict("measured ÷ unmeasured, time", measured, 1.02, at_least=False)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
