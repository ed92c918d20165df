"""The one training loop, for every model alike: `fit` moves a `Training` on."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from neurovisionlab.core.records import EpochRow, Progress
from neurovisionlab.data.batches import Batches
from neurovisionlab.learn.answer import predict
from neurovisionlab.learn.state import Movers, Trainer, Training

STEPS_PER_SIGN = 50  # a sign of life; the clocks wait for the device then, and no number is read


def fit(training: Training, train: Batches, val: Batches) -> Iterator[EpochRow | Progress]:
    """Train to the end, yielding a row after each epoch and signs of life within.

    Whenever something is yielded, `training` is all that the training is: kept then, and put back
    into a training that was just begun, it goes on to the same bits. The clocks stand still while
    the caller holds what was yielded. An epoch that diverges is the last.
    """
    trainer, clocks = training.trainer, training.trainer.clocks
    as_they_are = train.unaugmented()
    while not training.is_over:
        training.begin_epoch()
        epoch, position = training.epoch, training.position
        is_augmented = epoch <= trainer.protocol.num_augmented_epochs
        images, chance = train if is_augmented else as_they_are, trainer.chance
        batches = images.shuffled(chance.order, chance.noise, position.step)
        for num_steps, num in run_epoch(
            training.forward, batches, trainer, training.movers, training.sums
        ):
            position.step += num_steps
            position.num_images += num
            spent_s = clocks.seconds("training") - position.train_before_s
            yield Progress(
                epoch=epoch,
                num_images=position.num_images,
                num_images_total=len(train),
                images_per_s=position.num_images / max(spent_s, 1e-9),
            )
        row = _row_of(training, *predict(training.model, val, trainer.device, clocks))
        training.end_epoch(row)
        yield row


def _row_of(
    training: Training, logits_NC: NDArray[np.float32], labels_N: NDArray[np.int64]
) -> EpochRow:
    """Return what an epoch came to, by its sums and by the answers about validation images."""
    loss_sum, hits, num = training.sums.tolist()
    clocks, position = training.trainer.clocks, training.position
    return EpochRow(
        epoch=training.epoch,
        learning_rate=position.learning_rate,
        train_loss=_finite(loss_sum / num),
        train_accuracy_frac=hits / num,
        val_loss=_finite(_cross_entropy(logits_NC, labels_N)),
        val_accuracy_frac=float((logits_NC.argmax(axis=1) == labels_N).mean()),
        train_s=clocks.seconds("training") - position.train_before_s,
        eval_s=clocks.seconds("evaluation") - position.eval_before_s,
    )


def run_epoch(
    model: nn.Module,
    batches: Iterator[tuple[Tensor, Tensor]],
    trainer: Trainer,
    movers: Movers,
    sums: Tensor,
) -> Iterator[tuple[int, int]]:
    """Learn from batches (images_BCHW, labels_B), adding loss, hits and images to `sums`.

    Yields (batches, images) since the last time: every `STEPS_PER_SIGN` batches, and at the end.
    """
    device = trainer.device
    optimizer, scheduler, scaler = movers
    smoothing = trainer.protocol.label_smoothing
    model.train()
    done = False
    while not done:
        steps = seen = 0
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
                steps += 1
                if steps == STEPS_PER_SIGN:
                    break
            else:
                done = True
        yield steps, seen


def _count(sums: Tensor, loss: Tensor, logits_BC: Tensor, labels_B: Tensor) -> None:
    """Add a batch's loss, hits and images to the sums on the device, without synchronisation."""
    hits = (logits_BC.detach().argmax(dim=1) == labels_B).sum()
    sums[0] += loss.detach() * len(labels_B)
    sums[1] += hits
    sums[2] += len(labels_B)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _cross_entropy(logits_NC: NDArray[np.float32], labels_N: NDArray[np.int64]) -> float:
    return float(functional.cross_entropy(torch.from_numpy(logits_NC), torch.from_numpy(labels_N)))
