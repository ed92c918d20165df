"""This laboratory from Python: a study of one cell, run and kept."""

from __future__ import annotations

from neurovisionlab import Protocol, Study, api
from neurovisionlab.core.records import CellRecord, EpochRow
from peers.task import (
    LEARNING_RATE,
    MEAN,
    NUM_CLASSES,
    STD,
    Phases,
    Task,
    answer,
    parse,
    rates,
    read,
)

MODEL = "torchvision:mobilenet_v2"


def study_of(task: Task) -> Study:
    """Return the task as a study."""
    protocol = Protocol(
        image_px=task.px,
        scaling="standardize",
        mean=(MEAN,),
        std=(STD,),
        learning_rate=LEARNING_RATE,
        batch_size=task.batch,
        epochs=task.epochs,
        keep_weights="all",
    )
    data = f"npz:{task.data.absolute()}"
    return Study(
        name="peers", datasets=(data,), models=(MODEL,), seeds=(task.seed,), protocol=protocol
    )


def phases_of(record: CellRecord, phases: Phases) -> dict[str, float]:
    """Return where the time went; all that the cell's clocks do not know is "start"."""
    clocks = record.resources.clocks
    validation_s = sum(row.eval_s for row in record.epochs)
    seconds = {
        "loading": clocks.setup_s + clocks.staging_s,
        "training": clocks.training_s + validation_s,
        "testing": clocks.evaluation_s - validation_s,
        "saving": clocks.saving_s,
    }
    phases.end("all")
    return {"start": phases.seconds["all"] - sum(seconds.values()), **seconds}


def train(task: Task, phases: Phases) -> None:
    """Run the study."""
    run = api.prepare(study_of(task), out_dir=task.out / "run")
    for _, event in run.events():
        assert isinstance(event, EpochRow | CellRecord) or hasattr(event, "images_per_s"), event
    (record,) = run.records()
    assert record.test_scores is not None
    accuracy_frac = record.test_scores.accuracy_frac
    answer(accuracy_frac=accuracy_frac, seconds=phases_of(record, phases))


def evaluate(task: Task) -> None:
    """Say how fast the loop that looks at validation and test images is."""
    import torch
    from torch.nn import functional

    from neurovisionlab.data.batches import Batches, Scaling, stage
    from neurovisionlab.learn.answer import predict
    from neurovisionlab.learn.clock import Stopwatches
    from neurovisionlab.learn.device import choose, seed_everything
    from neurovisionlab.learn.memory import keep_freed
    from neurovisionlab.learn.model_source import ModelShape
    from neurovisionlab.learn.pace import put_into_usual_form
    from neurovisionlab.learn.zoo import build

    keep_freed()  # as in every cell
    device, clocks = choose(), Stopwatches()
    seed_everything(task.seed)
    shape = ModelShape(task.px, 1, NUM_CLASSES)
    model = build(MODEL, shape, study_of(task).protocol)
    put_into_usual_form(model, device)
    images_NHW, labels_N = read(task, "train")
    staged = stage(images_NHW[..., None], labels_N, False, device.torch_device)
    batches = Batches(staged, task.batch, task.px, 1, Scaling((MEAN,), (STD,)))

    def look() -> float:
        logits_NC, labels = predict(model, batches, device, clocks)
        functional.cross_entropy(torch.from_numpy(logits_NC), torch.from_numpy(labels)).item()
        return float((logits_NC.argmax(axis=1) == labels).mean())

    answer(images_per_s=rates(look, len(labels_N), task.evaluate))


def main() -> None:
    """Do the task of the command line."""
    task, phases = parse(), Phases()
    return evaluate(task) if task.evaluate else train(task, phases)


if __name__ == "__main__":
    main()
