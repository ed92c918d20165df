"""Verdicts and advice from a folder of results.

Nothing is trained: all input comes from stored predictions, epochs and costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from neurovisionlab.core.bounds import PartName
from neurovisionlab.core.errors import DataError, NvlError, StoreError, mould
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.predictions import Predictions
from neurovisionlab.core.records import CellRecord
from neurovisionlab.core.statements import Statement, state
from neurovisionlab.judge.advice import Prefer, advise, advise_cases
from neurovisionlab.judge.answers import Answers, answers_of
from neurovisionlab.judge.calibration import (
    CalibrationOverSeeds,
    ReliabilityBin,
    Temperature,
    calibration_over_seeds,
    reliability,
    temperature,
)
from neurovisionlab.judge.candidates import Advice, Candidate, Duel, Limits
from neurovisionlab.judge.differ import Differences, differences
from neurovisionlab.judge.dynamics import DynamicsOverSeeds, dynamics_over_seeds
from neurovisionlab.judge.guessing import is_near_guessing, largest_share
from neurovisionlab.judge.ranks import Overall, overall
from neurovisionlab.judge.samples import Metric, Rules
from neurovisionlab.judge.verdicts import (
    DatasetVerdicts,
    ModelEstimate,
    PairVerdict,
    verdicts_of_dataset,
)
from neurovisionlab.lab.cost_rows import CostRow, cost_rows
from neurovisionlab.lab.results import Results


class Judgement(Frozen):
    """Conclusions about one data set. Names of models include their variant.

    Attributes:
        verdicts: estimates and pairs.
        differences: differences between the models; class numbers and image indices.
        dynamics, calibration: per model, over its seeds.
        temperatures: {model: one temperature per seed}.
        reliability: {model: reliability curve on test images, one per seed}.
        left_out: models without a finished cell, and seeds that diverged.
        largest_class_frac: share of the largest class among the test images, 0..1.
        near_guessing: models whose accuracy is at or near that share.
    """

    dataset: str
    class_names: tuple[str, ...]
    verdicts: DatasetVerdicts
    differences: Differences
    dynamics: tuple[DynamicsOverSeeds, ...]
    calibration: tuple[CalibrationOverSeeds, ...]
    temperatures: dict[str, tuple[Temperature, ...]]
    reliability: dict[str, tuple[tuple[ReliabilityBin, ...], ...]]
    left_out: tuple[Statement, ...] = ()
    largest_class_frac: float = 0.0
    near_guessing: tuple[str, ...] = ()


class Judgements(Frozen):
    """All conclusions of a run, in the order of its data sets."""

    datasets: tuple[Judgement, ...]
    overall: Overall | None
    advice: dict[str, tuple[Advice, ...]]
    left_out: tuple[str, ...] = ()  # data sets without a scored cell


def judge_run(results: Results, metrics: tuple[Metric, ...] | None = None) -> Judgements:
    """Judge every data set of a run that has finished cells with scores.

    Args:
        results: results of the run.
        metrics: scores to judge; None for all.

    Raises:
        StoreError: no cell is finished, or all diverged.
        DataError: predictions are missing or not of the same test images.
    """
    rules = rules_of(results, metrics)
    groups = _groups(results)
    judged = tuple(_judge(name, models, results, rules) for name, models in groups.items())
    summary = overall([one.verdicts for one in judged], "accuracy", rules)
    shares = {one.dataset: one.largest_class_frac for one in judged}
    return Judgements(
        datasets=judged,
        overall=summary if len(judged) > 1 else None,
        advice=_advice(results, [one.verdicts for one in judged], shares, advise_cases),
        left_out=tuple(name for name in results.plan.study.datasets if name not in groups),
    )


class Judged(NamedTuple):
    """A run's conclusions, or the reason for their absence."""

    judgements: Judgements | None
    why_none: str | None = None


def judged_or_why(results: Results, metrics: tuple[Metric, ...] | None = None) -> Judged:
    """Judge a run as `judge_run` does, or return the reason if that is impossible.

    It is impossible without finished cells, with folds, and with a single class; tables of cells
    are still possible.
    """
    try:
        return Judged(judge_run(results, metrics))
    except NvlError as error:
        return Judged(None, str(error))


