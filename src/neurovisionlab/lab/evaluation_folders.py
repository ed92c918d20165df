"""What models of a run answered about other sets: a folder for each, like those of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurovisionlab.core.evaluations import Evaluation, EvaluationResult, EvaluationSpec
from neurovisionlab.core.predictions import Predictions
from neurovisionlab.core.spec import hash_of
from neurovisionlab.data import files
from neurovisionlab.lab.cell_folders import PREDICTIONS, RECORD
from neurovisionlab.lab.damage import Reader, read_answers
from neurovisionlab.lab.folder import RunFolder, Write

EVALUATIONS = "evaluations"


class Evaluations:
    """Folders below `evaluations/`; what is damaged counts as absent, and is said once."""

    def __init__(self, folder: RunFolder, reader: Reader) -> None:
        self._folder, self._reader = folder, reader

    def put(self, result: EvaluationResult, draft: tuple[str, ...]) -> None:
        """Keep an evaluation, all of it or nothing.

        Args:
            result: the record and its arrays.
            draft: path components of the temporary folder.

        Raises:
            StoreError: it cannot be written.
        """
        text = result.evaluation.model_dump_json(indent=1).encode()
        arrays = arrays_by_name({"asked": result.predictions})
        parts: dict[str, Write] = {
            RECORD: lambda file: file.write(text),
            PREDICTIONS: lambda file: np.savez(file, **arrays),
        }
        with self._folder.said():
            files.make_folder(self._folder.path(EVALUATIONS))
        self._folder.put_folder(parts, draft, EVALUATIONS, result.evaluation.spec.evaluation_id)

    def results(self, specs: Sequence[EvaluationSpec]) -> list[EvaluationResult]:
        """Return the evaluations of `specs` that are whole; no other folder is read."""
        names = {hash_of(name): name for name in self._folder.names(EVALUATIONS)}
        kept = (self._read(names[spec.key]) for spec in specs if spec.key in names)
        return [result for result in kept if result is not None]

    def _read(self, name: str) -> EvaluationResult | None:
        pieces = (EVALUATIONS, name)
        record = self._reader.record(Evaluation, *pieces, RECORD)
        if record is None:
            return None
        if record.spec.key != hash_of(name):
            self._reader.say(f"its id is {record.spec.evaluation_id!r:.90}", *pieces, RECORD)
            return None
        answers = self._reader.read(lambda file: read_answers(file, record), *pieces, PREDICTIONS)
        return None if answers is None else EvaluationResult(record, answers)


def arrays_by_name(predictions: Mapping[str, Predictions]) -> dict[str, Any]:
    """Return the arrays of an .npz of predictions, by name."""
    return {
        f"{part}_{kind}": array
        for part, given in predictions.items()
        for kind, array in (
            ("logits", given.logits_NC),
            ("labels", given.labels_N),
            ("indices", given.indices_N),
        )
    }
