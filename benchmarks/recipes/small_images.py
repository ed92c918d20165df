"""The recipe `small-images`: what suits four networks on letters, numbers and street photographs.

    python benchmarks/recipes/small_images.py write FOLDER [--data DIR]
    python benchmarks/recipes/small_images.py try FOLDER ROUND … [--jobs 1] [--seeds 1]

`write` puts training and validation images of each set into FOLDER: test images are never read.
`try` trains every line of a round of `ROUNDS` with the laboratory's own `fit`, and prints a JSON
line for each training: its settings, validation accuracy and seconds. ResNet-18 takes 22 minutes
of a CPU core for 40 epochs.
"""

from __future__ import annotations

import neurovisionlab.learn  # noqa: F401  before torch: it says how threads wait

# isort: split
import argparse
import itertools
import json
import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.records import EpochRow
from neurovisionlab.data.augment import AUGMENTATIONS
from neurovisionlab.data.batches import Batches, Scaling, stage, statistics
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import choose, seed_everything
from neurovisionlab.learn.memory import keep_freed
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.pace import put_into_usual_form
from neurovisionlab.learn.state import Trainer, Training
from neurovisionlab.learn.train import fit
from neurovisionlab.learn.zoo import build

VAL_IMAGES = 1000
# name in FOLDER: (data set, training images besides those to judge on)
SETS = {
    "few-signs": ("npz:street62", 1350),
    "few-letters": ("emnist-letters", 1445),
    "drawn-numbers": ("street-digits", 1445),
}
MODELS = ("resnet18", "mobilenetv2", "vit-tiny", "glyphnet")
BASE: dict[str, Any] = {
    "scaling": "standardize",
    "optimizer": "adamw",
    "learning_rate": 0.002,
    "schedule": "one-cycle",
    "batch_size": 64,
    "epochs": 40,
    "weight_decay": 0.05,
    "label_smoothing": 0.1,
    "augmentation": "character-safe",
    "unaugmented_frac": 0.2,
    "stem": "light",
}
# round: (sets, settings tried with each other in place of BASE's)
ROUNDS: dict[str, tuple[tuple[str, ...], dict[str, list[Any]]]] = {
    "rate": (("few-signs",), {"learning_rate": [0.002, 0.005]}),
    "batch": (("few-signs",), {"learning_rate": [0.005], "batch_size": [32]}),
    "longer": (("few-signs",), {"learning_rate": [0.005], "batch_size": [32], "epochs": [80]}),
    "short": (
        ("few-letters", "drawn-numbers"),
        {
            "learning_rate": [0.005],
            "batch_size": [32],
            "epochs": [4],
            "stem": ["imagenet"],
            "augmentation": ["none", "gentle", "character-safe"],
        },
    ),
}


class Task(NamedTuple):
    """One training: FOLDER, a set's name, a model's name, what differs from BASE, the seed."""

    folder: Path
    set_name: str
    model: str
    changed: dict[str, Any]
    seed: int


def write(folder: Path, data_dir: Path | None) -> None:
    """Write NAME.npz for each set: train and validation images, drawn by class from its train."""
    from neurovisionlab.core.spec import DataRef
    from neurovisionlab.data.home import DataHome
    from neurovisionlab.data.sources import load
    from neurovisionlab.data.splits import stratified_order

    folder.mkdir(parents=True, exist_ok=True)
    for name, (source, num_train) in SETS.items():
        images = load(DataRef(name=source), DataHome.find(data_dir))
        pool = images.part("train")
        order = pool[stratified_order(images.labels_N[pool], 0)]
        parts = {"train": order[:num_train], "val": order[-VAL_IMAGES:]}
        arrays = {f"{part}_images": images.images_NHWC[where] for part, where in parts.items()}
        arrays |= {f"{part}_labels": images.labels_N[where] for part, where in parts.items()}
        np.savez(folder / f"{name}.npz", **arrays)


def batches_of(task: Task, protocol: Protocol) -> tuple[Batches, Batches]:
    """Return training and validation images of a task on the device."""
    device = choose(protocol.precision, protocol.deterministic).torch_device
    with np.load(task.folder / f"{task.set_name}.npz") as arrays:
        staged = [
            stage(arrays[f"{part}_images"], arrays[f"{part}_labels"], to_grey=False, device=device)
            for part in ("train", "val")
        ]
    is_plain = protocol.scaling == "unit"
    scaling = Scaling((0.0,), (1.0,)) if is_plain else statistics(staged[0])
    channels, image_px = (int(size) for size in staged[0].images_NCHW.shape[1:3])
    train, val = (
        Batches(part, protocol.batch_size, image_px, channels, scaling, AUGMENTATIONS[how])
        for part, how in zip(staged, (protocol.augmentation, "none"), strict=True)
    )
    return train, val


def trained(task: Task) -> dict[str, Any]:
    """Train once; return the task, its last epoch's accuracies and the seconds of training."""
    protocol = Protocol.model_validate(BASE | task.changed)
    device, chance = choose(protocol.precision, protocol.deterministic), seed_everything(task.seed)
    keep_freed()
    train, val = batches_of(task, protocol)
    num_classes = int(train.staged.labels_N.max()) + 1
    shape = ModelShape(train.image_px, train.channels, num_classes)
    model = build(task.model, shape, protocol).to(device.torch_device)
    put_into_usual_form(model, device)
    clocks = Stopwatches(device.synchronize)
    trainer = Trainer(protocol, device, chance, clocks)
    rows = list(fit(Training(model, trainer, len(train), num_classes), train, val))
    epochs = [row for row in rows if isinstance(row, EpochRow)]
    return {
        "set": task.set_name,
        "model": task.model,
        **task.changed,
        "seed": task.seed,
        "train": round(100 * epochs[-1].train_accuracy_frac, 1),
        "val": round(100 * epochs[-1].val_accuracy_frac, 2),
        "seconds": round(clocks.seconds("training"), 1),
    }


def tasks_of(folder: Path, name: str, num_seeds: int) -> Iterator[Task]:
    """Yield the trainings of a round."""
    sets, settings = ROUNDS[name]
    for values in itertools.product(*settings.values()):
        changed = dict(zip(settings, values, strict=True))
        for seed, model, set_name in itertools.product(range(num_seeds), MODELS, sets):
            yield Task(folder, set_name, model, changed, seed)


def main() -> None:
    """Write the sets, or train the lines of a round."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("write", "try"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("rounds", nargs="*", help=", ".join(ROUNDS))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    if given.what == "write":
        write(given.folder, given.data)
        return
    tasks = [task for name in given.rounds for task in tasks_of(given.folder, name, given.seeds)]
    with multiprocessing.get_context("spawn").Pool(given.jobs, maxtasksperchild=20) as pool:
        for row in pool.imap_unordered(trained, tasks):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
