"""All that a training is: what it has come to, and what decides how it goes on."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.records import EpochRow
from neurovisionlab.learn.checkpoint import put_all_back, put_back, unsaved_buffers
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import Chance, Device
from neurovisionlab.learn.optimizers import make_optimizer
from neurovisionlab.learn.schedules import has_diverged, make_schedule, steps_per_epoch

StateDict = dict[str, Any]


@dataclass(frozen=True)
class Trainer:
    """All that an epoch needs beside the model: fixed for the whole training."""

    protocol: Protocol
    device: Device
    chance: Chance
    clocks: Stopwatches


class Movers(NamedTuple):
    """What moves the weights, and remembers from one step to the next."""

    optimizer: torch.optim.Optimizer
    scheduler: lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler


@dataclass
class Position:
    """Where in an epoch a training is.

    Attributes:
        step, num_images: batches and images of this epoch that the model has learnt from; a
            training stands between two epochs while `step` is 0.
        learning_rate: at the beginning of the epoch.
        train_before_s, eval_before_s: the clocks at the beginning of the epoch.
        order: state of the generator that draws the order of images, before it drew this epoch's.
    """

    step: int = 0
    num_images: int = 0
    learning_rate: float = 0.0
    train_before_s: float = 0.0
    eval_before_s: float = 0.0
    order: Tensor | None = None


@dataclass
class Story:
    """What happened so far: a row for each epoch, and the weights that will be tested.

    Attributes:
        rows: of the finished epochs, in order.
        diverged: whether the last epoch ended the training (`schedules.has_diverged`).
        best: the row with the highest validation accuracy, the first of equals; None where the
            protocol tests the last epoch.
        best_weights: the model's state after that epoch.
    """

    rows: list[EpochRow] = field(default_factory=list)
    diverged: bool = False
    best: EpochRow | None = None
    best_weights: dict[str, Any] | None = None

    @property
    def tested_epoch(self) -> int | None:
        """The epoch whose weights are tested; None where the training diverged."""
        if self.diverged:
            return None
        return self.best.epoch if self.best else self.rows[-1].epoch


class Training:
    """A training at one moment; `train.fit` moves it on.

    Attributes:
        model: with the weights of this moment.
        forward: the model in the form in which it trains, if that is another: compiled, with the
            same weights.
        trainer: protocol, device, random streams and clocks.
        movers: optimiser, schedule and loss scaler.
        position: where in the epoch it is.
        sums: [3], loss, hits and images of this epoch, on the device.
        story: what the finished epochs came to.
    """

    def __init__(
        self,
        model: nn.Module,
        trainer: Trainer,
        num_images: int,
        num_classes: int,
        forward: nn.Module | None = None,
    ) -> None:
        """Begin a training.

        Args:
            model: on the device, in the memory format in which it will train.
            trainer: what stays the same throughout.
            num_images: of the training part.
            num_classes: decides when a loss is hopeless.
            forward: see above.
        """
        self.model = model
        # not `forward or model`: a compiled model has no truth value
        self.forward = model if forward is None else forward
        self.trainer = trainer
        self.num_classes = num_classes
        self.movers = make_movers(model, trainer, steps_per_epoch(num_images, trainer.protocol))
        self.position = Position()
        self.sums = new_sums(trainer.device)
        self.story = Story()

    @property
    def epoch(self) -> int:
        """The epoch that is going on or comes next, counted from 1."""
        return len(self.story.rows) + 1

    @property
    def is_over(self) -> bool:
        """Whether no epoch is left, or the last one diverged."""
        return self.story.diverged or self.epoch > self.trainer.protocol.epochs

    def begin_epoch(self) -> None:
        """Take note of how the epoch begins, unless it has begun already."""
        if self.position.step and self.position.order is not None:
            # the order of its images is drawn again; what was learnt from is left out
            self.trainer.chance.order.set_state(self.position.order)
            return
        clocks = self.trainer.clocks
        self.position = Position(
            learning_rate=self.movers.optimizer.param_groups[0]["lr"],
            train_before_s=clocks.seconds("training"),
            eval_before_s=clocks.seconds("evaluation"),
            order=self.trainer.chance.order.get_state(),
        )
        self.sums.zero_()

    def end_epoch(self, row: EpochRow) -> None:
        """Take note of what an epoch came to."""
        self.position = Position()
        story, protocol = self.story, self.trainer.protocol
        story.rows.append(row)
        story.diverged = has_diverged(row, self.num_classes)
        if story.diverged or protocol.keep_epoch == "last":
            return
        if story.best is None or row.val_accuracy_frac > story.best.val_accuracy_frac:
            story.best, story.best_weights = row, copy.deepcopy(self.model.state_dict())

    def take_tested_weights(self) -> None:
        """Give the model the weights of the epoch that is to be tested."""
        if self.story.best_weights is not None:
            put_back(self.model, self.story.best_weights)

    def state_dict(self) -> StateDict:
        """Return all of it as tensors, numbers and text: what `torch.save` can keep.

        Tensors are not copied: what is kept in memory while the training goes on must be.
        """
        story, saved = self.story, self.model.state_dict().keys()
        buffers = self.model.named_buffers(remove_duplicate=False)
        return {
            "model": {**unsaved_buffers(self.model), **self.model.state_dict()},
            "persistent": {name: name in saved for name, _ in buffers},
            "movers": {name: one.state_dict() for name, one in self.movers._asdict().items()},
            "chance": _chance_state(self.trainer),
            "clocks": self.trainer.clocks.state_dict(),
            "position": asdict(self.position),
            "sums": self.sums,
            "rows": [row.model_dump() for row in story.rows],
            "diverged": story.diverged,
            "best_epoch": None if story.best is None else story.best.epoch,
            "best_weights": story.best_weights,
        }

    def load_state_dict(self, state: StateDict) -> None:
        """Go on from what `state_dict` returned of a training of the same cell.

        Raises:
            ModelError: the weights are another model's.
        """
        state = copy.deepcopy(state)  # one state may begin several trainings
        put_all_back(self.model, state["model"], state["persistent"])
        for name, kept in state["movers"].items():
            getattr(self.movers, name).load_state_dict(kept)
        _put_back_chance(self.trainer, state["chance"])
        self.trainer.clocks.load_state_dict(state["clocks"])
        self.position = Position(**state["position"])
        self.sums.copy_(state["sums"])
        rows = [EpochRow.model_validate(row) for row in state["rows"]]
        best = None if state["best_epoch"] is None else rows[state["best_epoch"] - 1]
        self.story = Story(rows, state["diverged"], best, state["best_weights"])


def new_sums(device: Device) -> Tensor:
    """Return zeros [3] on the device, for an epoch's loss, hits and images."""
    # MPS has no float64; float32 counts up to 16 million images without a gap
    has_doubles = device.torch_device.type != "mps"
    dtype = torch.float64 if has_doubles else torch.float32
    return torch.zeros(3, dtype=dtype, device=device.torch_device)


def make_movers(model: nn.Module, trainer: Trainer, steps: int) -> Movers:
    """Return what a training of so many steps an epoch needs beside the model."""
    optimizer = make_optimizer(model, trainer.protocol)
    schedule = make_schedule(optimizer, trainer.protocol, steps)
    return Movers(optimizer, schedule, trainer.device.scaler())


def _chance_state(trainer: Trainer) -> StateDict:
    """Return every source of random numbers: ours, and those that a model's code may use."""
    kind, numbers, *rest = np.random.get_state()  # noqa: NPY002 - a user's code may
    return {
        "order": trainer.chance.order.get_state(),
        "noise": trainer.chance.noise.get_state(),
        "torch": trainer.device.chance_state(),
        "numpy": [kind, torch.from_numpy(np.asarray(numbers, np.int64)), *rest],
        "python": random.getstate(),
    }


def _put_back_chance(trainer: Trainer, state: Mapping[str, Any]) -> None:
    trainer.chance.order.set_state(state["order"])
    trainer.chance.noise.set_state(state["noise"])
    trainer.device.take_chance_state(state["torch"])
    kind, numbers, *rest = state["numpy"]
    np.random.set_state((kind, numbers.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
