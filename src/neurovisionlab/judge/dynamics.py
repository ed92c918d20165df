"""Dynamics of training: speed of convergence, onset of overfitting, stability."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.protocol import PositiveInt
from neurovisionlab.core.records import EpochRow

OPEN_FRAC = 0.01  # a gap of one point: training images are recognised better than others


class Dynamics(Frozen):
    """Dynamics of one network's training; epochs count from 1.

    Attributes:
        num_epochs: number of epochs trained.
        final_val_accuracy_frac: validation accuracy after the last epoch, 0..1.
        epochs_to_90, epochs_to_95, epochs_to_99: first epoch that reaches 90, 95, 99 % of it.
        final_gap_frac: accuracy during the last epoch of training minus validation accuracy after
            it. Training accuracy is measured while weights change, with dropout and augmentation
            on: values below 0 are common early, and throughout with strong augmentation.
        gap_opens_epoch: first epoch from which on the gap stays above one point; null for never.
        largest_drop_frac: largest decrease of validation accuracy between consecutive epochs, 0 if
            it never decreased.
        drop_epoch: the epoch after which it had decreased; null if it never decreased.
    """

    num_epochs: PositiveInt
    final_val_accuracy_frac: float
    epochs_to_90: PositiveInt
    epochs_to_95: PositiveInt
    epochs_to_99: PositiveInt
    final_gap_frac: float
    gap_opens_epoch: int | None
    largest_drop_frac: float
    drop_epoch: int | None


class SeedRange(Frozen):
    """A number over seeds: median, lowest and highest value."""

    middle: float
    low: float
    high: float


class DynamicsOverSeeds(Frozen):
    """Dynamics of one model's trainings.

    `num_opened` counts seeds whose gap opens; the range of `gap_opens_epoch` is over those, null if
    there are none.
    """

    model: str
    num_seeds: PositiveInt
    final_val_accuracy_frac: SeedRange
    epochs_to_90: SeedRange
    epochs_to_95: SeedRange
    epochs_to_99: SeedRange
    final_gap_frac: SeedRange
    num_opened: int
    gap_opens_epoch: SeedRange | None
    largest_drop_frac: SeedRange


def dynamics(epochs: Sequence[EpochRow]) -> Dynamics:
    """Describe one training.

    Args:
        epochs: one row per epoch, in order.

    Raises:
        DataError: `epochs` is empty.
    """
    if not epochs:
        expected, remedy = "at least one epoch", "a cell that was trained"
        raise DataError(mould("training curve", expected, "none", remedy))
    accuracies = [row.val_accuracy_frac for row in epochs]
    gaps = [row.train_accuracy_frac - row.val_accuracy_frac for row in epochs]
    drops = [before - after for before, after in pairwise(accuracies)]
    largest = max(drops, default=0.0)
    return Dynamics(
        num_epochs=len(epochs),
        final_val_accuracy_frac=accuracies[-1],
        epochs_to_90=_first_reaching(0.90, accuracies),
        epochs_to_95=_first_reaching(0.95, accuracies),
        epochs_to_99=_first_reaching(0.99, accuracies),
        final_gap_frac=gaps[-1],
        gap_opens_epoch=_opens(gaps),
        largest_drop_frac=max(0.0, largest),
        # drops[0] is what epoch 2 lost
        drop_epoch=drops.index(largest) + 2 if largest > 0 else None,
    )


def _first_reaching(share: float, accuracies: Sequence[float]) -> int:
    goal = share * accuracies[-1]
    return next(epoch for epoch, value in enumerate(accuracies, 1) if value >= goal)


def _opens(gaps: Sequence[float]) -> int | None:
    """Return the epoch after the last one with a gap of at most a point; None if there is none."""
    closed = max((epoch for epoch, gap in enumerate(gaps, 1) if gap <= OPEN_FRAC), default=0)
    return closed + 1 if closed < len(gaps) else None


def dynamics_over_seeds(model: str, trainings: Sequence[Sequence[EpochRow]]) -> DynamicsOverSeeds:
    """Describe the trainings of one model, one per seed, in any order.

    Raises:
        DataError: no trainings, or a training without epochs.
    """
    if not trainings:
        expected, remedy = "at least one training", "to run the study"
        raise DataError(mould(model, expected, "none", remedy))
    found = [dynamics(epochs) for epochs in trainings]
    opened = [one.gap_opens_epoch for one in found if one.gap_opens_epoch is not None]
    return DynamicsOverSeeds(
        model=model,
        num_seeds=len(found),
        final_val_accuracy_frac=_range([one.final_val_accuracy_frac for one in found]),
        epochs_to_90=_range([one.epochs_to_90 for one in found]),
        epochs_to_95=_range([one.epochs_to_95 for one in found]),
        epochs_to_99=_range([one.epochs_to_99 for one in found]),
        final_gap_frac=_range([one.final_gap_frac for one in found]),
        num_opened=len(opened),
        gap_opens_epoch=_range(opened) if opened else None,
        largest_drop_frac=_range([one.largest_drop_frac for one in found]),
    )


def _range(values: Sequence[float]) -> SeedRange:
    return SeedRange(middle=median(values), low=min(values), high=max(values))
