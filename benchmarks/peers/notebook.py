"""The published notebook's loop, written anew from its description (docs/protocols.md).

Images one by one through Resize, ToTensor and Normalize; loss and hits read after every step;
scikit-learn's scores at the end. At 224 px it is what was published; at 28 px the same loop does
no more work than the others. `--steps` times the former without going on to the end.
"""

from __future__ import annotations

import time
from itertools import islice

import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms

from peers.ingredients import adam, begin, images_of, loader_of, mobilenet
from peers.task import Phases, Task, answer, parse, rates

WARM_UP = 3  # steps before the clock of `--steps` starts
criterion = nn.CrossEntropyLoss()


def loader(task: Task, part: str, shuffle: bool = False) -> DataLoader:
    """Return batches of a part, each image resized to the network's size."""
    images = images_of(task, part, transforms.Resize((task.px, task.px)))
    return loader_of(task, images, shuffle)


def step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: list[Tensor]) -> int:
    """Learn from a batch; return its hits."""
    images, labels = batch
    optimizer.zero_grad()
    outputs = model(images)
    loss = criterion(outputs, labels)
    loss.backward()
    optimizer.step()
    loss.item()
    return int((outputs.max(1).indices == labels).sum().item())


def answers(model: nn.Module, batches: DataLoader) -> tuple[list[int], list[int]]:
    """Return (predicted, true) classes."""
    model.eval()
    predicted: list[int] = []
    true: list[int] = []
    with torch.no_grad():
        for images, labels in batches:
            outputs = model(images)
            criterion(outputs, labels).item()
            predicted.extend(outputs.max(1).indices.tolist())
            true.extend(labels.tolist())
    return predicted, true


def train(task: Task, phases: Phases) -> None:
    """Train, validate after each epoch, test once."""
    model = mobilenet(task)
    optimizer = adam(model, task)
    train_batches, val_batches = loader(task, "train", shuffle=True), loader(task, "val")
    test_batches = loader(task, "test")
    phases.end("loading")
    for _ in range(task.epochs):
        model.train()
        sum(step(model, optimizer, batch) for batch in train_batches)
        answers(model, val_batches)
    phases.end("training")
    predicted, true = answers(model, test_batches)
    precision_recall_fscore_support(true, predicted, average="weighted", zero_division=0)
    phases.end("testing")
    torch.save(model.state_dict(), task.out / "model.pth")
    phases.end("saving")
    answer(accuracy_frac=float(accuracy_score(true, predicted)), seconds=phases.seconds)


def time_steps(task: Task) -> None:
    """Say how many images a second are learnt from."""
    model = mobilenet(task)
    optimizer = adam(model, task)
    model.train()
    batches = iter(loader(task, "train", shuffle=True))
    for batch in islice(batches, WARM_UP):
        step(model, optimizer, batch)
    begun, num = time.perf_counter(), 0
    for batch in islice(batches, task.steps):
        step(model, optimizer, batch)
        num += len(batch[1])
    answer(train_images_per_s=num / (time.perf_counter() - begun))


def main() -> None:
    """Do the task of the command line."""
    task, phases = parse(), Phases()
    phases.end("start")
    begin(task)
    if task.steps:
        return time_steps(task)
    if not task.evaluate:
        return train(task, phases)
    model, batches = mobilenet(task), loader(task, "train")
    found = rates(lambda: answers(model, batches), len(batches.dataset), task.evaluate)  # type: ignore[arg-type]
    return answer(images_per_s=found)


if __name__ == "__main__":
    main()
