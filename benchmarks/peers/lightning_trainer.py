"""PyTorch Lightning: a module with the usual steps, fitted, validated and tested by its Trainer."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional

from peers.ingredients import adam, begin, images_of, loader_of, mobilenet
from peers.task import Phases, Task, answer, parse, rates


class Letters(lightning.LightningModule):
    """A classifier as Lightning's tutorials write it."""

    def __init__(self, model: nn.Module, task: Task) -> None:
        super().__init__()
        self.model, self.task = model, task

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """Return the loss of a batch."""
        images, labels = batch
        return functional.cross_entropy(self.model(images), labels)

    def _look(self, batch: list[Tensor], part: str) -> None:
        images, labels = batch
        logits = self.model(images)
        self.log(f"{part}_loss", functional.cross_entropy(logits, labels))
        self.log(f"{part}_accuracy", (logits.argmax(1) == labels).float().mean())

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        """Look at a batch of validation images."""
        self._look(batch, "val")

    def test_step(self, batch: list[Tensor], _: int) -> None:
        """Look at a batch of test images."""
        self._look(batch, "test")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return adam(self.model, self.task)


def trainer_of(task: Task) -> lightning.Trainer:
    """Return a trainer that shows, logs and checks nothing beside the work."""
    silent: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    return lightning.Trainer(
        max_epochs=task.epochs, accelerator="cpu", default_root_dir=task.out, **silent
    )


def train(task: Task, phases: Phases) -> None:
    """Train, validate after each epoch, test once."""
    module, trainer = Letters(mobilenet(task), task), trainer_of(task)
    train_loader = loader_of(task, images_of(task, "train"), shuffle=True)
    val_loader = loader_of(task, images_of(task, "val"), shuffle=False)
    test_loader = loader_of(task, images_of(task, "test"), shuffle=False)
    phases.end("loading")
    trainer.fit(module, train_loader, val_loader)
    phases.end("training")
    (scores,) = trainer.test(module, test_loader, verbose=False)
    phases.end("testing")
    trainer.save_checkpoint(task.out / "model.ckpt", weights_only=True)
    phases.end("saving")
    answer(accuracy_frac=scores["test_accuracy"], seconds=phases.seconds)


def main() -> None:
    """Do the task of the command line."""
    task, phases = parse(), Phases()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    phases.end("start")
    begin(task)
    if not task.evaluate:
        return train(task, phases)
    module, trainer = Letters(mobilenet(task), task), trainer_of(task)
    images = images_of(task, "train")
    loader = loader_of(task, images, shuffle=False)
    look = lambda: trainer.validate(module, loader, verbose=False)  # noqa: E731
    return answer(images_per_s=rates(look, len(images), task.evaluate))


if __name__ == "__main__":
    main()
