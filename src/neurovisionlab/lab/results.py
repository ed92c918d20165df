"""What a run's folder says of its study: each file is read once, when it is first asked for.

Judging, tables, pages and exports are handed this; nobody of theirs looks into the folder. Of
predictions the store keeps a GiB: what is more is read again.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from neurovisionlab.core.bounds import PartName
from neurovisionlab.core.costs import Costs, CostSpec
from neurovisionlab.core.evaluations import EvaluationResult
from neurovisionlab.core.records import CellRecord, Failure, Predictions
from neurovisionlab.core.spec import CellSpec, hash_of
from neurovisionlab.data.audit import Audit
from neurovisionlab.lab.plan import Plan
from neurovisionlab.lab.store import Store


class Results:
    """A study, and as much of it as is finished.

    Attributes:
        root: the run's folder.
        plan: the study and what is known of its data.
        cells: its cells.
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
        """Those of the finished cells, in the study's order and under its names."""
        return tuple(self._store.finished(self.cells))

    @cached_property
    def finished_ids(self) -> frozenset[str]:
        """The ids of the finished cells."""
        return frozenset(record.cell_id for record in self.records)

    @cached_property
    def failures(self) -> tuple[Failure, ...]:
        """Every failure so far, oldest first."""
        return tuple(self._store.failures())

    def predictions(self, cell_id: str, part: PartName) -> Predictions:
        """Return what a finished cell answered about a part.

        Raises:
            StoreError: it has no scores.
        """
        return self._store.predictions(cell_id, part)

    @cached_property
    def evaluations(self) -> tuple[EvaluationResult, ...]:
        """What its models answered about other sets, those of cells that are finished."""
        hashes = {hash_of(cell_id) for cell_id in self.finished_ids}
        kept = self._store.evaluations()
        return tuple(one for one in kept if hash_of(one.evaluation.spec.cell_id) in hashes)

    def costs(self, spec: CostSpec) -> Costs | None:
        """Return what was measured of a model; None where nothing was."""
        if spec.cost_id not in self._costs:
            self._costs[spec.cost_id] = self._store.costs(spec)
        return self._costs[spec.cost_id]

    def audit(self, digest: str) -> Audit | None:
        """Return what was found in the data set of that digest; None where nobody looked."""
        if digest not in self._audits:
            self._audits[digest] = self._store.audit(digest)
        return self._audits[digest]


def read(store: Store) -> Results:
    """Return what a run's folder says of its study.

    Raises:
        StoreError: there is no study that can be read.
    """
    return Results(store, store.plan())
