"""A folder of finished cells. The only module that writes results.

    RUN/study.json              the resolved study and descriptions of its data sets
    RUN/studies/HASH.json       every version of the study
    RUN/cells/CELL_ID/          record.json, predictions.npz, weights.safetensors
    RUN/splits/SPLIT_ID.npz     train, val, test: indices into the loaded set
    RUN/audits/DIGEST.json      what was found in a data set
    RUN/costs/COST_ID.json      what a model costs on this machine
    RUN/evaluations/ID/         record.json, predictions.npz: a cell asked about another set
    RUN/failures.jsonl          cells that ended in an exception, and why
    RUN/mistakes/DIGEST.json    pictures that the report shows of images that lie elsewhere
    RUN/page.json               the report's language

A cell's folder is written under a temporary name and then renamed: it is complete or absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydantic_core
from filelock import FileLock, Timeout
from pydantic import ValidationError

from neurovisionlab.core.bounds import PartName
from neurovisionlab.core.costs import Costs, CostSpec
from neurovisionlab.core.errors import StoreError, mould
from neurovisionlab.core.evaluations import Evaluation, EvaluationResult, EvaluationSpec
from neurovisionlab.core.predictions import CellResult, Predictions, SplitIndices
from neurovisionlab.core.records import CellRecord, Failure
from neurovisionlab.core.spec import (
    FILE_VERSION,
    CellSpec,
)
from neurovisionlab.data import files
from neurovisionlab.data.audit import Audit
from neurovisionlab.data.texts import is_there
from neurovisionlab.lab.cell_folders import CELLS, PREDICTIONS, RECORD, Cells
from neurovisionlab.lab.damage import (
    Reader,
    Tell,
    are_weights,
    read_split,
)
from neurovisionlab.lab.evaluation_folders import Evaluations, arrays_by_name
from neurovisionlab.lab.folder import RunFolder, Write
from neurovisionlab.lab.plan import Plan

WEIGHTS = "weights.safetensors"
AT_WORK = "unfinished"
_MOST_LOG_BYTES = 1 << 28


def warn(line: str) -> None:
    """Emit a line as a Python warning."""
    warnings.warn(line, stacklevel=2)


class Store:
    """Results below one folder; see the module docstring for its layout.

    Empty, truncated or altered files count as absent and are reported once; files of a newer
    version are refused. `RunFolder` guards against folders of unknown origin.
    """

    def __init__(self, root: Path, tell: Tell = warn) -> None:
        """Open `root` as the run's folder; `tell` is called with a line per damaged file."""
        self.root = root
        self._folder = RunFolder(root)
        self._reader = Reader(self._folder, tell)
        self._cells = Cells(self._folder, self._reader)
        self._evaluations = Evaluations(self._folder, self._reader)

    @classmethod
    def existing(cls, root: Path, tell: Tell = warn) -> Store:
        """Return the store of an existing run.

        Raises:
            StoreError: the folder holds no run.
        """
        if not is_there(root / "study.json") and not is_there(root / "studies"):
            raise StoreError(mould(str(root), "a run (study.json)", "none", "runs/NAME"))
        return cls(root, tell)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Lock the folder for writing, creating it if necessary.

        Raises:
            StoreError: the folder is not writable, or another run holds the lock.
        """
        with self._folder.said():
            files.make_folder(self.root)
            files.make_folder(self._folder.path("cells"))
            lock = FileLock(self._folder.path(".lock"), timeout=0)
            try:
                lock.acquire()
            except Timeout:
                got = "one that another run is writing to"
                raise StoreError(mould(str(self.root), "a free folder", got, "--out DIR")) from None
        try:
            self._folder.remove(AT_WORK)
            self._folder.tidy("studies", "splits", "audits", "costs", "figures", "mistakes")
            yield
        finally:
            lock.release()

    # the study

    def plan(self) -> Plan:
        """Return the study of this run; if its file is damaged, the last intact version.

        Raises:
            StoreError: there is no study, or it is of a newer version.
        """
        plan = self.known_plan()
        if plan is None:
            got, remedy = "none that can be read", "`nvl run` with its study, or a new --out DIR"
            what = str(self.root / "study.json")
            raise StoreError(mould(what, f"a study of schema {FILE_VERSION}", got, remedy))
        return plan

    def known_plan(self) -> Plan | None:
        """Return the study of this run as `plan` does; None if there is none.

        Raises:
            StoreError: the study is of a newer version.
        """
        found = self._reader.record(Plan, "study.json")
        if found is not None:
            return found
        names = self._folder.names("studies")
        by_age = sorted(names, key=lambda name: self._folder.state("studies", name)[2])
        kept = (self._reader.record(Plan, "studies", name) for name in reversed(by_age))
        return next((plan for plan in kept if plan is not None), None)

    def keep_plan(self, plan: Plan) -> None:
        """Make `plan` the study of this run; earlier versions stay in `studies/`."""
        text = plan.model_dump_json(indent=2).encode()
        name = hashlib.sha256(text).hexdigest()[:12]
        self._folder.write(text, "studies", f"{name}.json")
        self._folder.write(text, "study.json")

    # cells

    def has(self, cell_id: str) -> bool:
        """Return whether a finished cell is stored and intact.

        Raises:
            StoreError: its record is of a newer version.
        """
        return self._cells.record(self._cells.name_of(cell_id)) is not None

    def put(self, result: CellResult) -> None:
        """Store a finished cell atomically.

        Raises:
            StoreError: the cell cannot be written.
        """
        record = result.record
        text = record.model_dump_json(indent=1).encode()
        parts: dict[str, Write] = {RECORD: lambda file: file.write(text)}
        if result.predictions:
            arrays = arrays_by_name(result.predictions)
            parts[PREDICTIONS] = lambda file: np.savez(file, **arrays)
        weights = result.weights
        if weights is not None:
            parts[WEIGHTS] = lambda file: file.write(weights)
        self._keep_split(record.split_id, result.split)
        draft = (AT_WORK, record.cell_id)
        self._folder.put_folder(parts, draft, "cells", record.cell_id)

    def _keep_split(self, split_id: str, split: SplitIndices) -> None:
        if self._split(split_id) is not None:
            return
        buffer = io.BytesIO()
        arrays: dict[str, Any] = dict(split.by_part)
        np.savez_compressed(buffer, **arrays)
        self._folder.write(buffer.getvalue(), "splits", f"{split_id}.npz")

    def get(self, cell_id: str) -> CellRecord:
        """Return the record of a finished cell.

        Raises:
            StoreError: the cell is absent, damaged or of a newer version.
        """
        record = self._cells.record(self._cells.name_of(cell_id))
        if record is None:
            what = str(self.root / "cells" / cell_id)
            raise StoreError(mould(what, "a finished cell", "none", "nvl run"))
        return record

    def finished(self, cells: tuple[CellSpec, ...]) -> list[CellRecord]:
        """Return the records of the finished cells among `cells`, in the same order.

        Names of data sets and variants are those of `cells`: they may have changed since a cell
        ran. A record with another number of classes does not belong to the study and is left out.

        Raises:
            StoreError: a record is of a newer version.
        """
        found = ((cell, self._cells.record(self._cells.name_of(cell.cell_id))) for cell in cells)
        return [
            record.model_copy(update={"cell": cell, "cell_id": cell.cell_id})
            for cell, record in found
            if record is not None and record.cell.num_classes == cell.num_classes
        ]

    def stored_ids(self) -> set[str]:
        """Return the ids of all finished cells, of every version of the study.

        Raises:
            StoreError: a record is of a newer version.
        """
        return {name for name in self._cells.names() if self._cells.record(name) is not None}

    def predictions(self, cell_id: str, part: PartName) -> Predictions:
        """Return logits, labels and indices of a finished cell.

        Raises:
            StoreError: no predictions are stored.
        """
        name = self._cells.name_of(cell_id)
        told = self._cells.predictions(name, part)
        if told is None:
            what = str(self.root / CELLS / name / PREDICTIONS)
            raise StoreError(mould(what, "stored predictions", "none", "another cell"))
        return told

    def split(self, split_id: str) -> SplitIndices:
        """Return the split that cells with this `split_id` used.

        Raises:
            StoreError: the split is missing or damaged.
        """
        found = self._split(split_id)
        if found is None:
            what = str(self.root / "splits" / f"{split_id}.npz")
            raise StoreError(mould(what, "a stored division", "none", "nvl run"))
        return found

    def _split(self, split_id: str) -> SplitIndices | None:
        return self._reader.read(read_split, "splits", f"{split_id}.npz")

    def has_weights(self, cell_id: str) -> bool:
        """Return whether the weights of a finished cell are stored and intact."""
        pieces = ("cells", self._cells.name_of(cell_id), WEIGHTS)
        return self._reader.read(are_weights, *pieces) is not None

    def weights(self, cell_id: str) -> bytes:
        """Return the weights of a finished cell, a safetensors file.

        Raises:
            StoreError: none are stored, or they cannot be read.
        """
        pieces = ("cells", self._cells.name_of(cell_id), WEIGHTS)
        content = self._reader.read(lambda file: are_weights(file) and _whole(file), *pieces)
        if not content:
            what = str(self.root.joinpath(*pieces))
            raise StoreError(mould(what, "stored weights", "none", "another cell"))
        return content

    def drop_weights(self, cell_id: str) -> None:
        """Delete the weights of a finished cell; its record and predictions stay.

        Raises:
            StoreError: the weights cannot be deleted.
        """
        self._folder.remove("cells", self._cells.name_of(cell_id), WEIGHTS)

    # evaluations of finished cells on other sets

    def put_evaluation(self, result: EvaluationResult) -> None:
        """Keep what a cell's model answered about a set, all of it or nothing.

        Raises:
            StoreError: it cannot be written.
        """
        self._evaluations.put(result, draft=(AT_WORK, result.evaluation.spec.evaluation_id))

    def evaluation(self, spec: EvaluationSpec) -> Evaluation | None:
        """Return what was kept of what is asked; None where it was not asked, or not whole."""
        kept = self.evaluations([spec])
        return kept[0].evaluation if kept else None

    def evaluations(self, specs: Sequence[EvaluationSpec]) -> list[EvaluationResult]:
        """Return those that are whole, with their predictions; nothing else is read."""
        return self._evaluations.results(specs)

    # audits of the data

    def put_audit(self, audit: Audit) -> None:
        """Store the audit of a data set under its digest."""
        text = audit.model_dump_json(indent=1).encode()
        self._folder.write(text, "audits", f"{audit.digest[:16]}.json")

    def audit(self, digest: str) -> Audit | None:
        """Return the audit of the data set with this digest; None if there is none."""
        return self._reader.record(Audit, "audits", f"{digest[:16]}.json")

    # costs of models

    def put_costs(self, costs: Costs) -> None:
        """Store the costs of a model, replacing an earlier measurement."""
        text = costs.model_dump_json(indent=1).encode()
        self._folder.write(text, "costs", f"{costs.spec.cost_id}.json")

    def costs(self, spec: CostSpec) -> Costs | None:
        """Return the stored costs; None if there are none."""
        return self._reader.record(Costs, "costs", f"{spec.cost_id}.json")

    # failures

    def put_failure(self, failure: Failure) -> None:
        """Store the failure of a cell."""
        self._folder.append_line(failure.model_dump_json().encode(), "failures.jsonl")

    def failures(self) -> list[Failure]:
        """Return every failure so far, oldest first."""
        log = self._reader.read(lambda file: file.read(_MOST_LOG_BYTES), "failures.jsonl") or b""
        failures = []
        for line in log.splitlines():
            with suppress(ValidationError):  # a line torn by a crash; the next run reports it again
                failures.append(Failure.model_validate_json(line))
        return failures

    # files for readers

    def keep_language(self, code: str) -> None:
        """Store the report's language for later rewrites, outside of the page itself."""
        self._folder.write(json.dumps({"language": code}).encode(), "page.json")

    def language(self) -> str | None:
        """Return the language in which the report was last written; None if unknown."""
        with suppress(OSError, ValueError):  # a file of unknown origin may hold anything
            kept = pydantic_core.from_json(self._folder.content("page.json", most_bytes=1 << 20))
            code = kept.get("language") if isinstance(kept, dict) else None
            return code if isinstance(code, str) else None
        return None

    def read_bytes(self, name: str, most_bytes: int) -> bytes | None:
        """Return the bytes of a file made from the results; None if it cannot be read."""
        with contextlib.suppress(OSError):
            return self._folder.content(*name.split("/"), most_bytes=most_bytes)
        return None

    def place(self, *pieces: str) -> Path:
        """Return a folder of the run for files of other programs.

        Raises:
            StoreError: the folder, or one of its parents below the run, is a link.
        """
        with self._folder.said():
            return self._folder.path(*pieces)

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file for readers, such as the report, and return its path.

        Raises:
            StoreError: the file cannot be written.
        """
        return self.write_bytes(name, text.encode("utf-8"))

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a file made from the results, below the run's folder, and return its path.

        Raises:
            StoreError: the file cannot be written.
        """
        return self._folder.write(content, *name.split("/"))


def _whole(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def write_page(path: Path, text: str) -> None:
    """Write a page that belongs to no single run.

    Raises:
        StoreError: the folder does not exist or is not writable.
    """
    try:
        files.write_whole(path, text.encode("utf-8"))
    except OSError as error:
        got, remedy = f"{error.strerror}", "another --out"
        raise StoreError(mould(str(path), "a file that can be written", got, remedy)) from error
