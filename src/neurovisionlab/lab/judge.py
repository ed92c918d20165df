"""From a folder of results to verdicts, evidence for claims, and candidates for advice.

Training nothing again: everything is read from stored predictions, epochs and costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from neurovisionlab.core.advice import Advice, Candidate, Duel, Limits, Prefer, advise, advise_cases
from neurovisionlab.core.answers import Answers, answers_of
from neurovisionlab.core.calibration import (
    CalibrationOverSeeds,
    ReliabilityBin,
    Temperature,
    calibration_over_seeds,
    reliability,
    temperature,
)
from neurovisionlab.core.claims.evidence import Evidence, Measured, MeasuredGap
from neurovisionlab.core.costs import cost_spec
from neurovisionlab.core.differ import Differences, differences
from neurovisionlab.core.dynamics import DynamicsOverSeeds, dynamics_over_seeds
from neurovisionlab.core.errors import DataError, StoreError, mould
from neurovisionlab.core.protocol import Frozen
from neurovisionlab.core.ranks import Overall, overall
from neurovisionlab.core.records import CellRecord, Predictions
from neurovisionlab.core.samples import Metric, Rules
from neurovisionlab.core.speech import Sentence
from neurovisionlab.core.stats import share_interval
from neurovisionlab.core.verdicts import (
    DatasetVerdicts,
    ModelEstimate,
    PairVerdict,
    verdicts_of_dataset,
)
from neurovisionlab.lab.resources import Row, resource_rows
from neurovisionlab.lab.store import Store


class Judgement(Frozen):
    """What one data set's results allow one to say. Names of models include their variant.

    Attributes:
        verdicts: estimates and pairs.
        differences: where the models differ; class numbers and image indices.
        dynamics, calibration: of each model, over its seeds.
        temperatures: {model: one for each seed}.
        reliability: {model: the curve of each seed's network on test}.
        left_out: models without a finished cell, and seeds that diverged.
    """

    dataset: str
    class_names: tuple[str, ...]
    verdicts: DatasetVerdicts
    differences: Differences
    dynamics: tuple[DynamicsOverSeeds, ...]
    calibration: tuple[CalibrationOverSeeds, ...]
    temperatures: dict[str, tuple[Temperature, ...]]
    reliability: dict[str, tuple[tuple[ReliabilityBin, ...], ...]]
    left_out: tuple[str, ...] = ()


class Judgements(Frozen):
    """All that a run's results allow one to say, in the order of its data sets."""

    datasets: tuple[Judgement, ...]
    overall: Overall | None
    advice: dict[str, tuple[Advice, ...]]
    left_out: tuple[str, ...] = ()  # data sets without a finished cell that has scores


def judge_run(store: Store, metrics: tuple[Metric, ...] | None = None) -> Judgements:
    """Judge every data set of a run that has two finished classes of images to judge.

    Args:
        store: the run.
        metrics: which scores; all if None.

    Raises:
        StoreError: nothing is finished.
        DataError: predictions are missing or not of the same test images.
    """
    rules = _rules(store, metrics)
    groups = _groups(store)
    judged = tuple(_judge(name, models, store, rules) for name, models in groups.items())
    summary = overall([one.verdicts for one in judged], "accuracy", rules)
    return Judgements(
        datasets=judged,
        overall=summary if len(judged) > 1 else None,
        advice=_advice(store, [one.verdicts for one in judged], advise_cases),
        left_out=tuple(name for name in store.plan().study.datasets if name not in groups),
    )


def advise_run(
    store: Store, limits: Limits | None, prefer: Prefer
) -> dict[str, tuple[Advice, ...]]:
    """Return advice for each data set: under limits, or without any for the three usual cases.

    Raises:
        StoreError, DataError: see `judge_run`.
    """

    def within(candidates: Sequence[Candidate], duels: Sequence[Duel]) -> tuple[Advice, ...]:
        return (advise(candidates, limits, prefer, duels),)

    verdicts = _verdicts(all_answers(store), _rules(store, ("accuracy",)))
    return _advice(store, verdicts, advise_cases if limits is None else within)


Advisor = Callable[[Sequence[Candidate], Sequence[Duel]], tuple[Advice, ...]]


def _advice(
    store: Store, verdicts: Sequence[DatasetVerdicts], advisor: Advisor
) -> dict[str, tuple[Advice, ...]]:
    rows = resource_rows(store, store.plan().cells())
    return {one.dataset: advisor(_candidates(rows, one), _duels(one)) for one in verdicts}


def evidence_of(store: Store) -> Evidence:
    """Return what a run measured, in the terms of a claims file.

    Raises:
        StoreError, DataError: see `judge_run`.
    """
    plan, answers = store.plan(), all_answers(store)
    verdicts = _verdicts(answers, _rules(store, _CLAIMED))
    measured = [one for data in verdicts for one in _measured(data)]
    for name, models in answers.items():
        measured += [one for model in models for one in _extreme_recalls(name, model)]
    measured += _measured_costs(resource_rows(store, plan.cells()))
    return Evidence(
        measured=tuple(measured),
        gaps=tuple(gap for data in verdicts for gap in _gaps(data)),
        protocol=plan.study.protocol,
        datasets=tuple({i.name: i for _, i in plan.infos if i.name in answers}.values()),
        subset=plan.study.subset,
        device=_device_of_costs(store),
    )


def _device_of_costs(store: Store) -> str | None:
    """Return the device that all costs were measured on; None if there is not one for all."""
    found = (store.costs(cost_spec(cell)) for cell in store.plan().cells())
    machines = [costs.conditions.machine for costs in found if costs is not None]
    devices = {None if machine is None else machine.device for machine in machines}
    return devices.pop() if len(devices) == 1 else None


def _rules(store: Store, metrics: tuple[Metric, ...] | None) -> Rules:
    rules = Rules(delta_frac=store.plan().study.equivalence_points / 100)
    return rules if metrics is None else rules.model_copy(update={"metrics": metrics})


def all_answers(store: Store) -> dict[str, list[Answers]]:
    """Return {data set: the answers of each model}, in the order of the study."""
    return {
        name: [_answers(store, model, rows) for model, rows in models.items()]
        for name, models in _groups(store).items()
    }


def _verdicts(answers: dict[str, list[Answers]], rules: Rules) -> list[DatasetVerdicts]:
    return [verdicts_of_dataset(name, models, rules) for name, models in answers.items()]


Group = dict[str, list[CellRecord]]


def _groups(store: Store) -> dict[str, Group]:
    """Return {data set: {model: its finished cells with scores}}, in the order of the study."""
    groups: dict[str, Group] = {}
    for record in store.finished(store.plan().cells()):
        cell = record.cell
        if cell.fold is not None:
            got, remedy = "folds: each seed met other test images", "nvl results RUN"
            raise DataError(mould("verdicts", "one test set for all", got, remedy))
        if record.status == "done":
            groups.setdefault(cell.data.name, {}).setdefault(cell.label, []).append(record)
    if not groups:
        raise StoreError(mould(str(store.root), "finished cells", "none", "nvl run"))
    return groups


def _answers(store: Store, model: str, records: Sequence[CellRecord]) -> Answers:
    read = partial(_predictions, store, "test")
    return answers_of(model, {record.cell.seed: read(record) for record in records})


def _predictions(store: Store, part: str, record: CellRecord) -> Predictions:
    return store.predictions(record.cell_id, "val" if part == "val" else "test")


def _judge(dataset: str, models: Group, store: Store, rules: Rules) -> Judgement:
    answers = [_answers(store, model, records) for model, records in models.items()]
    tests = {m: [_predictions(store, "test", r) for r in rows] for m, rows in models.items()}
    any_record = next(iter(models.values()))[0]
    return Judgement(
        dataset=dataset,
        class_names=any_record.cell.data.class_names,
        verdicts=verdicts_of_dataset(dataset, answers, rules),
        differences=differences(answers),
        dynamics=tuple(
            dynamics_over_seeds(m, [r.epochs for r in rows]) for m, rows in models.items()
        ),
        calibration=tuple(calibration_over_seeds(m, given) for m, given in tests.items()),
        temperatures={
            m: tuple(
                temperature(_predictions(store, "val", record), test)
                for record, test in zip(rows, tests[m], strict=True)
            )
            for m, rows in models.items()
        },
        reliability={
            m: tuple(reliability(one.logits_NC, one.labels_N) for one in given)
            for m, given in tests.items()
        },
        left_out=tuple(_left_out(dataset, models, store)),
    )


def _left_out(dataset: str, models: Group, store: Store) -> Iterator[str]:
    """Yield what of the study has no part in the verdicts."""
    judged = {record.cell_id for records in models.values() for record in records}
    for cell in store.plan().cells():
        if cell.data.name == dataset and cell.cell_id not in judged:
            sentence = DIVERGED if store.has(cell.cell_id) else NOT_FINISHED
            yield sentence.format(cell=cell.cell_id)


DIVERGED, NOT_FINISHED = Sentence("{cell}: diverged"), Sentence("{cell}: not finished")


# advice


def _candidates(rows: Sequence[Row], verdicts: DatasetVerdicts) -> list[Candidate]:
    by_name = {row["label"]: row for row in rows if row["dataset"] == verdicts.dataset}
    estimates = [one for one in verdicts.estimates if one.metric == "accuracy"]
    return [_candidate(one, by_name[one.model]) for one in estimates]


def _candidate(one: ModelEstimate, row: Row) -> Candidate:
    """Return a model as advice sees it; times measured beside others are unknown to it."""
    is_calm = bool(row["is_for_ranking"])
    return Candidate(
        model=one.model,
        accuracy_frac=one.value,
        accuracy_low_frac=one.low,
        accuracy_high_frac=one.high,
        size_mib=row["weights_mib"],
        latency_ms=row["latency_p50_ms"] if is_calm else None,
        train_s=row["train_s"] if is_calm else None,
        memory_mib=row["infer_peak_mib"] or None,
    )


def _duels(verdicts: DatasetVerdicts) -> list[Duel]:
    return [_duel(pair) for pair in verdicts.pairs if pair.metric == "accuracy"]


def _duel(pair: PairVerdict) -> Duel:
    """Return what is known of the models, whatever the seeds: nothing from one seed."""
    verdict: str = pair.about_models
    if verdict == "better":
        verdict = "first better" if pair.better == pair.a else "second better"
    return Duel.model_validate({"first": pair.a, "second": pair.b, "verdict": verdict})


# claims

_CLAIMED: tuple[Metric, ...] = ("accuracy", "macro_f1", "macro_recall", "macro_precision")
_CLAIM_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "f1",
    "macro_recall": "recall",
    "macro_precision": "precision",
}


