"""Training as torchvision's reference scripts do it: DataLoader, plain loop, plain evaluation."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import DataLoader

from peers.ingredients import adam, begin, images_of, loader_of, mobilenet
from peers.task import Phases, Task, answer, parse, rates

criterion = nn.CrossEntropyLoss()


def train_one_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, loader: DataLoader) -> None:
    """Go through the training images once, keeping account of loss and accuracy."""
    model.train()
    loss_sum = hits = 0.0
    for images, labels in loader:
        output = model(images)
        loss = criterion(output, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(labels)
        hits += (output.argmax(1) == labels).sum().item()


@torch.inference_mode()
def evaluate(model: nn.Module, loader: DataLoader) -> float:
    """Return the share of images that are answered rightly; the loss is looked at, too."""
    model.eval()
    loss_sum = 0.0
    hits = num = 0
    for images, labels in loader:
        output = model(images)
        loss_sum += criterion(output, labels).item() * len(labels)
        hits += int((output.argmax(1) == labels).sum().item())
        num += len(labels)
    return hits / num


def train(task: Task, phases: Phases) -> None:
    """Train, validate after each epoch, test once."""
    model = mobilenet(task)
    optimizer = adam(model, task)
    train_loader = loader_of(task, images_of(task, "train"), shuffle=True)
    val_loader = loader_of(task, images_of(task, "val"), shuffle=False)
    test_loader = loader_of(task, images_of(task, "test"), shuffle=False)
    phases.end("loading")
    for _ in range(task.epochs):
        train_one_epoch(model, optimizer, train_loader)
        evaluate(model, val_loader)
    phases.end("training")
    accuracy_frac = evaluate(model, test_loader)
    phases.end("testing")
    torch.save(model.state_dict(), task.out / "model.pth")
    phases.end("saving")
    answer(accuracy_frac=accuracy_frac, seconds=phases.seconds)


def main() -> None:
    """Do the task of the command line."""
    task, phases = parse(), Phases()
    phases.end("start")
    begin(task)
    if not task.evaluate:
        return train(task, phases)
    model, images = mobilenet(task), images_of(task, "train")
    loader = loader_of(task, images, shuffle=False)
    found = rates(lambda: evaluate(model, loader), len(images), task.evaluate)
    return answer(images_per_s=found)


if __name__ == "__main__":
    main()
