"""Where a training step's time goes: its parts by the clock, its kernels by torch's profiler.

A step of 64 images at 28 px, of the three models and `glyphnet`; prints a Markdown table. A number
for people who look for the next thing to make faster, without a goal.
"""

from __future__ import annotations

import neurovisionlab.learn  # noqa: F401  before torch: it says how threads wait

# isort: split
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from document import table
from neurovisionlab import Protocol
from neurovisionlab.data.augment import AUGMENTATIONS
from neurovisionlab.data.batches import Batches, Scaling, stage
from neurovisionlab.learn.device import choose, seed_everything
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.optimizers import make_optimizer
from neurovisionlab.learn.pace import put_into_usual_form
from neurovisionlab.learn.zoo import build

MODELS = ("resnet18", "mobilenetv2", "vit-tiny", "glyphnet")
BATCH, PX, CLASSES = 64, 28, 26
WARM_UP, STEPS = 5, 30
PARTS = ("batch", "forward", "backward", "optimiser")
KERNELS = {  # beginnings of kernels' names, after "aten::"
    "products": (
        "mkldnn_convolution",
        "convolution",
        "mm",
        "addmm",
        "bmm",
        "_scaled_dot",
        "linear",
    ),
    "normalisation": ("native_batch_norm", "batch_norm", "native_layer_norm", "layer_norm"),
}


class Laps:
    """Seconds of each part of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def on(self, part: str) -> Iterator[None]:
        """Time a block."""
        begun = time.perf_counter()
        yield
        self.seconds[part].append(time.perf_counter() - begun)

    def median_ms(self, part: str) -> float:
        """Return the median over the steps after the warm-up."""
        return 1000 * statistics.median(self.seconds[part][WARM_UP:])


def batches(augmentation: str) -> Batches:
    """Return random letters."""
    rng = np.random.default_rng(0)
    num = BATCH * (WARM_UP + STEPS)
    images = rng.integers(0, 256, (num, PX, PX, 1), dtype=np.uint8)
    staged = stage(images, rng.integers(0, CLASSES, num), True, torch.device("cpu"))
    scaling = Scaling((0.2,), (0.3,))
    return Batches(staged, BATCH, PX, 1, scaling, AUGMENTATIONS[augmentation])


def walk(name: str, augmentation: str = "none") -> Laps:
    """Train `name` for an epoch; return where the time went."""
    protocol = Protocol(batch_size=BATCH, stem="light")
    chance = seed_everything(0)
    model: nn.Module = build(name, ModelShape(PX, 1, CLASSES), protocol)
    put_into_usual_form(model.train(), choose())
    optimizer = make_optimizer(model, protocol)
    laps = Laps()
    ready = batches(augmentation).shuffled(chance.order, chance.noise)
    while True:
        with laps.on("batch"):
            batch = next(ready, None)
        if batch is None:
            return laps
        images_BCHW, labels_B = batch
        with laps.on("forward"):
            loss = functional.cross_entropy(model(images_BCHW), labels_B)
        with laps.on("backward"):
            loss.backward()
        with laps.on("optimiser"):
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


def kernels(name: str) -> dict[str, float]:
    """Return each group's share of the calling thread's time in torch's operators, 0..1."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        walk(name)
    spent: dict[str, float] = defaultdict(float)
    for event in found.key_averages():
        kernel = event.key.removeprefix("aten::")
        groups = (group for group, begins in KERNELS.items() if kernel.startswith(begins))
        spent[next(groups, "rest")] += event.self_cpu_time_total
    return {group: seconds / sum(spent.values()) for group, seconds in spent.items()}


def row_of(name: str) -> list[str]:
    """Return a line of the table."""
    laps, gentle, shares = walk(name), walk(name, "gentle"), kernels(name)
    parts = {part: laps.median_ms(part) for part in PARTS}
    whole = sum(parts.values())
    return [
        name,
        f"{whole:.1f}",
        *(f"{100 * ms / whole:.1f}" for ms in parts.values()),
        f"{gentle.median_ms('batch') - parts['batch']:.1f}",
        *(f"{100 * shares.get(group, 0.0):.0f}" for group in (*KERNELS, "rest")),
    ]


def main() -> None:
    """Print the table."""
    choose()  # how many threads
    print(f"load {os.getloadavg()[0]:.2f}, {torch.get_num_threads()} threads, {STEPS} steps")
    parts = [f"{part} %" for part in PARTS]
    groups = [f"{group} %" for group in (*KERNELS, "rest")]
    head = ("model", "step ms", *parts, "ms more for `gentle`", *groups)
    print(table(head, [row_of(name) for name in MODELS]))


if __name__ == "__main__":
    main()
