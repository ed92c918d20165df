"""All finished cells of a run asked about another set: what is missing is asked, and kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from neurovisionlab.core.errors import DataError, ModelError, NvlError, StoreError, mould
from neurovisionlab.core.evaluations import (
    AskedPart,
    Evaluation,
    EvaluationResult,
    EvaluationSpec,
    Question,
)
from neurovisionlab.core.records import CellRecord
from neurovisionlab.core.spec import DataInfo, DataRef
from neurovisionlab.core.statements import Statement, state
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.shared_labels import shared_labels
from neurovisionlab.data.sources import describe
from neurovisionlab.lab.executors import Done, Execute, Failed, Work
from neurovisionlab.lab.results import Results
from neurovisionlab.lab.store import Store
from neurovisionlab.lab.trust import EXPECTED, GOT, own_models, trusted


@dataclass(frozen=True)
class Ask:
    """What to ask finished cells.

    Attributes:
        name: of the set, as a study would write it.
        part: of the set; None for its test part, or for all of a set that has none.
        home: where data sets lie.
        trust: whether code that the run names may be imported.
    """

    name: str
    part: AskedPart | None
    home: DataHome
    trust: bool = False


@dataclass
class Asked:
    """Which cells are asked what, and which are not asked, and why.

    Attributes:
        records: {cell id: record of a cell that is asked}.
        specs: {cell id: what it is asked}.
        refs: {cell id: how the set is loaded for it}.
        left_out: a statement for each cell that is not asked.
    """

    records: dict[str, CellRecord] = field(default_factory=dict)
    specs: dict[str, EvaluationSpec] = field(default_factory=dict)
    refs: dict[str, DataRef] = field(default_factory=dict)
    left_out: list[Statement] = field(default_factory=list)


def asked_of(results: Results, store: Store, ask: Ask) -> Asked:
    """Return which finished cells of a run can be asked about a set.

    Raises:
        DataError: no such set, or none of its classes is known to any cell.
        StoreError: no finished cell can be asked: why.
        ModelError: all cells are code and nobody trusts it, or code changed.
    """
    asked, no_label = Asked(), None
    infos: dict[DataRef, DataInfo] = {}
    for record in results.records:
        cell = record.cell
        why = _why_not(record, store, ask)
        if why is not None:
            asked.left_out.append(state(why, cell=record.cell_id))
            continue
        ref = _ref(ask.name, record)
        if ref not in infos:
            infos[ref] = describe(ref, ask.home)
        try:
            shared_labels(ask.name, infos[ref].class_names, cell.data.class_names)
        except DataError as error:
            no_label = error
            asked.left_out.append(state("evaluations.no_label", cell=record.cell_id))
            continue
        asked.records[record.cell_id] = record
        asked.refs[record.cell_id] = ref
        usual: AskedPart = "test" if infos[ref].num_images.get("test") else "all"
        asked.specs[record.cell_id] = EvaluationSpec(
            cell_id=record.cell_id,
            trained_at=record.finished_at,
            data=infos[ref],
            part=ask.part or usual,
        )
    if not asked.specs:
        raise no_label or _nobody(results, asked)
    trusted([record.cell for record in asked.records.values()], ask.trust)
    return asked


def evaluations(
    asked: Asked, store: Store, work: Work, execute: Execute
) -> Iterator[Evaluation | NvlError]:
    """Ask what was not asked before, one cell after the other; yield what is kept, or why not.

    Args:
        asked: see `asked_of`.
        store: of the run, held for writing.
        work: answers a question: (Question, say) → EvaluationResult.
        execute: gives each question a process of its own.
    """
    missing: dict[str, EvaluationSpec] = {}
    for cell_id, spec in asked.specs.items():
        known = store.evaluation(spec)
        if known is None:
            missing[cell_id] = spec
        else:
            yield known
    questions = (
        Question(asked.records[cell_id], store.weights(cell_id), spec, asked.refs[cell_id])
        for cell_id, spec in missing.items()  # one after the other: weights may be large
    )
    for question, outcome in execute(questions, work):
        if isinstance(outcome, Done):
            result: EvaluationResult = outcome.result
            store.put_evaluation(result)
            yield result.evaluation
        elif isinstance(outcome, Failed):
            yield _error(question.record.cell_id, outcome)


def _why_not(record: CellRecord, store: Store, ask: Ask) -> str | None:
    """Return the key of why a cell cannot be asked; None if it can."""
    if record.status == "diverged":
        return "evaluations.diverged"
    if record.preprocessing is None:
        return "evaluations.of_earlier_version"
    if not store.has_weights(record.cell_id):
        return "evaluations.no_weights"
    return "evaluations.own_code" if own_models([record.cell]) and not ask.trust else None


def _ref(name: str, record: CellRecord) -> DataRef:
    """Return how a set is loaded for a cell: a folder at its size, bad pictures as in its study."""
    if not name.startswith("folder:"):
        return DataRef(name=name)
    own = record.cell.data_ref
    return DataRef(name=name, image_px=record.cell.image_px, on_bad_image=own.on_bad_image)


def _nobody(results: Results, asked: Asked) -> NvlError:
    """Return the error for a run of which no cell can be asked."""
    keys = {one.key for one in asked.left_out}
    if "evaluations.own_code" in keys:
        names = ", ".join(own_models(record.cell for record in results.records)[:5])
        return ModelError(mould(names, EXPECTED, GOT, "--trust, if you know that code"))
    reasons = {
        "evaluations.no_weights": "cells without weights",
        "evaluations.of_earlier_version": "cells of a version that kept too little",
        "evaluations.diverged": "cells that diverged",
    }
    got = " and ".join(words for key, words in reasons.items() if key in keys) or "none"
    remedy = 'protocol.keep_weights = "all" in a new --out'
    return StoreError(mould(str(results.root), "finished cells that can be asked", got, remedy))


def _error(cell_id: str, failed: Failed) -> NvlError:
    if failed.is_user_error:
        return ModelError(failed.message)
    got = f"{failed.kind}: {failed.message}"
    return ModelError(mould(cell_id, "a model that answers", got, "it again"))
