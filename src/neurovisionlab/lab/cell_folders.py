"""Finished cells of a run's folder, cached and read again only after a change."""

from __future__ import annotations

from dataclasses import dataclass

from neurovisionlab.core.bounds import PartName
from neurovisionlab.core.predictions import Predictions, PredictionsByPart
from neurovisionlab.core.records import CellRecord
from neurovisionlab.core.spec import hash_of
from neurovisionlab.lab.damage import Reader, read_predictions
from neurovisionlab.lab.folder import RunFolder

CELLS, RECORD, PREDICTIONS = "cells", "record.json", "predictions.npz"
_MOST_KEPT_BYTES = 1 << 30


@dataclass(frozen=True)
class _Seen:
    """A cell's folder as last read; without a record, the cell is not finished."""

    state: object
    record: CellRecord | None = None
    predictions: PredictionsByPart | None = None


class Cells:
    """Folders below `cells/`; damaged ones count as unfinished, with one warning each."""

    def __init__(self, folder: RunFolder, reader: Reader) -> None:
        self._folder, self._reader = folder, reader
        self._seen: dict[str, _Seen] = {}
        self._num_kept_bytes = 0
        self._listed: tuple[int, dict[str, str]] | None = None

    def names(self) -> list[str]:
        """Return the names of all folders."""
        return self._folder.names(CELLS)

    def name_of(self, cell_id: str) -> str:
        """Return a cell's folder, even if its data set had another name when the cell ran."""
        names = self._names_by_hash()
        return names.get(cell_id) or names.get(hash_of(cell_id), cell_id)

    def _names_by_hash(self) -> dict[str, str]:
        """Return {name or hash: name} of all folders, listed again only after a change."""
        folder = self._folder.root / CELLS
        changed_ns = folder.stat().st_mtime_ns if folder.is_dir() else 0
        if self._listed is None or self._listed[0] != changed_ns:
            names = self.names()
            by_hash = {hash_of(name): name for name in names}
            self._listed = changed_ns, by_hash | {name: name for name in names}
        return self._listed[1]

    def record(self, name: str) -> CellRecord | None:
        """Return the record of a finished cell's folder; None if it is not finished.

        Raises:
            StoreError: the record is of a newer version.
        """
        return self._look(name).record

    def predictions(self, name: str, part: PartName) -> Predictions | None:
        """Return what a finished cell answered about a part; None where it has no scores.

        Raises:
            StoreError: the record is of a newer version.
        """
        seen = self._look(name)
        if seen.record is None or seen.record.status == "diverged":
            return None
        told = seen.predictions or self._told(name, seen.record)
        return None if told is None else told[part]

    def _look(self, name: str) -> _Seen:
        state = [self._folder.state(CELLS, name, file) for file in (RECORD, PREDICTIONS)]
        if name not in self._seen or self._seen[name].state != state:
            self._seen[name] = self._seen_now(name, state)
        return self._seen[name]

    def _seen_now(self, name: str, state: object) -> _Seen:
        record = self._reader.record(CellRecord, CELLS, name, RECORD)
        if record is None:
            return _Seen(state)
        if record.cell_id != name:
            self._reader.say(f"its id is {record.cell_id!r:.90}", CELLS, name, RECORD)
            return _Seen(state)
        if record.status == "diverged":
            return _Seen(state, record)
        told = self._told(name, record)
        return _Seen(state) if told is None else _Seen(state, record, self._kept(told))

    def _told(self, name: str, record: CellRecord) -> PredictionsByPart | None:
        pieces = (CELLS, name, PREDICTIONS)
        if not self._folder.is_file(*pieces):
            self._reader.say("no ordinary file", *pieces)
        return self._reader.read(lambda file: read_predictions(file, record), *pieces)

    def _kept(self, told: PredictionsByPart) -> PredictionsByPart | None:
        """Return predictions to cache; None if the cache is full, so that they are read again."""
        num_bytes = sum(
            array.nbytes
            for one in told.values()
            for array in (one.logits_NC, one.labels_N, one.indices_N)
        )
        if self._num_kept_bytes + num_bytes > _MOST_KEPT_BYTES:
            return None
        self._num_kept_bytes += num_bytes
        return told