class Conclusions:
    """A run's results and its conclusions, computed once on first access.

    Attributes:
        results: results of the run.
    """

    def __init__(self, results: Results) -> None:
        self.results = results

    @cached_property
    def judged(self) -> Judged:
        """Conclusions for all metrics, or the reason for their absence."""
        return judged_or_why(self.results)

    @cached_property
    def answers(self) -> dict[str, list[Answers]]:
        """{data set: predictions of its models}; empty if there are no conclusions."""
        return all_answers(self.results) if self.judged.judgements else {}


def advise_run(
    results: Results, limits: Limits | None, prefer: Prefer
) -> dict[str, tuple[Advice, ...]]:
    """Return {data set: advice}: under limits, or without limits for the three usual cases.

    Raises:
        StoreError, DataError: see `judge_run`.
    """

    def within(candidates: Sequence[Candidate], duels: Sequence[Duel]) -> tuple[Advice, ...]:
        return (advise(candidates, limits, prefer, duels),)

    answers = all_answers(results)
    verdicts = verdicts_of(answers, rules_of(results, ("accuracy",)))
    shares = {name: _largest_share(models) for name, models in answers.items()}
    return _advice(results, verdicts, shares, advise_cases if limits is None else within)


Advisor = Callable[[Sequence[Candidate], Sequence[Duel]], tuple[Advice, ...]]


def _advice(
    results: Results,
    verdicts: Sequence[DatasetVerdicts],
    shares: Mapping[str, float],
    advisor: Advisor,
) -> dict[str, tuple[Advice, ...]]:
    """Return {data set: advice}; `shares` are those of the largest classes."""
    rows = cost_rows(results)
    found = {}
    for one in verdicts:
        of_set = [row for row in rows if row.dataset == one.dataset]
        given = advisor(_candidates(of_set, one, shares[one.dataset]), _duels(one))
        lost = tuple(_all_diverged(of_set))
        found[one.dataset] = tuple(
            advice.model_copy(update={"excluded": (*advice.excluded, *lost)}) for advice in given
        )
    return found


def _all_diverged(rows: Sequence[CostRow]) -> Iterator[Statement]:
    """Yield a statement for each model without accuracy because all its trainings diverged."""
    for row in rows:
        if row.accuracy_frac is None and row.num_diverged:
            yield state("advice.all_diverged", model=row.label)


def _largest_share(answers: Sequence[Answers]) -> float:
    """Return the share of the largest class among the test images."""
    return largest_share(np.bincount(answers[0].labels_N).tolist())


def rules_of(results: Results, metrics: tuple[Metric, ...] | None) -> Rules:
    """Return the rules for judging a run, for the given scores or, if None, for all."""
    rules = Rules(delta_frac=results.plan.study.equivalence_points / 100)
    return rules if metrics is None else rules.model_copy(update={"metrics": metrics})


def all_answers(results: Results) -> dict[str, list[Answers]]:
    """Return {data set: predictions of each model}, in the order of the study."""
    return {
        name: [_answers(results, model, rows) for model, rows in models.items()]
        for name, models in _groups(results).items()
    }


def verdicts_of(answers: dict[str, list[Answers]], rules: Rules) -> list[DatasetVerdicts]:
    """Return the verdicts on each data set, in the order of `answers`."""
    return [verdicts_of_dataset(name, models, rules) for name, models in answers.items()]


Group = dict[str, list[CellRecord]]


def _groups(results: Results) -> dict[str, Group]:
    """Return {data set: {model: its finished cells with scores}}, in the order of the study."""
    groups: dict[str, Group] = {}
    for record in results.records:
        cell = record.cell
        if cell.fold is not None:
            got, remedy = "folds: each seed met other test images", "nvl results RUN"
            raise DataError(mould("verdicts", "one test set for all", got, remedy))
        if record.status == "done":
            groups.setdefault(cell.data.name, {}).setdefault(cell.label, []).append(record)
    if not groups and results.records:
        got, remedy = f"{len(results.records)} that all diverged", "a lower protocol.learning_rate"
        raise StoreError(mould(str(results.root), "cells that did not diverge", got, remedy))
    if not groups:
        raise StoreError(mould(str(results.root), "finished cells", "none", "nvl run"))
    return groups


