"""Input pipeline: an epoch of 60,000 28×28 images to normalised, shuffled batches.

Against torchvision's data set in a DataLoader, as its tutorials show it (ToTensor, Normalize).
Goal: at least ten times faster.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torchvision import datasets, transforms

import compare
from neurovisionlab.data.batches import Batches, Scaling, stage

NUM_IMAGES, BATCH, ROUNDS = 60_000, 64, 3


def write_mnist(root: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write the official layout, so that torchvision's own reader opens it."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for stem in ("train", "t10k"):
        head = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in images.shape)
        (raw / f"{stem}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = b"\0\0\x08\x01" + len(labels).to_bytes(4, "big")
        (raw / f"{stem}-labels-idx1-ubyte").write_bytes(head + labels.astype(np.uint8).tobytes())


def main() -> int:
    """Run the benchmark; exit code 1 if the goal is missed."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (NUM_IMAGES, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, NUM_IMAGES)
    staged = stage(images[..., None], labels, True, torch.device("cpu"))
    ours = Batches(staged, BATCH, 28, 1, Scaling((0.1307,), (0.3081,)))

    def lab() -> None:
        order, noise = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
        for _ in ours.shuffled(order, noise):
            pass

    with tempfile.TemporaryDirectory() as folder:
        write_mnist(Path(folder), images, labels)
        steps = [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
        theirs = datasets.MNIST(folder, transform=transforms.Compose(steps))
        loader = torch.utils.data.DataLoader(theirs, BATCH, shuffle=True)

        def torchvision_loader() -> None:
            for _ in loader:
                pass

        seconds = compare.interleaved({"torchvision": torchvision_loader, "lab": lab}, ROUNDS)
    compare.show(f"an epoch of {NUM_IMAGES:,} images to batches", seconds)
    times = compare.ratio(seconds, "torchvision", "lab")
    return 0 if compare.verdict("times faster", times, 10) else 1


if __name__ == "__main__":
    sys.exit(main())
