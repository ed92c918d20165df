"""One cell from start to end. Read `_run_on` first: it is the method section of the study."""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import nn

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.metrics import Scores, score
from neurovisionlab.core.records import (
    CellRecord,
    CellResult,
    EpochRow,
    Part,
    Predictions,
    PredictionsByPart,
    Progress,
    ResourceUse,
    SplitIndices,
)
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.sources import load
from neurovisionlab.data.splits import split
from neurovisionlab.learn.answer import predict
from neurovisionlab.learn.checkpoint import Built, put_back, to_bytes
from neurovisionlab.learn.clock import Contention, Stopwatches, now_iso
from neurovisionlab.learn.device import (
    Device,
    choose,
    describe_machine,
    memory_errors_explained,
    seed_everything,
)
from neurovisionlab.learn.memory import keep_freed
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.pace import put_into_usual_form, settle
from neurovisionlab.learn.parts import stage_parts
from neurovisionlab.learn.rehearsal import rehearse
from neurovisionlab.learn.train import Trainer, fit, has_diverged
from neurovisionlab.learn.zoo import build, check_unchanged, num_parameters, weights_mib

WatchCell = Callable[[EpochRow | Progress], None]


def run_cell(cell: CellSpec, watch: WatchCell, home: DataHome) -> CellResult:
    """Train one model on one data set from one seed, and test it once.

    Args:
        cell: what to do, fully resolved.
        watch: called after each epoch and now and then within.
        home: where data sets lie.

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
    story = _Story(cell, weights_source)
    with clocks.on("setup"):
        put_into_usual_form(model, device)
        rehearse(model, cell, parts, trainer, lambda it: story.imagined(it, trainer, indices))
        built = Built.of(model)
        settled = settle(model, parts.train, trainer)
    for row in fit(model, parts.train, parts.val, trainer, settled.forward):
        watch(row)
        if isinstance(row, EpochRow) and not story.goes_on_after(row, model):
            break
    predictions: PredictionsByPart = {}
    if not story.diverged:
        story.restore_tested_epoch(model)
        look = functools.partial(predict, model, device=device, clocks=clocks)
        predictions["val"] = Predictions(*look(parts.val), indices.val_N)
        # the only time that test images are looked at: training and all choices are over
        predictions["test"] = Predictions(*look(parts.test), indices.test_N)
        predictions = story.judged(predictions)
    with clocks.on("saving"):
        weights = None if story.diverged else _serialised(model, cell, built)
        scores = {part: score(p.logits_NC, p.labels_N) for part, p in predictions.items()}
    record = story.record(model, trainer, indices, scores)
    used = record.resources.changed(contention_frac=contention.frac())
    record = record.changed(execution=settled.execution, resources=used)
    return CellResult(record, indices, predictions, weights)


def shape_of(cell: CellSpec) -> ModelShape:
    """Return what goes into the cell's model and what comes out."""
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


def _serialised(model: nn.Module, cell: CellSpec, built: Built) -> bytes | None:
    """Return the weights as a safetensors file, unless the study keeps none."""
    if cell.protocol.keep_weights == "none":
        return None
    return to_bytes(model, {"cell_id": cell.cell_id}, built)


# stands in the record that is tried before there is any epoch
_IMAGINED = EpochRow(
    epoch=1,
    learning_rate=0.0,
    train_loss=None,
    train_accuracy_frac=0.0,
    val_loss=None,
    val_accuracy_frac=0.0,
    train_s=0.0,
    eval_s=0.0,
)


@dataclass
class _Story:
    """What happened to a cell so far: its epochs, and the weights that will be tested."""

    cell: CellSpec
    weights_source: str | None = None
    rows: list[EpochRow] = field(default_factory=list)
    diverged: bool = False
    best: EpochRow | None = None
    best_weights: dict[str, Any] | None = None

    def goes_on_after(self, row: EpochRow, model: nn.Module) -> bool:
        """Take note of an epoch; return whether training goes on."""
        self.rows.append(row)
        self.diverged = has_diverged(row, self.cell.num_classes)
        if self.diverged or self.cell.protocol.keep_epoch == "last":
            return not self.diverged
        if self.best is None or row.val_accuracy_frac > self.best.val_accuracy_frac:
            self.best, self.best_weights = row, copy.deepcopy(model.state_dict())
        return True

    def restore_tested_epoch(self, model: nn.Module) -> None:
        """Give the model the weights of the epoch that is to be tested."""
        if self.best_weights is not None:
            put_back(model, self.best_weights)

    def judged(self, predictions: PredictionsByPart) -> PredictionsByPart:
        """Return what was predicted; nothing, of a training that ends in no finite numbers.

        Its losses may be finite all the same: of a class that is never right, or of other images.
        """
        self.diverged = not all(np.isfinite(p.logits_NC).all() for p in predictions.values())
        return {} if self.diverged else predictions

    def imagined(self, model: nn.Module, trainer: Trainer, indices: SplitIndices) -> CellRecord:
        """Return the record as far as it can be told before the first epoch."""
        return replace(self, rows=[_IMAGINED]).record(model, trainer, indices, {})

    def record(
        self,
        model: nn.Module,
        trainer: Trainer,
        indices: SplitIndices,
        scores: dict[Part, Scores],
    ) -> CellRecord:
        """Return the record of the whole cell."""
        last = self.rows[-1].epoch
        return CellRecord(
            cell_id=self.cell.cell_id,
            cell=self.cell,
            status="diverged" if self.diverged else "done",
            epochs=tuple(self.rows),
            diverged_epoch=last if self.diverged else None,
            tested_epoch=None if self.diverged else self.best.epoch if self.best else last,
            split_id=split_id(indices),
            num_train=len(indices.train_N),
            num_val=len(indices.val_N),
            num_test=len(indices.test_N),
            val_scores=scores.get("val"),
            test_scores=scores.get("test"),
            resources=_resource_use(model, trainer, self.rows, len(indices.train_N)),
            machine=describe_machine(trainer.device),
            weights_source=self.weights_source,
            finished_at=now_iso(),
        )


def split_id(indices: SplitIndices) -> str:
    """Return a name for a division: equal for cells that train and test on the same images."""
    sha = hashlib.sha256()
    for where_N in (indices.train_N, indices.val_N, indices.test_N):
        sha.update(len(where_N).to_bytes(8, "little") + where_N.tobytes())
    return sha.hexdigest()[:16]


def _resource_use(
    model: nn.Module, trainer: Trainer, rows: list[EpochRow], num_train: int
) -> ResourceUse:
    train_time_s = trainer.clocks.seconds("training")
    return ResourceUse(
        num_parameters=num_parameters(model),
        weights_mib=weights_mib(model),
        train_time_s=train_time_s,
        train_images_per_s=len(rows) * num_train / train_time_s if train_time_s else None,
        clocks=trainer.clocks.reading(),
    )
