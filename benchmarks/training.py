"""Lab efficiency: `fit` against a bare loop over tensors that were staged and scaled before.

Same model, weights, batches, threads and memory format on both sides; goal: at least 0.95 of the
bare loop's images/s for each of the three models at 28 px.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch.nn import functional

import compare
from neurovisionlab import Protocol
from neurovisionlab.core.records import EpochRow
from neurovisionlab.data.batches import Batches, Scaling, stage
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import choose, seed_everything
from neurovisionlab.learn.train import Trainer, fit, make_optimizer
from neurovisionlab.learn.zoo import Shape, build

NUM_IMAGES, BATCH, ROUNDS = 1024, 64, 7
MODELS = ("resnet18", "mobilenetv2", "vit-tiny")


def alternatives(name: str) -> dict[str, object]:
    """Return two calls that train one epoch on the same images: the lab's and the bare loop's."""
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
        model = build(name, Shape(28, 1, 26), protocol).to(device.torch_device)
        return model.to(memory_format=torch.channels_last)

    lab_model, bare_model = fresh(), fresh()
    optimizer = make_optimizer(bare_model, protocol)

    def lab() -> None:
        trainer = Trainer(protocol, device, seed_everything(0), Stopwatches())
        for row in fit(lab_model, train, val, trainer):
            assert not isinstance(row, EpochRow) or row.train_loss is not None

    def bare() -> None:
        bare_model.train()
        for some in torch.randperm(NUM_IMAGES).split(BATCH):
            loss = functional.cross_entropy(bare_model(floats[some]), staged.labels_N[some])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return {"bare loop": bare, "lab": lab}


def main() -> int:
    """Run the benchmark for the three models; exit code 1 if a goal is missed."""
    met = True
    for name in MODELS:
        seconds = compare.interleaved(alternatives(name), ROUNDS)
        compare.show(f"{name}, one epoch of {NUM_IMAGES} images", seconds)
        met &= compare.verdict(
            "lab ÷ bare, images/s", compare.ratio(seconds, "bare loop", "lab"), 0.95
        )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
