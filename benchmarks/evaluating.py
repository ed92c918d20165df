"""How fast a model answers: the laboratory's evaluation against plain loops, MobileNetV2 at 28 px.

Both loops are torchvision's in form: as its tutorials have it (images made into tensors one by
one), and as somebody would who knows torch (tensors made before, channels-last). Goal: twice as
many images/s as the first; how it stands to the second is shown. Other people's loops:
`make bench-peers`.
"""

from __future__ import annotations

import neurovisionlab.learn  # noqa: F401  before torch: it says how threads wait

# isort: split
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import compare
from neurovisionlab.data.batches import Batches, Scaling, stage
from neurovisionlab.learn.answer import predict
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import choose
from neurovisionlab.learn.pace import put_into_usual_form
from peers.ingredients import images_of, loader_of, mobilenet
from peers.task import MEAN, STD, Task
from peers.torchvision_loop import evaluate

NUM_IMAGES, BATCH, ROUNDS = 4096, 64, 7
GOAL = 2.0


def main() -> int:
    """Run the benchmark; exit code 1 if the goal is missed."""
    os.environ["NVL_DEVICE"] = "cpu"  # where the plain loops are
    device = choose()
    rng = np.random.default_rng(0)
    images_NHW = rng.integers(0, 256, (NUM_IMAGES, 28, 28), dtype=np.uint8)
    labels_N = rng.integers(0, 26, NUM_IMAGES)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "train.npz", images=images_NHW, labels=labels_N)
        task = Task(Path(folder), Path(folder), batch=BATCH, threads=torch.get_num_threads())
        tuned = replace(task, tuned=True)
        loaders = [loader_of(one, images_of(one, "train"), False) for one in (task, tuned)]
    plain, knowing, ours = mobilenet(task), mobilenet(tuned), mobilenet(tuned)
    put_into_usual_form(ours, device)
    clocks = Stopwatches()
    staged = stage(images_NHW[..., None], labels_N, False, device.torch_device)
    batches = Batches(staged, BATCH, 28, 1, Scaling((MEAN,), (STD,)))
    seconds = compare.interleaved(
        {
            "plain loop": lambda: evaluate(plain, loaders[0]),
            "plain loop, tuned": lambda: evaluate(knowing, loaders[1]),
            "lab": lambda: predict(ours, batches, device, clocks),
        },
        ROUNDS,
    )
    compare.show(f"answers to {NUM_IMAGES:,} images", seconds)
    tuned_ratio = compare.ratio(seconds, "plain loop, tuned", "lab")
    print(f"  lab ÷ plain loop, tuned, images/s: {tuned_ratio:.3f}")
    met = compare.verdict(
        "lab ÷ plain loop, images/s", compare.ratio(seconds, "plain loop", "lab"), GOAL
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
