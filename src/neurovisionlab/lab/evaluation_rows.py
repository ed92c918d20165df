"""What the models of a run are worth on another set: one row per data set, model and variant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from neurovisionlab.core.errors import DataError
from neurovisionlab.core.evaluations import EvaluationResult, EvaluationSpec
from neurovisionlab.core.records import CellRecord
from neurovisionlab.core.spec import hash_of
from neurovisionlab.core.statements import Note
from neurovisionlab.judge.answers import answers_of
from neurovisionlab.judge.samples import Rules
from neurovisionlab.judge.verdicts import ModelEstimate, verdicts_of_dataset
from neurovisionlab.lab.results import Results


@dataclass(frozen=True)
class EvaluationRow:
    """A model trained on one data set, asked about another; unknown is None.

    Attributes:
        asked, part: the set that it was asked about, and which part of it.
        dataset, model: what it was trained on, and its name with its variant.
        num_networks: trained networks that were asked, one for each seed.
        num_images, num_left_out: images asked about, and images whose label it does not know.
        accuracy_frac: mean over the networks, 0 to 1.
        low_frac, high_frac: 95 % interval over images and seeds; None where there is none.
        own_test_frac: the same networks' accuracy on the test images of their own data set.
        notes: how labels, sizes and colours were matched.
    """

    asked: str
    part: str
    dataset: str
    model: str
    num_networks: int
    num_images: int
    num_left_out: int
    accuracy_frac: float
    low_frac: float | None
    high_frac: float | None
    own_test_frac: float | None
    notes: tuple[Note, ...]


def evaluation_rows(results: Results, specs: Sequence[EvaluationSpec]) -> tuple[EvaluationRow, ...]:
    """Return a row per data set, model and variant, in the order of the study.

    Args:
        results: of the run.
        specs: what was asked.
    """
    kept = results.evaluations(specs)
    of_cell = {hash_of(one.evaluation.spec.cell_id): one for one in kept}
    groups: dict[tuple[str, str], list[tuple[CellRecord, EvaluationResult]]] = {}
    for record in results.records:
        found = of_cell.get(hash_of(record.cell_id))
        if found is not None:
            name = record.cell.data.name, record.cell.label
            groups.setdefault(name, []).append((record, found))
    return tuple(_row(*name, group) for name, group in groups.items())


def _row(
    dataset: str, model: str, group: Sequence[tuple[CellRecord, EvaluationResult]]
) -> EvaluationRow:
    first = group[0][1].evaluation
    scores = [one.evaluation.scores.accuracy_frac for _, one in group]
    own = [record.test_scores.accuracy_frac for record, _ in group if record.test_scores]
    estimate = _estimate(model, [one for _, one in group])
    return EvaluationRow(
        asked=first.spec.data.name,
        part=first.spec.part,
        dataset=dataset,
        model=model,
        num_networks=len(group),
        num_images=first.scores.num_images,
        num_left_out=first.num_left_out,
        accuracy_frac=fmean(scores),
        low_frac=None if estimate is None else estimate.low,
        high_frac=None if estimate is None else estimate.high,
        own_test_frac=fmean(own) if own else None,
        notes=first.notes,
    )


def _estimate(model: str, group: Iterable[EvaluationResult]) -> ModelEstimate | None:
    """Return the accuracy with its interval; None where all images are of one class."""
    try:
        answers = answers_of(model, {i: one.predictions for i, one in enumerate(group)})
    except DataError:
        return None
    verdicts = verdicts_of_dataset(model, [answers], Rules(metrics=("accuracy",)))
    return verdicts.estimates[0]
