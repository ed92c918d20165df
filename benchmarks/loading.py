"""The complete EMNIST letters: read and staged, warm; its peak memory; its audit.

Goals on two cores: 3 s and 2.5 times the raw array for reading and staging all 145,600 images,
60 s for their audit. The real files are used where they are (NVL_DATA), else random images of
the same size in the official layout.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import compare
from neurovisionlab.core.errors import DataError
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.audit import audit
from neurovisionlab.data.batches import stage
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.official import files_of
from neurovisionlab.data.sources import SOURCES, load
from neurovisionlab.learn.device import choose
from neurovisionlab.learn.memory import PeakMemory

NAME, ROUNDS = "emnist-letters", 3


def write_random(folder: Path) -> None:
    """Write random images in EMNIST's layout, as many as the real set has."""
    raw = folder / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, num in zip(("train", "test"), SOURCES[NAME].num_images, strict=True):
        assert num is not None
        head = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (num, 28, 28))
        images = head + rng.bytes(num * 28 * 28)
        (raw / f"{NAME}-{part}-images-idx3-ubyte").write_bytes(images)
        labels = rng.integers(1, 27, num, dtype=np.uint8).tobytes()
        head = b"\0\0\x08\x01" + num.to_bytes(4, "big")
        (raw / f"{NAME}-{part}-labels-idx1-ubyte").write_bytes(head + labels)


def load_and_stage(home: DataHome) -> ImageSet:
    """Do what a cell does before its first epoch."""
    images = load(DataRef(name=NAME), home)
    stage(images.images_NHWC, images.labels_N, False, torch.device("cpu"))
    return images


def peak_ratio(home: DataHome) -> float:
    """Return the growth of this process's peak memory over the raw array's size."""
    memory = PeakMemory(choose())
    images = load_and_stage(home)
    return (memory.read().peak_mib or 0.0) * 2**20 / images.images_NHWC.nbytes


def bench(home: DataHome, what: str) -> int:
    """Measure with the data at `home`; return 1 if a goal is missed."""
    seconds = compare.interleaved({"read and stage": lambda: void(load_and_stage(home))}, ROUNDS)
    compare.show(f"EMNIST letters, {what}", seconds)
    met = compare.verdict("seconds", sorted(seconds["read and stage"])[ROUNDS // 2], 3, False)
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        ratio = fresh.apply(peak_ratio, (home,))
    met &= compare.verdict("peak memory ÷ raw array", ratio, 2.5, False)
    images = load(DataRef(name=NAME), home)
    seconds = compare.interleaved({"audit": lambda: void(audit(images))}, 1)
    compare.show(f"audit of {len(images.labels_N):,} images", seconds)
    met &= compare.verdict("seconds", seconds["audit"][0], 60, False)
    return 0 if met else 1


def void(result: object) -> None:
    """Forget a result."""


def main() -> int:
    """Run the benchmark; exit code 1 if a goal is missed."""
    home = DataHome.find(None)
    try:
        list(files_of(NAME, home))
    except DataError:
        with tempfile.TemporaryDirectory() as folder:
            write_random(Path(folder))
            return bench(DataHome.find(folder), "random images in the official layout")
    return bench(home, "the real set")


if __name__ == "__main__":
    sys.exit(main())