def _measured(data: DatasetVerdicts) -> Iterator[Measured]:
    """Yield qualities. One seed's interval is about one network, not the model: it has none."""
    for one in data.estimates:
        is_known = one.scope == "models"
        yield Measured(
            dataset=data.dataset,
            model=one.model,
            metric=_CLAIM_NAMES[one.metric],
            value=100 * one.value,
            low=100 * one.low if is_known else None,
            high=100 * one.high if is_known else None,
        )


def _extreme_recalls(dataset: str, answers: Answers) -> Iterator[Measured]:
    """Yield the lowest and highest recall of a class, with intervals for all classes at once.

    Bonferroni: each class at a level of 1 - 0.05/C. The lowest true recall then lies between the
    lowest lower and the lowest upper bound; the highest likewise.
    """
    right_SN, classes = answers.right(), np.unique(answers.labels_N)
    of_class = [right_SN[:, answers.labels_N == one] for one in classes]
    bounds = np.array([share_interval(some, 1 - 0.05 / len(classes)) for some in of_class])
    recalls = [some.mean() for some in of_class]
    is_known = len(answers.seeds) > 1
    for metric, pick in (("lowest_class_recall", np.min), ("highest_class_recall", np.max)):
        low, high = (100 * float(pick(bounds[:, side])) for side in (0, 1))
        yield Measured(
            dataset=dataset,
            model=answers.model,
            metric=metric,
            value=100 * float(pick(recalls)),
            low=low if is_known else None,
            high=high if is_known else None,
        )