def _answers(results: Results, model: str, records: Sequence[CellRecord]) -> Answers:
    read = partial(_predictions, results, "test")
    return answers_of(model, {record.cell.seed: read(record) for record in records})


def _predictions(results: Results, part: PartName, record: CellRecord) -> Predictions:
    return results.predictions(record.cell_id, part)


def _judge(dataset: str, models: Group, results: Results, rules: Rules) -> Judgement:
    answers = [_answers(results, model, records) for model, records in models.items()]
    tests = {m: [_predictions(results, "test", r) for r in rows] for m, rows in models.items()}
    any_record = next(iter(models.values()))[0]
    verdicts, share = verdicts_of_dataset(dataset, answers, rules), _largest_share(answers)
    return Judgement(
        dataset=dataset,
        class_names=any_record.cell.data.class_names,
        verdicts=verdicts,
        differences=differences(answers),
        dynamics=tuple(
            dynamics_over_seeds(m, [r.epochs for r in rows]) for m, rows in models.items()
        ),
        calibration=tuple(calibration_over_seeds(m, given) for m, given in tests.items()),
        temperatures={
            m: tuple(
                temperature(_predictions(results, "val", record), test)
                for record, test in zip(rows, tests[m], strict=True)
            )
            for m, rows in models.items()
        },
        reliability={
            m: tuple(reliability(one.logits_NC, one.labels_N) for one in given)
            for m, given in tests.items()
        },
        left_out=tuple(_left_out(dataset, models, results)),
        largest_class_frac=share,
        near_guessing=tuple(
            one.model
            for one in verdicts.estimates
            if one.metric == "accuracy" and is_near_guessing(one.value, share)
        ),
    )


def _left_out(dataset: str, models: Group, results: Results) -> Iterator[Statement]:
    """Yield a statement for each cell of the study without a part in the verdicts."""
    judged = {record.cell_id for records in models.values() for record in records}
    for cell in results.cells:
        if cell.data.name == dataset and cell.cell_id not in judged:
            has_ended = cell.cell_id in results.finished_ids
            key = "cells.diverged" if has_ended else "cells.not_finished"
            yield state(key, cell=cell.cell_id)


# advice


def _candidates(
    rows: Sequence[CostRow], verdicts: DatasetVerdicts, largest_frac: float
) -> list[Candidate]:
    by_name = {row.label: row for row in rows}
    estimates = [one for one in verdicts.estimates if one.metric == "accuracy"]
    return [_candidate(one, by_name[one.model], largest_frac) for one in estimates]


def _candidate(one: ModelEstimate, row: CostRow, largest_frac: float) -> Candidate:
    """Return a model as a candidate; times from a disturbed measurement count as unknown."""
    is_calm = bool(row.is_for_ranking)
    is_guessing = is_near_guessing(one.value, largest_frac)
    return Candidate(
        model=one.model,
        accuracy_frac=one.value,
        accuracy_low_frac=one.low,
        accuracy_high_frac=one.high,
        size_mib=row.weights_mib,
        latency_ms=row.latency_p50_ms if is_calm else None,
        train_s=row.train_s if is_calm else None,
        memory_mib=row.infer_peak_mib or None,
        num_diverged=row.num_diverged,
        num_seeds=row.num_cells,
        guessing_frac=largest_frac if is_guessing else None,
    )


def _duels(verdicts: DatasetVerdicts) -> list[Duel]:
    return [_duel(pair) for pair in verdicts.pairs if pair.metric == "accuracy"]


def _duel(pair: PairVerdict) -> Duel:
    """Return the verdict about the models, whatever the seeds: "cannot tell" from one seed."""
    verdict: str = pair.about_models
    if verdict == "better":
        verdict = "first better" if pair.better == pair.a else "second better"
    return Duel.model_validate({"first": pair.a, "second": pair.b, "verdict": verdict})
