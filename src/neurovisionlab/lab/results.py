"""Cached access to a run's results: each file is read once, on first use.

Judging, tables, pages and exports take `Results` instead of reading the folder. The store caches
predictions up to 1 GiB; beyond that they are read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from neurovisionlab.core.bounds import PartName
from neurovisionlab.core.costs import Costs, CostSpec
from neurovisionlab.core.evaluations import EvaluationResult, EvaluationSpec
from neurovisionlab.core.predictions import Predictions
from neurovisionlab.core.records import CellRecord, Failure
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.audit import Audit
from neurovisionlab.lab.plan import Plan
from neurovisionlab.lab.store import Store


class Results:
    """A study and its results so far.

    Attributes:
        root: the run's folder.
        plan: the study and the descriptions of its data sets.
        cells: the study's cells.
    """

    def __init__(self, store: Store, plan: Plan) -> None:
        self.root: Path = store.root
        self.plan = plan
        self.cells: tuple[CellSpec, ...] = plan.cells()
        self._store = store
        self._costs: dict[str, Costs | None] = {}
        self._audits: dict[str, Audit | None] = {}

    @cached_property
    def records(self) -> tuple[CellRecord, ...]:
        """Records of the finished cells, in the study's order and with its names."""
        return tuple(self._store.finished(self.cells))

    @cached_property
    def finished_ids(self) -> frozenset[str]:
        """Ids of the finished cells."""
        return frozenset(record.cell_id for record in self.records)

    @cached_property
    def failures(self) -> tuple[Failure, ...]:
        """Every failure so far, oldest first."""
        return tuple(self._store.failures())

    def predictions(self, cell_id: str, part: PartName) -> Predictions:
        """Return what a finished cell answered about a part.

        Raises:
            StoreError: the cell has no scores.
        """
        return self._store.predictions(cell_id, part)

    def evaluations(self, specs: Sequence[EvaluationSpec]) -> tuple[EvaluationResult, ...]:
        """Return what its models answered about other sets, as far as they were asked."""
        return tuple(self._store.evaluations(specs))

    def costs(self, spec: CostSpec) -> Costs | None:
        """Return the measured costs of a model; None if they were not measured."""
        if spec.cost_id not in self._costs:
            self._costs[spec.cost_id] = self._store.costs(spec)
        return self._costs[spec.cost_id]

    def audit(self, digest: str) -> Audit | None:
        """Return the audit of the data set with this digest; None if there is none."""
        if digest not in self._audits:
            self._audits[digest] = self._store.audit(digest)
        return self._audits[digest]


def read(store: Store) -> Results:
    """Return the results in a run's folder.

    Raises:
        StoreError: the folder holds no readable study.
    """
    return Results(store, store.plan())
