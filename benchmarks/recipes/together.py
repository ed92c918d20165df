"""What a run's networks know together: seeds of one model answer by their mean log-probability.

    python benchmarks/recipes/together.py RUN

For every model and data set of RUN with several seeds that learnt from the same images (a split of
its own for each seed would let one network have learnt what another is asked). From the predictions
that the run kept: nothing is trained, no image is read. Validation first: whether to let several
answer is chosen there.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from scipy.stats import binomtest

from neurovisionlab.core.records import CellRecord
from neurovisionlab.lab.store import Store

PARTS: tuple[Literal["val", "test"], ...] = ("val", "test")


class Together(NamedTuple):
    """Accuracies in per cent: each network alone, all as one, and that one's 95 % interval."""

    alone: list[float]
    joint: float
    low: float
    high: float


def together(logits_KNC: NDArray[np.float32], labels_N: NDArray[np.int64]) -> Together:
    """Let K networks answer N images; the interval is Wilson's, for these networks on other images.

    Summed log-probabilities, not probabilities: one network that is sure a class is wrong counts.
    """
    log_KNC = log_softmax(logits_KNC.astype(np.float64), axis=2)
    right_N = log_KNC.sum(axis=0).argmax(axis=1) == labels_N
    interval = binomtest(int(right_N.sum()), len(labels_N)).proportion_ci(method="wilson")
    alone_K = (logits_KNC.argmax(axis=2) == labels_N).mean(axis=1)
    percents = [100 * float(one) for one in alone_K]
    return Together(percents, 100 * float(right_N.mean()), 100 * interval.low, 100 * interval.high)


def groups(records: list[CellRecord]) -> Iterator[list[CellRecord]]:
    """Yield the cells that differ in their seed alone, where there are several."""

    def all_but_seed(record: CellRecord) -> str:
        return record.cell.model_copy(update={"seed": 0}).model_dump_json() + record.split_id

    done = sorted((r for r in records if r.status == "done"), key=all_but_seed)
    for _, same in groupby(done, key=all_but_seed):
        members = list(same)
        if len(members) > 1:
            yield members


def lines(store: Store) -> Iterator[str]:
    """Yield a line for each group and part."""
    for members in groups(store.finished(store.plan().cells())):
        cell = members[0].cell
        minutes = sum(one.resources.train_time_s for one in members) / 60
        yield f"{len(members)} × {cell.model} on {cell.data.name}: {minutes:.1f} min of training"
        for part in PARTS:
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
    given = parser.parse_args()
    said = list(lines(Store.existing(given.run)))
    print(
        "\n".join(said) if said else "no model has several seeds that learnt from the same images"
    )


if __name__ == "__main__":
    main()
