"""A folder of finished cells. The only file that writes results.

    RUN/study.json              the resolved study and what was known of its data
    RUN/studies/HASH.json       every earlier wording of the study
    RUN/cells/CELL_ID/          record.json, predictions.npz, weights.safetensors
    RUN/splits/SPLIT_ID.npz     train, val, test: indices into the loaded set
    RUN/audits/DIGEST.json      what was found in a data set
    RUN/costs/COST_ID.json      what a model costs on this machine
    RUN/failures.jsonl          cells that ended in an exception, and why
    RUN/page.json               the report's language, and where its pictures were found

A cell's folder is written under another name and renamed into place: it is complete or absent.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from pydantic import Field, ValidationError

from neurovisionlab.core.costs import Costs, CostSpec
from neurovisionlab.core.errors import StoreError, mould
from neurovisionlab.core.expand import expand
from neurovisionlab.core.protocol import Frozen
from neurovisionlab.core.records import CellRecord, CellResult, Failure, Predictions, SplitIndices
from neurovisionlab.core.spec import (
    SCHEMA_VERSION,
    CellSpec,
    DataInfo,
    DataRef,
    Study,
    ThisVersion,
    hash_of,
)
from neurovisionlab.data.audit import Audit
from neurovisionlab.data.texts import is_there

WEIGHTS = "weights.safetensors"
_WRITING_FAILS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Plan(Frozen):
    """A study and what was known of its data and models: `cells()` needs nothing else."""

    study: Study
    infos: tuple[tuple[DataRef, DataInfo], ...]
    model_digests: dict[str, str] = Field(default_factory=dict)
    schema_version: ThisVersion = SCHEMA_VERSION

    def cells(self) -> tuple[CellSpec, ...]:
        """Return the study's cells."""
        return expand(self.study, dict(self.infos), self.model_digests)


class PageSettings(NamedTuple):
    """How a run's report was last written; None where that is not known."""

    language: str | None = None
    data_dir: Path | None = None


