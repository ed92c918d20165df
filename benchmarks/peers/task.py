"""The task all contenders are given: one command line, the same images, one JSON line back.

Imports neither torch nor a peer: a contender pays for what it needs itself, on the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# EMNIST letters' mean and standard deviation on 0..1, as the published notebook scaled them
MEAN, STD = 0.1751, 0.3331
LEARNING_RATE = 1e-3
NUM_CLASSES = 26


@dataclass(frozen=True)
class Task:
    """What a contender is asked to do.

    Attributes:
        data: folder with train.npz, val.npz, test.npz (`images` uint8 [N, H, W], `labels`).
        out: folder for what it writes.
        epochs: passes over the training images; validation images are looked at after each.
        batch: images a step, in training and in evaluation.
        px: side of the images that the model sees.
        threads: of torch.
        workers: processes of each DataLoader; 0 loads in the process that trains.
        seed: of initial weights and order.
        tuned: a peer as a user who knows torch would set it up: convolutions in channels-last,
            the fused optimiser, images made into tensors once; else as its documentation has it.
        evaluate: do not train; evaluate the training images this many times.
        steps: do not train to the end; time this many steps (the notebook alone).
    """

    data: Path
    out: Path
    epochs: int = 3
    batch: int = 64
    px: int = 28
    threads: int = 1
    workers: int = 0
    seed: int = 0
    tuned: bool = False
    evaluate: int = 0
    steps: int = 0


def parse(words: Sequence[str] | None = None) -> Task:
    """Return the task of a command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    for name in ("epochs", "batch", "px", "threads", "workers", "seed", "evaluate", "steps"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Task, name))
    parser.add_argument("--tuned", action="store_true")
    return Task(**vars(parser.parse_args(words)))


def words_of(task: Task) -> list[str]:
    """Return the command line that `parse` reads as `task`."""
    words = []
    for name, value in vars(task).items():
        if isinstance(value, bool):
            words += [f"--{name}"] if value else []
        else:
            words += [f"--{name}", str(value)]
    return words


def read(task: Task, part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return (images_NHW, labels_N) of "train", "val" or "test"."""
    with np.load(task.data / f"{part}.npz") as arrays:
        return arrays["images"], arrays["labels"]


class Phases:
    """Where the time went: each phase from the end of the one before, the first from the start.

    The runner says in PEERS_BEGUN when it started the process.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = float(os.environ.get("PEERS_BEGUN", time.time()))

    def end(self, name: str) -> None:
        """End the phase `name`."""
        now = time.time()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now


def rates(call: Callable[[], object], num_images: int, repeats: int) -> list[float]:
    """Return images/s of `repeats` calls that each go through the images, after one to warm up."""
    call()
    found = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        found.append(num_images / (time.perf_counter() - begun))
    return found


def answer(**found: Any) -> None:
    """Print what was found as the last line."""
    print(json.dumps(found), flush=True)
