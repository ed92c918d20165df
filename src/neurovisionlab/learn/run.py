"""One cell from start to end. Start reading at `_run_on`: it is the method section of the study."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from torch import nn

from neurovisionlab.core.bounds import PartName
from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.metrics import score
from neurovisionlab.core.predictions import CellResult, Predictions, SplitIndices
from neurovisionlab.core.records import EpochRow, Progress
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.sources import load
from neurovisionlab.data.splits import split
from neurovisionlab.learn.answer import predict
from neurovisionlab.learn.checkpoint import Built, to_bytes
from neurovisionlab.learn.clock import Contention, Stopwatches
from neurovisionlab.learn.device import Device, choose, memory_errors_explained, seed_everything
from neurovisionlab.learn.memory import keep_freed
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.outcome import Outcome
from neurovisionlab.learn.pace import put_into_usual_form, settle
from neurovisionlab.learn.parts import Parts, preprocessing_of, stage_parts
from neurovisionlab.learn.rehearsal import rehearse
from neurovisionlab.learn.state import Trainer, Training
from neurovisionlab.learn.train import fit
from neurovisionlab.learn.zoo import build, check_unchanged

WatchCell = Callable[[EpochRow | Progress], None]


def run_cell(cell: CellSpec, watch: WatchCell, home: DataHome) -> CellResult:
    """Train one model on one data set from one seed, and test it once.

    Args:
        cell: the cell, fully resolved.
        watch: called after each epoch, and with progress within epochs.
        home: folder of the data sets.

    Raises:
        NvlError: the data changed since the study was expanded, or something does not fit.
    """
    device = choose(cell.protocol.precision, cell.protocol.deterministic)
    with memory_errors_explained(device, cell.cell_id):
        return _run_on(device, cell, watch, home)


def _run_on(device: Device, cell: CellSpec, watch: WatchCell, home: DataHome) -> CellResult:
    keep_freed()
    clocks, contention = Stopwatches(device.synchronize), Contention()
    with clocks.on("setup"):
        images = _load_unchanged(cell, home)
        weights_source = check_unchanged(cell.model, cell.model_digest, cell.protocol.pretrained)
        indices = split(images, cell)
        chance = seed_everything(cell.seed)
        model = build(cell.model, shape_of(cell), cell.protocol).to(device.torch_device)
    with clocks.on("staging"):
        parts = stage_parts(images, indices, cell, device)
        del images
    trainer = Trainer(cell.protocol, device, chance, clocks)
    begun = Outcome(
        cell=cell,
        model=model,
        trainer=trainer,
        indices=indices,
        preprocessing=preprocessing_of(parts.train),
        weights_source=weights_source,
    )
    with clocks.on("setup"):
        put_into_usual_form(model, device)
        rehearse(model, cell, parts, trainer, begun.record)
        built = Built.of(model)
        settled = settle(model, parts.train, trainer)
        training = Training(model, trainer, len(parts.train), cell.num_classes, settled.forward)
    for event in fit(training, parts.train, parts.val):
        watch(event)
    predictions = dict(_predictions(training, parts, indices))
    with clocks.on("saving"):
        weights = None if training.story.diverged else _serialised(model, cell, built)
        scores = {part: score(p.logits_NC, p.labels_N) for part, p in predictions.items()}
    outcome = dataclasses.replace(
        begun,
        story=training.story,
        execution=settled.execution,
        scores=scores,
        contention_frac=contention.frac(),
    )
    return CellResult(outcome.record(), indices, predictions, weights)


def shape_of(cell: CellSpec) -> ModelShape:
    """Return the shape of the cell's model."""
    return ModelShape(cell.image_px, cell.channels, cell.num_classes)


def _load_unchanged(cell: CellSpec, home: DataHome) -> ImageSet:
    images = load(cell.data_ref, home)
    if images.digest != cell.data.digest:
        raise DataError(
            mould(
                cell.data.name,
                f"the images of digest {cell.data.digest[:12]}",
                f"{images.digest[:12]}: they changed since the run began",
                "to run again",
            )
        )
    return images


def _predictions(
    training: Training, parts: Parts, indices: SplitIndices
) -> Iterator[tuple[PartName, Predictions]]:
    """Yield what the tested weights answer in each evaluation; nothing of a diverged training.

    The only time that test images are looked at: training and all choices are over.
    """
    story, trainer = training.story, training.trainer
    if story.diverged:
        return
    training.take_tested_weights()
    answers = {
        part: predict(training.model, asked, trainer.device, trainer.clocks)
        for part, asked in parts.evaluated.items()
    }
    # losses may be finite all the same: of a class that is never right, or of other images
    story.diverged = not all(np.isfinite(logits_NC).all() for logits_NC, _ in answers.values())
    for part, (logits_NC, labels_N) in () if story.diverged else answers.items():
        yield part, Predictions(logits_NC, labels_N, indices.evaluated[part])


def _serialised(model: nn.Module, cell: CellSpec, built: Built) -> bytes | None:
    """Return the weights as a safetensors file; None if the study stores none."""
    if cell.protocol.keep_weights == "none":
        return None
    return to_bytes(model, {"cell_id": cell.cell_id}, built)