class Store:
    """Results below one folder; see the head of this file for its layout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listed: tuple[int, dict[str, str]] | None = None

    @classmethod
    def existing(cls, root: Path) -> Store:
        """Return the store of a run.

        Raises:
            StoreError: there is no run in that folder.
        """
        if not is_there(root / "study.json"):
            raise StoreError(mould(str(root), "a run (study.json)", "none", "runs/NAME"))
        return cls(root)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder for writing, creating it.

        Raises:
            StoreError: the folder cannot be written, or another run holds it.
        """
        lock = FileLock(self.root / ".lock", timeout=0)
        try:
            (self.root / "cells").mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            got = "one that another run is writing to"
            raise StoreError(mould(str(self.root), "a free folder", got, "--out DIR")) from None
        except OSError as error:  # no permission, a file in the way, a read-only disk
            raise self._unwritable(error) from None
        try:
            shutil.rmtree(self.root / "unfinished", ignore_errors=True)
            yield
        except OSError as error:
            if error.errno not in _WRITING_FAILS:
                raise
            raise self._unwritable(error) from None
        finally:
            lock.release()

    def _unwritable(self, error: OSError) -> StoreError:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "to free space; finished cells are kept" if is_full else "--out DIR"
        return StoreError(mould(str(self.root), "a folder one can write to", str(error), remedy))

    # the study

    def plan(self) -> Plan:
        """Return the study of this run.

        Raises:
            StoreError: study.json is damaged or of another version.
        """
        path = self.root / "study.json"
        try:
            return Plan.model_validate_json(path.read_bytes())
        except ValidationError as error:
            got = f"{error.error_count()} problems, first: {error.errors()[0]['msg']}"
            raise StoreError(
                mould(str(path), f"a study of schema {SCHEMA_VERSION}", got, "a new --out DIR")
            ) from None

    def keep_plan(self, plan: Plan) -> None:
        """Make `plan` the study of this run; earlier wordings are kept aside."""
        text = plan.model_dump_json(indent=2)
        name = hashlib.sha256(text.encode()).hexdigest()[:12]
        (self.root / "studies").mkdir(exist_ok=True)
        _write(self.root / "studies" / f"{name}.json", text.encode())
        _write(self.root / "study.json", text.encode())

    # cells

    def has(self, cell_id: str) -> bool:
        """Return whether a finished cell is stored."""
        return (self._folder(cell_id) / "record.json").is_file()

    def _folder(self, cell_id: str) -> Path:
        """Return a cell's folder, also where its data set had another name when it ran."""
        exact = self.root / "cells" / cell_id
        if exact.is_dir():
            return exact
        return exact.with_name(self._names_by_hash().get(hash_of(cell_id), cell_id))

    def _names_by_hash(self) -> dict[str, str]:
        """Return {hash: name} of all cells' folders, listed anew only after a change."""
        folder = self.root / "cells"
        changed_ns = folder.stat().st_mtime_ns if folder.is_dir() else 0
        if self._listed is None or self._listed[0] != changed_ns:
            names = [path.name for path in folder.iterdir()] if changed_ns else []
            self._listed = changed_ns, {hash_of(name): name for name in names}
        return self._listed[1]

    def put(self, result: CellResult) -> None:
        """Store a finished cell, all of it or nothing."""
        record = result.record
        draft = self.root / "unfinished" / record.cell_id
        draft.mkdir(parents=True, exist_ok=True)
        (draft / "record.json").write_text(record.model_dump_json(indent=1))
        if result.predictions:
            arrays: dict[str, Any] = {
                f"{part}_{kind}": array
                for part, p in result.predictions.items()
                for kind, array in (
                    ("logits", p.logits_NC),
                    ("labels", p.labels_N),
                    ("indices", p.indices_N),
                )
            }
            np.savez(draft / "predictions.npz", **arrays)
        if result.weights is not None:
            (draft / WEIGHTS).write_bytes(result.weights)
        self._keep_split(record.split_id, result.split)
        target = self.root / "cells" / record.cell_id
        shutil.rmtree(target, ignore_errors=True)  # what is left of a cell whose record is gone
        draft.rename(target)

    def _keep_split(self, split_id: str, split: SplitIndices) -> None:
        path = self.root / "splits" / f"{split_id}.npz"
        if path.is_file():
            return
        path.parent.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, train=split.train_N, val=split.val_N, test=split.test_N)
        _write(path, buffer.getvalue())

    def get(self, cell_id: str) -> CellRecord:
        """Return the record of a finished cell.

        Raises:
            StoreError: it is absent, damaged or of another schema version.
        """
        path = self._folder(cell_id) / "record.json"
        try:
            return CellRecord.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise StoreError(mould(str(path), "a finished cell", "none", "nvl run")) from None
        except ValidationError as error:
            got = f"{error.error_count()} problems, first: {error.errors()[0]['msg']}"
            raise StoreError(
                mould(str(path), f"a record of schema {SCHEMA_VERSION}", got, "to delete that cell")
            ) from None

    def finished(self, cells: tuple[CellSpec, ...]) -> list[CellRecord]:
        """Return the records of those `cells` that are finished, in their order.

        Names of data sets and variants are those of `cells`: the study may call them otherwise
        than when a cell ran.
        """
        return [
            self.get(cell.cell_id).model_copy(update={"cell": cell, "cell_id": cell.cell_id})
            for cell in cells
            if self.has(cell.cell_id)
        ]

    def stored_ids(self) -> set[str]:
        """Return the ids of all finished cells, of every wording of the study."""
        return {path.parent.name for path in (self.root / "cells").glob("*/record.json")}

    def predictions(self, cell_id: str, part: Literal["val", "test"]) -> Predictions:
        """Return logits, labels and indices of a finished cell.

        Raises:
            StoreError: none are stored.
        """
        path = self._folder(cell_id) / "predictions.npz"
        if not path.is_file():
            raise StoreError(mould(str(path), "stored predictions", "none", "another cell"))
        with np.load(path, allow_pickle=False) as arrays:
            return Predictions(
                *(arrays[f"{part}_{kind}"] for kind in ("logits", "labels", "indices"))
            )

    def split(self, split_id: str) -> SplitIndices:
        """Return the division that cells of that `split_id` used."""
        with np.load(self.root / "splits" / f"{split_id}.npz", allow_pickle=False) as arrays:
            return SplitIndices(arrays["train"], arrays["val"], arrays["test"])

    def has_weights(self, cell_id: str) -> bool:
        """Return whether the weights of a finished cell are stored."""
        return (self._folder(cell_id) / WEIGHTS).is_file()

    def drop_weights(self, cell_id: str) -> None:
        """Delete the weights of a finished cell; its record and predictions stay."""
        (self._folder(cell_id) / WEIGHTS).unlink(missing_ok=True)

    # audits of the data

    def put_audit(self, audit: Audit) -> None:
        """Keep what was found in a data set; its digest names it."""
        path = self._audit_path(audit.digest)
        path.parent.mkdir(exist_ok=True)
        _write(path, audit.model_dump_json(indent=1).encode())

    def audit(self, digest: str) -> Audit | None:
        """Return what was found in the data set of that digest; None where nobody looked yet."""
        path = self._audit_path(digest)
        with suppress(FileNotFoundError, ValidationError):  # of another version: look again
            return Audit.model_validate_json(path.read_bytes())
        return None

    def _audit_path(self, digest: str) -> Path:
        return self.root / "audits" / f"{digest[:16]}.json"

    # costs of models

    def put_costs(self, costs: Costs) -> None:
        """Keep what a model costs; an earlier measurement of the same is replaced."""
        path = self._costs_path(costs.spec)
        path.parent.mkdir(exist_ok=True)
        _write(path, costs.model_dump_json(indent=1).encode())

    def costs(self, spec: CostSpec) -> Costs | None:
        """Return what was measured; None where nothing was, or by another version."""
        with suppress(FileNotFoundError, ValidationError):
            return Costs.model_validate_json(self._costs_path(spec).read_bytes())
        return None

    def _costs_path(self, spec: CostSpec) -> Path:
        return self.root / "costs" / f"{spec.cost_id}.json"

    # failures

    def put_failure(self, failure: Failure) -> None:
        """Write down that a cell ended in an exception."""
        with (self.root / "failures.jsonl").open("a", encoding="utf-8") as file:
            file.write(failure.model_dump_json() + "\n")

    def failures(self) -> list[Failure]:
        """Return every failure so far, oldest first."""
        path = self.root / "failures.jsonl"
        if not path.is_file():
            return []
        failures = []
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValidationError):  # a line torn by a crash; the next run tells anew
                failures.append(Failure.model_validate_json(line))
        return failures

    # what people read

    def keep_page(self, settings: PageSettings) -> None:
        """Keep how the report was written, for whoever writes it anew; not part of the page."""
        # as ASCII: a folder's name may hold bytes that are no text
        text = json.dumps({"language": settings.language, "data_dir": str(settings.data_dir)})
        _write(self.root / "page.json", text.encode("ascii"))

    def page(self) -> PageSettings:
        """Return how the report was last written."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            kept = json.loads((self.root / "page.json").read_bytes())
            return PageSettings(str(kept["language"]), Path(kept["data_dir"]))
        return PageSettings()

    def write_text(self, name: str, text: str) -> Path:
        """Write a file people read, such as the report, and return its path."""
        return self.write_bytes(name, text.encode("utf-8"))

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a file made from the results, below the run's folder, and return its path."""
        path = self.root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, content)
        except OSError as error:
            raise self._unwritable(error) from None
        return path


def write_page(path: Path, text: str) -> None:
    """Write a page that belongs to no single run.

    Raises:
        StoreError: there is no such folder, or it cannot be written to.
    """
    try:
        _write(path, text.encode("utf-8"))
    except OSError as error:
        got, remedy = f"{error.strerror}", "another --out"
        raise StoreError(mould(str(path), "a file that can be written", got, remedy)) from error


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is complete or unchanged, whenever the power goes."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)
