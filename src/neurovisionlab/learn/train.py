"""The training loop, the same for every model."""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import lr_scheduler

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.records import EpochRow, Progress
from neurovisionlab.data.batches import Batches
from neurovisionlab.learn.answer import predict
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import Chance, Device
from neurovisionlab.learn.optimizers import make_optimizer

# A mean training loss of this many times ln(classes), the loss of guessing, does not recover.
HOPELESS = 10.0
STEPS_PER_SIGN = 50  # per progress event; clocks wait for the device, but no number is copied


@dataclass(frozen=True)
class Trainer:
    """Everything that an epoch needs besides the model: fixed for the whole training."""

    protocol: Protocol
    device: Device
    chance: Chance
    clocks: Stopwatches


class Movers(typing.NamedTuple):
    """Optimiser, scheduler and scaler: the state that persists between epochs."""

    optimizer: torch.optim.Optimizer
    scheduler: lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler


class Shuffled(typing.Protocol):
    """A source of shuffled batches, once per epoch: `Batches`."""

    def shuffled(
        self, order: torch.Generator, noise: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (images float [B, C, H, W], labels int64 [B])."""


def fit(
    model: nn.Module,
    train: Batches,
    val: Batches,
    trainer: Trainer,
    forward: nn.Module | None = None,
) -> Iterator[EpochRow | Progress]:
    """Train for the protocol's epochs; yield a row after each epoch and progress within.

    The training clock stops while the caller holds a yielded value. The caller ends a diverging
    training by no longer iterating (see `has_diverged`). `forward` is the model in its form of
    training if different: compiled, with the same weights.
    """
    protocol, clocks = trainer.protocol, trainer.clocks
    movers = make_movers(model, trainer, steps_per_epoch(len(train), protocol))
    as_they_are = train.unaugmented()
    # not `forward or model`: a compiled model has no truth value
    forward = model if forward is None else forward
    for epoch in range(1, protocol.epochs + 1):
        train_before_s, eval_before_s = clocks.seconds("training"), clocks.seconds("evaluation")
        learning_rate = movers.optimizer.param_groups[0]["lr"]
        sums = new_sums(trainer.device)
        images = train if epoch <= protocol.num_augmented_epochs else as_they_are
        for seen in run_epoch(forward, images, trainer, movers, sums):
            spent_s = clocks.seconds("training") - train_before_s
            yield Progress(
                epoch=epoch,
                num_images=seen,
                num_images_total=len(train),
                images_per_s=seen / max(spent_s, 1e-9),
            )
        loss_sum, hits, num = sums.tolist()
        logits_NC, labels_N = predict(model, val, trainer.device, clocks)
        yield EpochRow(
            epoch=epoch,
            learning_rate=learning_rate,
            train_loss=_finite(loss_sum / num),
            train_accuracy_frac=hits / num,
            val_loss=_finite(_cross_entropy(logits_NC, labels_N)),
            val_accuracy_frac=float((logits_NC.argmax(axis=1) == labels_N).mean()),
            train_s=clocks.seconds("training") - train_before_s,
            eval_s=clocks.seconds("evaluation") - eval_before_s,
        )


def run_epoch(
    model: nn.Module,
    train: Shuffled,
    trainer: Trainer,
    movers: Movers,
    sums: Tensor,
) -> Iterator[int]:
    """Run one epoch, adding loss, hits and images to `sums`; yield the images so far now and then.

    Args:
        model: called on images [B, C, H, W]; returns logits [B, C].
        train: the batches.
        trainer: fixed settings of the training.
        movers: updated at each step.
        sums: tensor [3] on the device, from `new_sums`.
    """
    device, chance = trainer.device, trainer.chance
    optimizer, scheduler, scaler = movers
    smoothing = trainer.protocol.label_smoothing
    model.train()
    batches = train.shuffled(chance.order, chance.noise)
    seen = step = 0
    done = False
    while not done:
        with trainer.clocks.on("training"):
            for images_BCHW, labels_B in batches:
                with device.autocast():
                    logits_BC = model(images_BCHW)
                    loss = functional.cross_entropy(logits_BC, labels_B, label_smoothing=smoothing)
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad(set_to_none=True)
                scheduler.step()
                _count(sums, loss, logits_BC, labels_B)
                seen += len(labels_B)
                step += 1
                if step % STEPS_PER_SIGN == 0:
                    break
            else:
                done = True
        yield seen


def new_sums(device: Device) -> Tensor:
    """Return zeros [3] on the device, for an epoch's loss, hits and images."""
    # MPS has no float64; float32 represents integers exactly up to 16 million
    has_doubles = device.torch_device.type != "mps"
    dtype = torch.float64 if has_doubles else torch.float32
    return torch.zeros(3, dtype=dtype, device=device.torch_device)


def _count(sums: Tensor, loss: Tensor, logits_BC: Tensor, labels_B: Tensor) -> None:
    """Add a batch's loss, hits and images to the sums on the device, without synchronisation."""
    hits = (logits_BC.detach().argmax(dim=1) == labels_B).sum()
    sums[0] += loss.detach() * len(labels_B)
    sums[1] += hits
    sums[2] += len(labels_B)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def has_diverged(row: EpochRow, num_classes: int) -> bool:
    """Return whether a loss is not finite, or the training loss far above that of guessing.

    A high validation loss alone is no divergence: batch statistics may lag behind for an epoch.
    """
    if row.train_loss is None or row.val_loss is None:
        return True
    return row.train_loss > HOPELESS * math.log(max(num_classes, 2))


def _cross_entropy(logits_NC: NDArray[np.float32], labels_N: NDArray[np.int64]) -> float:
    return float(functional.cross_entropy(torch.from_numpy(logits_NC), torch.from_numpy(labels_N)))


def steps_per_epoch(num_images: int, protocol: Protocol) -> int:
    """Return the steps of an epoch; a last batch of a single image is left out."""
    full, rest = divmod(num_images, protocol.batch_size)  # with a batch size of 1, rest is 0
    return max(1, full + (rest > 1))


def make_movers(model: nn.Module, trainer: Trainer, steps: int) -> Movers:
    """Return optimiser, scheduler and scaler for a training of `steps` steps per epoch."""
    optimizer = make_optimizer(model, trainer.protocol)
    schedule = make_schedule(optimizer, trainer.protocol, steps)
    return Movers(optimizer, schedule, trainer.device.scaler())


def make_schedule(
    optimizer: torch.optim.Optimizer, protocol: Protocol, steps: int
) -> lr_scheduler.LRScheduler:
    """Return the learning rate schedule of the whole training (`steps` are those of one epoch)."""
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
