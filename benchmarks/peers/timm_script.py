"""timm's training script, `train.py` of a checkout of pytorch-image-models.

TIMM_CHECKOUT names the checkout. Its `main` is run as it is, but for two names that it looks up:
the network is the one all contenders train, and the images come from the common arrays instead
of a folder of files. The script knows no test images: they are looked at by torchvision's loop over
timm's own loader.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import torch
from torch.utils.data import DataLoader

from peers.ingredients import Pictures, begin, mobilenet
from peers.task import LEARNING_RATE, MEAN, STD, Phases, Task, answer, parse, rates, read
from peers.torchvision_loop import evaluate


def options(task: Task) -> list[str]:
    """Return the script's options: no augmentation, smoothing or schedule, hardly any logs."""
    settings: dict[str, object] = {
        "data-dir": task.data,
        "output": task.out,
        "experiment": "peers",
        "device": "cpu",
        "input-size": f"1 {task.px} {task.px}",
        "mean": MEAN,
        "std": STD,
        "crop-pct": 1.0,
        "batch-size": task.batch,
        "epochs": task.epochs,
        "workers": task.workers,
        "opt": "adam",
        "lr": LEARNING_RATE,
        "weight-decay": 0.0,
        "sched": "step",
        "decay-epochs": 10_000,
        "warmup-epochs": 0,
        "cooldown-epochs": 0,
        "smoothing": 0.0,
        "seed": task.seed,
        "log-interval": 1_000_000,
        "checkpoint-hist": 1,
    }
    words = [word for key, value in settings.items() for word in (f"--{key}", *str(value).split())]
    tuned = ["--channels-last", "--opt-kwargs", "fused=True"] if task.tuned else []
    return [*words, "--no-aug", *tuned]


def loader_of(task: Task, part: str) -> DataLoader:
    """Return the script's own loader of a part, in order."""
    from timm.data import create_loader

    return create_loader(
        Pictures(*read(task, part)),
        input_size=(1, task.px, task.px),
        batch_size=task.batch,
        mean=(MEAN,),
        std=(STD,),
        crop_pct=1.0,
        num_workers=task.workers,
        device=torch.device("cpu"),
    )


def train(task: Task, phases: Phases) -> None:
    """Run the script, test once."""
    import train as script

    def images(*_: Any, is_training: bool = False, **__: Any) -> Pictures:
        return Pictures(*read(task, "train" if is_training else "val"))

    model = mobilenet(task)
    script.create_model = lambda *_, **__: model
    script.create_dataset = images
    sys.argv = ["train.py", *options(task)]
    phases.end("loading")
    script.main()
    phases.end("training")
    accuracy_frac = evaluate(model, loader_of(task, "test"))
    phases.end("testing")
    answer(accuracy_frac=accuracy_frac, seconds=phases.seconds)


def main() -> None:
    """Do the task of the command line."""
    task, phases = parse(), Phases()
    sys.path.insert(0, os.environ["TIMM_CHECKOUT"])
    phases.end("start")
    begin(task)
    if not task.evaluate:
        return train(task, phases)
    model, loader = mobilenet(task), loader_of(task, "train")
    num_images = len(read(task, "train")[1])
    return answer(images_per_s=rates(lambda: evaluate(model, loader), num_images, task.evaluate))


if __name__ == "__main__":
    main()
