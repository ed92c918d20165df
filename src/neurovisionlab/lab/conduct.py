"""Running pending cells with an executor and storing their results; failures are stored apart.

`work` and `execute` are arguments: resuming, failing and storing are tested with a fake `work` in
milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neurovisionlab.core.predictions import CellResult
from neurovisionlab.core.records import CellRecord, EpochRow, Failure, Progress, best_on_validation
from neurovisionlab.core.spec import CellSpec, hash_of
from neurovisionlab.lab.executors import Execute, Failed, Said, Work
from neurovisionlab.lab.store import Store
from neurovisionlab.learn.clock import now_iso

Event = EpochRow | Progress | CellRecord | Failure


def pending(cells: Sequence[CellSpec], store: Store) -> list[CellSpec]:
    """Return the cells without a stored result, regardless of the data sets' names at the time."""
    finished = {hash_of(one) for one in store.stored_ids()}
    return [cell for cell in cells if hash_of(cell.cell_id) not in finished]


def conduct(
    cells: Sequence[CellSpec], store: Store, work: Work, execute: Execute
) -> Iterator[tuple[CellSpec, Event]]:
    """Run and store pending cells; yield (cell, event) as events occur.

    Each cell ends with a `CellRecord` or a `Failure`; a failure does not stop the other cells, and
    the next run tries the cell again.

    Raises:
        StoreError: the folder is not writable, or another run holds it.
    """
    with store.writing():
        for cell, outcome in execute(pending(cells, store), work):
            if isinstance(outcome, Said):
                yield cell, outcome.content
            elif isinstance(outcome, Failed):
                failure = _failure(cell, outcome)
                store.put_failure(failure)
                yield cell, failure
            else:
                result: CellResult = outcome.result
                store.put(result)
                _prune_weights(cells, cell, store)
                yield cell, result.record


def _failure(cell: CellSpec, outcome: Failed) -> Failure:
    return Failure(
        cell_id=cell.cell_id,
        kind=outcome.kind,
        message=outcome.message,
        traceback=outcome.trace,
        is_user_error=outcome.is_user_error,
        failed_at=now_iso(),
    )


def _prune_weights(cells: Sequence[CellSpec], finished: CellSpec, store: Store) -> None:
    """With keep_weights = "best", keep one seed's weights per data set, model and variant."""
    if finished.protocol.keep_weights != "best":
        return
    rivals = [
        store.get(cell.cell_id)
        for cell in cells
        if (cell.data, cell.model, cell.variant)
        == (finished.data, finished.model, finished.variant)
        and store.has(cell.cell_id)
        and store.has_weights(cell.cell_id)
    ]
    best = best_on_validation(rivals)
    for rival in rivals:
        if rival is not best:
            store.drop_weights(rival.cell_id)
