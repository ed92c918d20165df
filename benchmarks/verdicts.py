"""All verdicts of 3 data sets × 3 models × 5 seeds × 20,800 images, with 10,000 draws.

Goal: at most 5 s and 1 GiB on two cores; 1,000 cells (10 data sets × 10 models × 10 seeds of
20,800 images) at most 60 s, with `--large`. Reading predictions from disk is not counted.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

import compare
from neurovisionlab.judge.answers import Answers
from neurovisionlab.judge.ranks import overall
from neurovisionlab.judge.samples import METRICS
from neurovisionlab.judge.verdicts import DatasetVerdicts, verdicts_of_dataset

NUM_IMAGES, NUM_CLASSES, ROUNDS = 20_800, 26, 3
GOAL_S, GOAL_LARGE_S, GOAL_MIB = 5, 60, 1024


def answers(model: int, num_seeds: int, rng: np.random.Generator) -> Answers:
    """Draw networks that are right on about 94 % of the images, mostly on the same ones."""
    labels_N = np.arange(NUM_IMAGES) % NUM_CLASSES
    ease_N = np.random.default_rng(0).normal(5, 2.5, NUM_IMAGES) + rng.normal(0, 1, NUM_IMAGES)
    chance_N = 1 / (1 + np.exp(-ease_N))
    right_SN = rng.random((num_seeds, NUM_IMAGES)) < chance_N
    wrong_SN = (labels_N + rng.integers(1, 4, right_SN.shape)) % NUM_CLASSES
    return Answers(
        model=f"model-{model}",
        seeds=tuple(range(num_seeds)),
        predicted_SN=np.where(right_SN, labels_N, wrong_SN),
        nll_SN=rng.exponential(0.2, right_SN.shape),
        brier_SN=rng.exponential(0.1, right_SN.shape),
        labels_N=labels_N,
        indices_N=np.arange(NUM_IMAGES),
        num_classes=NUM_CLASSES,
    )


def judge(datasets: dict[str, list[Answers]]) -> None:
    """Judge every data set, then all of them together."""
    found: list[DatasetVerdicts] = [verdicts_of_dataset(*item) for item in datasets.items()]
    for metric in METRICS:
        overall(found, metric)


def study(num_datasets: int, num_models: int, num_seeds: int) -> dict[str, list[Answers]]:
    """Return a study's answers by data set."""
    rng = np.random.default_rng(1)
    return {
        f"data-{d}": [answers(m, num_seeds, rng) for m in range(num_models)]
        for d in range(num_datasets)
    }


def main() -> int:
    """Run the benchmark; exit code 1 if a goal is missed."""
    usual = study(3, 3, 5)
    seconds = compare.interleaved({"3 × 3 × 5": lambda: judge(usual)}, ROUNDS)
    compare.show(f"verdicts on {NUM_IMAGES:,} images", seconds)
    met = [compare.verdict("seconds", sorted(seconds["3 × 3 × 5"])[1], GOAL_S, at_least=False)]
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    met.append(compare.verdict("peak MiB", memory_mib, GOAL_MIB, at_least=False))
    if "--large" in sys.argv:
        large = study(10, 10, 10)
        begun = time.perf_counter()
        judge(large)
        spent = time.perf_counter() - begun
        met.append(compare.verdict("seconds for 1,000 cells", spent, GOAL_LARGE_S, at_least=False))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
