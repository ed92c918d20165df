"""The one training loop, for every model alike."""

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

# A mean training loss this many times the loss of guessing, ln(classes), will not come back.
HOPELESS = 10.0
STEPS_PER_SIGN = 50  # a sign of life; the clocks wait for the device then, and no number is read


@dataclass(frozen=True)
class Trainer:
    """All that an epoch needs beside the model: fixed for the whole training."""

    protocol: Protocol
    device: Device
    chance: Chance
    clocks: Stopwatches


class Movers(typing.NamedTuple):
    """What moves the weights, and remembers from one epoch to the next."""

    optimizer: torch.optim.Optimizer
    scheduler: lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler


class Shuffled(typing.Protocol):
    """Whatever can be gone through in batches once per epoch: `Batches`."""

    def shuffled(
        self, order: torch.Generator, noise: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (images_BCHW, labels_B)."""


def fit(
    model: nn.Module,
    train: Batches,
    val: Batches,
    trainer: Trainer,
    forward: nn.Module | None = None,
) -> Iterator[EpochRow | Progress]:
    """Train for the protocol's epochs, yielding a row after each and signs of life within.

    The training clock stands still while the caller holds what was yielded. The caller ends a
    training that diverges by not asking for more (see `has_diverged`). `forward` is the model in
    the form in which it trains, if that is another: compiled, with the same weights.
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
    """Run one epoch, adding loss, hits and images to `sums`; yield images seen now and then."""
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
    # MPS has no float64; float32 counts up to 16 million images without a gap
    has_doubles = device.torch_device.type != "mps"
    dtype = torch.float64 if has_doubles else torch.float32
    return torch.zeros(3, dtype=dtype, device=device.torch_device)


def _count(sums: Tensor, loss: Tensor, logits_BC: Tensor, labels_B: Tensor) -> None:
    """Add a batch's loss, hits and images to the sums on the device, without waiting for it."""
    hits = (logits_BC.detach().argmax(dim=1) == labels_B).sum()
    sums[0] += loss.detach() * len(labels_B)
    sums[1] += hits
    sums[2] += len(labels_B)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def has_diverged(row: EpochRow, num_classes: int) -> bool:
    """Return whether a loss is not finite, or training's hopelessly above that of guessing.

    A high validation loss alone is no divergence: batch statistics may lag behind for an epoch.
    """
    if row.train_loss is None or row.val_loss is None:
        return True
    return row.train_loss > HOPELESS * math.log(max(num_classes, 2))


def _cross_entropy(logits_NC: NDArray[np.float32], labels_N: NDArray[np.int64]) -> float:
    return float(functional.cross_entropy(torch.from_numpy(logits_NC), torch.from_numpy(labels_N)))


def steps_per_epoch(num_images: int, protocol: Protocol) -> int:
    """Return the steps of an epoch; a last batch of a single image is left out."""
    full, rest = divmod(num_images, protocol.batch_size)  # with a batch of 1, rest is 0
    return max(1, full + (rest > 1))


def make_movers(model: nn.Module, trainer: Trainer, steps: int) -> Movers:
    """Return what a training of so many steps an epoch needs beside the model."""
    optimizer = make_optimizer(model, trainer.protocol)
    schedule = make_schedule(optimizer, trainer.protocol, steps)
    return Movers(optimizer, schedule, trainer.device.scaler())


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
