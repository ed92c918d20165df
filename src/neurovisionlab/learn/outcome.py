"""What a cell came to, and the record that says so."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from torch import nn

from neurovisionlab.core.bounds import PartName
from neurovisionlab.core.metrics import Scores
from neurovisionlab.core.predictions import SplitIndices
from neurovisionlab.core.records import CellRecord, EpochRow, Execution, Preprocessing, ResourceUse
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.learn.clock import now_iso
from neurovisionlab.learn.device import describe_machine
from neurovisionlab.learn.pace import USUAL
from neurovisionlab.learn.state import Story, Trainer
from neurovisionlab.learn.zoo import num_parameters, weights_mib

# stands in the record that is tried before the first epoch
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


@dataclass(frozen=True)
class Outcome:
    """All that a record is made from.

    Attributes:
        cell: what was to be done.
        model: that did it.
        trainer: protocol, device and clocks of the training.
        indices: which images trained, and which were asked about.
        preprocessing: what its images went through.
        weights_source: whose pretrained weights it began with; None for none.
        story: its epochs; before there are any, an imagined one.
        execution: in which form it trained.
        scores: {evaluation: what came out}; empty where it diverged.
        contention_frac: share of the processors that others took, 0 to 1; None: not known.
    """

    cell: CellSpec
    model: nn.Module
    trainer: Trainer
    indices: SplitIndices
    preprocessing: Preprocessing
    weights_source: str | None
    story: Story = field(default_factory=lambda: Story([_IMAGINED]))
    execution: Execution = USUAL
    scores: dict[PartName, Scores] = field(default_factory=dict)
    contention_frac: float | None = None

    def record(self) -> CellRecord:
        """Return the record of the cell."""
        story, indices = self.story, self.indices
        return CellRecord(
            cell_id=self.cell.cell_id,
            cell=self.cell,
            status="diverged" if story.diverged else "done",
            epochs=tuple(story.rows),
            diverged_epoch=story.rows[-1].epoch if story.diverged else None,
            tested_epoch=story.tested_epoch,
            split_id=split_id(indices),
            num_images={part: len(where_N) for part, where_N in indices.by_part.items()},
            scores=self.scores,
            resources=self._resources(),
            machine=describe_machine(self.trainer.device),
            weights_source=self.weights_source,
            execution=self.execution,
            preprocessing=self.preprocessing,
            finished_at=now_iso(),
        )

    def _resources(self) -> ResourceUse:
        clocks = self.trainer.clocks
        train_time_s = clocks.seconds("training")
        num_seen = len(self.story.rows) * len(self.indices.train_N)
        return ResourceUse(
            num_parameters=num_parameters(self.model),
            weights_mib=weights_mib(self.model),
            train_time_s=train_time_s,
            train_images_per_s=num_seen / train_time_s if train_time_s else None,
            clocks=clocks.reading(),
            contention_frac=self.contention_frac,
        )


def split_id(indices: SplitIndices) -> str:
    """Return a name for a division: equal for cells that train and test on the same images."""
    sha = hashlib.sha256()
    for where_N in indices.by_part.values():
        sha.update(len(where_N).to_bytes(8, "little") + where_N.tobytes())
    return sha.hexdigest()[:16]
