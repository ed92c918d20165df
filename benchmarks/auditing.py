"""The audit of 10,000 images of which many are near copies, against one of as many unlike images.

Goal: at most 1.5 times as long for 40 clusters of 250 noisy copies, and for a single cluster.
"""

from __future__ import annotations

import sys

import numpy as np

import compare
from neurovisionlab.data.audit import audit
from neurovisionlab.data.images import ImageSet, Provenance

NUM, ROUNDS, GOAL = 10_000, 5, 1.5
SIDES = (28, 63)  # px; the larger in colour


def make(num_clusters: int, side: int) -> ImageSet:
    """Return noisy copies of so many pictures, each as often as any other, mixed."""
    rng = np.random.default_rng(0)
    channels = 1 if side == SIDES[0] else 3
    small = rng.integers(0, 256, (num_clusters, 7, 7, channels), dtype=np.uint8)
    large = small.repeat(side // 7, axis=1).repeat(side // 7, axis=2)
    images = large.repeat(NUM // num_clusters, axis=0)[rng.permutation(NUM)]
    noise = rng.integers(0, 8, images.shape, dtype=np.uint8)
    return ImageSet(
        name="made",
        images_NHWC=np.minimum(images, 248) + noise,
        labels_N=np.arange(NUM) % 10,
        class_names=tuple("0123456789"),
        parts={"train": (0, NUM * 4 // 5), "test": (NUM * 4 // 5, NUM)},
        provenance=Provenance("made here", "none"),
    )


def main() -> int:
    """Run the benchmark; exit code 1 if a goal is missed."""
    met = True
    for side in SIDES:
        sets = {f"{num:,} clusters": make(num, side) for num in (NUM, 40, 1)}
        calls = {name: lambda images=images: void(audit(images)) for name, images in sets.items()}
        seconds = compare.interleaved(calls, ROUNDS)
        compare.show(f"audit of {NUM:,} images of {side} px", seconds)
        unlike, *alike = seconds
        for name in alike:
            ratio = compare.ratio(seconds, name, unlike)
            met &= compare.verdict(f"{name} ÷ unlike", ratio, GOAL, at_least=False)
    return 0 if met else 1


def void(result: object) -> None:
    """Forget a result."""


if __name__ == "__main__":
    sys.exit(main())
