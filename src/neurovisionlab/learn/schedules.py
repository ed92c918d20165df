"""How the learning rate goes over a training, and when a training is hopeless."""

from __future__ import annotations

import math

import torch
from torch.optim import lr_scheduler

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.records import EpochRow

# A mean training loss this many times the loss of guessing, ln(classes), will not come back.
HOPELESS = 10.0


def steps_per_epoch(num_images: int, protocol: Protocol) -> int:
    """Return the steps of an epoch; a last batch of a single image is left out."""
    full, rest = divmod(num_images, protocol.batch_size)  # with a batch of 1, rest is 0
    return max(1, full + (rest > 1))


def make_schedule(
    optimizer: torch.optim.Optimizer, protocol: Protocol, steps: int
) -> lr_scheduler.LRScheduler:
    """Return the learning rate over all steps of the training (`steps` are those of one epoch)."""
    total = steps * protocol.epochs
    if protocol.schedule == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=total)
    if protocol.schedule == "one-cycle":
        rate = protocol.learning_rate
        # total + 1: the scheduler steps once more after the last batch
        return lr_scheduler.OneCycleLR(optimizer, rate, total + 1, cycle_momentum=False)
    if protocol.schedule == "warm-up":
        ramp = max(1, round(0.05 * total))
        return lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / ramp))
    return lr_scheduler.ConstantLR(optimizer, factor=1.0)


def has_diverged(row: EpochRow, num_classes: int) -> bool:
    """Return whether a loss is not finite, or training's hopelessly above that of guessing.

    A high validation loss alone is no divergence: batch statistics may lag behind for an epoch.
    """
    if row.train_loss is None or row.val_loss is None:
        return True
    return row.train_loss > HOPELESS * math.log(max(num_classes, 2))