def _gaps(data: DatasetVerdicts) -> Iterator[MeasuredGap]:
    for pair in data.pairs:
        if pair.scope != "models":
            continue
        yield MeasuredGap(
            dataset=data.dataset,
            metric=_CLAIM_NAMES[pair.metric],
            first=pair.a,
            second=pair.b,
            value=100 * pair.difference,
            low=100 * pair.low,
            high=100 * pair.high,
        )


_COST_NAMES = {
    "train_s": "train_time_s",
    "train_peak_mib": "train_memory_mib",
    "infer_peak_mib": "test_memory_mib",
    "latency_p50_ms": "latency_ms",
    "weights_mib": "weights_mib",
    "num_parameters": "num_parameters",
}
# how far two calm measurements of one thing lie apart, at most: benchmarks/measuring.py
_TIMES_VARY_FRAC, _MEMORY_VARIES_FRAC = 0.10, 0.03


def _measured_costs(rows: Sequence[Row]) -> Iterator[Measured]:
    """Yield costs; those that vary between measurements with the interval of that variation."""
    for row in rows:
        for field, metric in _COST_NAMES.items():
            value = row[field]
            if value is None:
                continue
            vary = 0.0
            if field.endswith(("_s", "_ms")):
                if not row["is_for_ranking"]:
                    continue  # an upper bound is no measurement
                vary = _TIMES_VARY_FRAC
            elif field.endswith("peak_mib"):
                vary = max(_MEMORY_VARIES_FRAC, 4 / value) if value else 0.0
            yield Measured(
                dataset=row["dataset"],
                model=row["label"],
                metric=metric,
                value=value,
                low=value * (1 - vary),
                high=value * (1 + vary),
            )
