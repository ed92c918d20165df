"""What a finished cell's model answered about other images than its own: a record beside cells."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from neurovisionlab.core.bounds import MOST_CLASSES, Amount, FileName, Moment, Words
from neurovisionlab.core.frozen import Frozen, Identified
from neurovisionlab.core.metrics import Scores
from neurovisionlab.core.predictions import Predictions
from neurovisionlab.core.records import CellRecord, Machine
from neurovisionlab.core.spec import FILE_VERSION, DataInfo, DataRef, FileVersion, hash_of, slug
from neurovisionlab.core.statements import Notes

# raised when labels, sizes or colours are matched otherwise
MATCHING_RULE = 1

AskedPart = Literal["train", "val", "test", "all"]


class EvaluationSpec(Identified):
    """What is asked: which model, about which images, under which condition.

    Attributes:
        cell_id: of the finished cell.
        trained_at: when that cell was finished: trained anew, it is asked anew.
        data: the set; its digest identifies it, whatever it is called.
        part: of that set, "all" for every image.
        condition: what is done to the images before the model's own preprocessing.
    """

    FREE: ClassVar[frozenset[str]] = frozenset(("cell_id", "data"))

    cell_id: FileName
    trained_at: Moment
    data: DataInfo
    part: AskedPart = "test"
    condition: Literal["as they are"] = "as they are"

    @property
    def evaluation_id(self) -> str:
        """Readable name and the hash of everything that can change the answers."""
        content = self.identity() | {"rule": MATCHING_RULE}
        content["cell"], content["digest"] = hash_of(self.cell_id), self.data.digest
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:12]
        return f"{slug(self.data.name)}-{self.part}-{hash_of(self.cell_id)}-{digest}"

    @property
    def key(self) -> str:
        """The part of the id that says what is asked, whatever set and cell are called."""
        return hash_of(self.evaluation_id)


class Evaluation(Frozen):
    """What came out, beside its predictions.

    Attributes:
        labels: names of the classes that set and model share.
        num_left_out: images of the part whose label the model does not know.
        scores: over all classes of the model; `scores.num_images` were asked about.
        notes: how labels, sizes and colours were matched.
    """

    schema_version: FileVersion = FILE_VERSION
    spec: EvaluationSpec
    labels: Annotated[tuple[Words, ...], Field(min_length=1, max_length=MOST_CLASSES)]
    num_left_out: Amount = 0
    scores: Scores
    notes: Notes = ()
    machine: Machine
    evaluated_at: Moment

    @model_validator(mode="after")
    def _counts_fit(self) -> Evaluation:
        most = sum(self.spec.data.num_images.values())
        got = self.scores.num_images + self.num_left_out
        if got > most:
            raise ValueError(f"scores: expected {most} images at most, got {got}; try its own")
        return self


@dataclass(frozen=True)
class Question:
    """A cell, as it was kept, and what it is asked.

    Attributes:
        record, weights: of the cell.
        spec: what is asked.
        ref: how the set is loaded.
    """

    record: CellRecord
    weights: bytes
    spec: EvaluationSpec
    ref: DataRef


@dataclass(frozen=True)
class EvaluationResult:
    """An evaluation with its predictions: labels are the model's, indices count within the set."""

    evaluation: Evaluation
    predictions: Predictions
