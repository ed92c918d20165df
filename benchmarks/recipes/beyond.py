"""What the protocol has no word for, tried on validation: weight averaging and growing images.

    python benchmarks/recipes/beyond.py FOLDER [--epochs 6] [--seeds 3]

FOLDER is one of those that `letters.py` writes. The same loop, batches and optimiser as in the
laboratory; only what is named differs. Prints validation accuracy and seconds of training.
"""

from __future__ import annotations

import neurovisionlab.learn  # noqa: F401  before torch: it says how threads wait

# isort: split
import argparse
import os
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from neurovisionlab import Protocol
from neurovisionlab.data.batches import Batches, stage
from neurovisionlab.data.batches import statistics as scaling_of
from neurovisionlab.learn.answer import predict
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import choose, seed_everything
from neurovisionlab.learn.glyphnet import GlyphNet
from neurovisionlab.learn.train import (
    Trainer,
    make_movers,
    new_sums,
    run_epoch,
    steps_per_epoch,
)

DECAY = 0.98  # of the moving average: about 50 steps, a tenth of six epochs of 20,000 images


@dataclass(frozen=True)
class Way:
    """One way to train.

    Attributes:
        title: for the table.
        sizes: side of the images as a function of the share of the training that is done.
        averages: whether a moving average of the weights is judged instead of the last ones.
    """

    title: str
    sizes: Callable[[float], int] = lambda done: 28
    averages: bool = False


WAYS = (
    Way("as the protocol says"),
    Way("moving average of the weights", averages=True),
    Way("20 px for half of the epochs, then 28", sizes=lambda done: 20 if done < 0.5 else 28),
    Way("14 px for a third of the epochs, then 28", sizes=lambda done: 14 if done < 1 / 3 else 28),
)


def parts_of(folder: Path, protocol: Protocol) -> Iterator[Batches]:
    """Yield training and validation images."""
    scaling = None
    for part in ("train", "val"):
        with np.load(folder / f"{part}.npz") as arrays:
            images_NHW, labels_N = arrays["images"], arrays["labels"]
        staged = stage(images_NHW[..., None], labels_N, False, torch.device("cpu"))
        scaling = scaling or scaling_of(staged)
        yield Batches(staged, protocol.batch_size, 28, 1, scaling)


def train(way: Way, folder: Path, protocol: Protocol, seed: int) -> tuple[float, float]:
    """Return (validation accuracy %, seconds of training)."""
    clocks = Stopwatches()
    trainer = Trainer(protocol, choose(protocol.precision), seed_everything(seed), clocks)
    network: nn.Module = GlyphNet(26, 1).to(memory_format=torch.channels_last)
    images, val = parts_of(folder, protocol)
    movers = make_movers(network, trainer, steps_per_epoch(len(images), protocol))
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(DECAY))
    if way.averages:
        movers.optimizer.register_step_post_hook(lambda *_: average.update_parameters(network))
    for epoch in range(protocol.epochs):
        sized = replace(images, image_px=way.sizes(epoch / protocol.epochs))
        for _ in run_epoch(network, sized, trainer, movers, new_sums(trainer.device)):
            pass
    if way.averages:
        with clocks.on("training"):
            update_bn((batch for batch, _ in images.in_order()), average)
        network = average.module
    logits_NC, labels_N = predict(network, val, trainer.device, clocks)
    return 100 * float((logits_NC.argmax(1) == labels_N).mean()), clocks.seconds("training")


def main() -> None:
    """Try every way from every seed, in turn."""
    os.environ["NVL_DEVICE"] = "cpu"  # where the network is
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    protocol = Protocol(
        optimizer="adamw",
        learning_rate=0.005,
        schedule="one-cycle",
        batch_size=256,
        epochs=given.epochs,
        weight_decay=0.05,
        label_smoothing=0.1,
        precision="bf16",
    )
    found: dict[str, list[tuple[float, float]]] = {way.title: [] for way in WAYS}
    for seed in range(given.seeds):
        for way in WAYS:
            found[way.title].append(train(way, given.folder, protocol, seed))
            print(way.title, seed, found[way.title][-1], flush=True)
    for title, values in found.items():
        accuracies, seconds = zip(*values, strict=True)
        spread = statistics.stdev(accuracies) if len(values) > 1 else 0.0
        mean = statistics.mean(accuracies)
        print(f"| {title} | {mean:.2f} ± {spread:.2f} | {statistics.median(seconds):.0f} |")


if __name__ == "__main__":
    main()
