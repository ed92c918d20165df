"""What a run's networks know together: seeds of one model answer by the mean of their logits.

    python benchmarks/recipes/together.py RUN [--test]

For every model and data set of RUN with several seeds. From the predictions that the run kept:
nothing is trained, no image is read. Whether to let several answer is chosen on validation;
`--test` shows what was chosen on the test images.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from neurovisionlab.core.records import CellRecord
from neurovisionlab.lab.store import Store

Part = Literal["val", "test"]


class Together(NamedTuple):
    """Accuracies in per cent: each network alone, all as one, and that one's 95 % interval."""

    alone: list[float]
    joint: float
    low: float
    high: float


def together(logits_KNC: NDArray[np.float32], labels_N: NDArray[np.int64]) -> Together:
    """Let K networks answer N images; the interval is Wilson's, for these networks on other images.

    The class of the highest mean logit is that of the highest mean log-probability: what a softmax
    subtracts is the same for all classes of an image. Of probabilities the mean would be another
    rule; here one network that is sure a class is wrong counts for more.
    """
    right_N = logits_KNC.sum(axis=0, dtype=np.float64).argmax(axis=1) == labels_N
    interval = binomtest(int(right_N.sum()), len(labels_N)).proportion_ci(method="wilson")
    alone_K = (logits_KNC.argmax(axis=2) == labels_N).mean(axis=1)
    percents = [100 * float(one) for one in alone_K]
    return Together(percents, 100 * float(right_N.mean()), 100 * interval.low, 100 * interval.high)


def groups(records: list[CellRecord]) -> Iterator[list[CellRecord]]:
    """Yield the finished cells that differ in their seed alone, where there are several."""

    def all_but_seed(record: CellRecord) -> str:
        return record.cell.model_copy(update={"seed": 0}).model_dump_json()

    done = sorted((r for r in records if r.status == "done"), key=all_but_seed)
    for _, same in groupby(done, key=all_but_seed):
        members = list(same)
        if len(members) > 1:
            yield members


def lines(store: Store, parts: tuple[Part, ...]) -> Iterator[str]:
    """Yield a heading for each group, and a line for each part."""
    for members in groups(store.finished(store.plan().cells())):
        cell = members[0].cell
        minutes = sum(one.resources.train_time_s for one in members) / 60
        yield f"{len(members)} × {cell.label} on {cell.data.name}: {minutes:.1f} min of training"
        for part in parts:
            kept = [store.predictions(one.cell_id, part) for one in members]
            found = together(np.stack([one.logits_NC for one in kept]), kept[0].labels_N)
            alone = ", ".join(f"{one:.2f}" for one in found.alone)
            interval = f"{found.low:.1f} to {found.high:.1f}"
            yield f"  {part}: alone {alone}; together {found.joint:.2f} % ({interval})"


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--test", action="store_true", help="the test images, too")
    given = parser.parse_args()
    parts: tuple[Part, ...] = ("val", "test") if given.test else ("val",)
    said = list(lines(Store.existing(given.run), parts))
    print("\n".join(said) if said else "no model has several seeds")


if __name__ == "__main__":
    main()
