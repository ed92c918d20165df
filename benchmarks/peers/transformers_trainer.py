"""Hugging Face's Trainer: a network that returns its loss, fitted and evaluated by the Trainer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset
from transformers import EvalPrediction, Trainer, TrainingArguments

from peers.ingredients import begin, images_of, mobilenet
from peers.task import LEARNING_RATE, Phases, Task, answer, parse, rates

SILENT: dict[str, Any] = {
    "save_strategy": "no",
    "logging_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
}


class WithLoss(nn.Module):
    """A network that answers as the Trainer expects."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return loss and logits."""
        logits = self.model(pixel_values)
        return {"loss": functional.cross_entropy(logits, labels), "logits": logits}


def together(items: list[tuple[Tensor, int | Tensor]]) -> dict[str, Tensor]:
    """Return a batch."""
    images, labels = zip(*items, strict=True)
    labels_B = torch.tensor([int(label) for label in labels])
    return {"pixel_values": torch.stack(images), "labels": labels_B}


def accuracy(found: EvalPrediction) -> dict[str, float]:
    """Return the share of images that were answered rightly."""
    return {"accuracy": float((found.predictions.argmax(-1) == found.label_ids).mean())}


def arguments(task: Task) -> TrainingArguments:
    """Return the common protocol, with logs, progress bars and clipping off.

    AdamW without weight decay is Adam; the Trainer's default form of it is fused already.
    """
    return TrainingArguments(
        output_dir=str(task.out),
        num_train_epochs=task.epochs,
        per_device_train_batch_size=task.batch,
        per_device_eval_batch_size=task.batch,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=0.0,
        eval_strategy="epoch",
        use_cpu=True,
        seed=task.seed,
        **SILENT,
        dataloader_num_workers=task.workers,
        dataloader_persistent_workers=task.workers > 0,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
    )


def trainer_of(task: Task, parts: dict[str, Dataset[tuple[Tensor, int]]]) -> Trainer:
    """Return a trainer of a new network."""
    return Trainer(
        model=WithLoss(mobilenet(task)),
        args=arguments(task),
        data_collator=together,
        train_dataset=parts["train"],
        eval_dataset=parts.get("val", parts["train"]),
        compute_metrics=accuracy,
    )


def train(task: Task, phases: Phases) -> None:
    """Train, validate after each epoch, test once."""
    parts = {part: images_of(task, part) for part in ("train", "val", "test")}
    trainer = trainer_of(task, parts)
    phases.end("loading")
    trainer.train()
    phases.end("training")
    scores = trainer.evaluate(parts["test"], metric_key_prefix="test")
    phases.end("testing")
    trainer.save_model(str(task.out))
    phases.end("saving")
    answer(accuracy_frac=scores["test_accuracy"], seconds=phases.seconds)


def main() -> None:
    """Do the task of the command line."""
    task, phases = parse(), Phases()
    phases.end("start")
    begin(task)
    if not task.evaluate:
        return train(task, phases)
    images = images_of(task, "train")
    trainer = trainer_of(task, {"train": images})
    return answer(images_per_s=rates(trainer.evaluate, len(images), task.evaluate))


if __name__ == "__main__":
    main()
