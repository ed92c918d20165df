"""Evidence for and against a publication's claims, from a run's results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from neurovisionlab.claims.measured import Evidence, Measured, MeasuredGap
from neurovisionlab.core.costs import cost_spec
from neurovisionlab.judge.answers import Answers
from neurovisionlab.judge.samples import Metric
from neurovisionlab.judge.stats import share_interval
from neurovisionlab.judge.verdicts import DatasetVerdicts
from neurovisionlab.lab.cost_rows import CostRow, cost_rows
from neurovisionlab.lab.judgements import all_answers, rules_of, verdicts_of
from neurovisionlab.lab.results import Results

_CLAIMED: tuple[Metric, ...] = ("accuracy", "macro_f1", "macro_recall", "macro_precision")
_CLAIM_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "f1",
    "macro_recall": "recall",
    "macro_precision": "precision",
}


def evidence_of(results: Results) -> Evidence:
    """Return a run's measurements in the terms of a claims file.

    Raises:
        StoreError, DataError: see `judge_run`.
    """
    plan, answers = results.plan, all_answers(results)
    verdicts = verdicts_of(answers, rules_of(results, _CLAIMED))
    measured = [one for data in verdicts for one in _measured(data)]
    for name, models in answers.items():
        measured += [one for model in models for one in _extreme_recalls(name, model)]
    measured += _measured_costs(cost_rows(results))
    return Evidence(
        measured=tuple(measured),
        gaps=tuple(gap for data in verdicts for gap in _gaps(data)),
        protocol=plan.study.protocol,
        datasets=tuple({i.name: i for _, i in plan.infos if i.name in answers}.values()),
        subset=plan.study.subset,
        device=_device_of_costs(results),
    )


def _device_of_costs(results: Results) -> str | None:
    """Return the device of all cost measurements; None if they differ or there are none."""
    found = (results.costs(cost_spec(cell)) for cell in results.cells)
    machines = [costs.conditions.machine for costs in found if costs is not None]
    devices = {None if machine is None else machine.device for machine in machines}
    return devices.pop() if len(devices) == 1 else None


def _measured(data: DatasetVerdicts) -> Iterator[Measured]:
    """Yield qualities. An interval of one seed concerns one network, not the model: left out."""
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
    """Yield the lowest and highest class recall, with simultaneous intervals for all classes.

    Bonferroni: each class at a level of 1 - 0.05/C. The lowest true recall then lies between the
    lowest lower and the lowest upper bound; likewise the highest.
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
# largest difference of two measurements on an idle machine: benchmarks/measuring.py
_TIMES_VARY_FRAC, _MEMORY_VARIES_FRAC = 0.10, 0.03


def _measured_costs(rows: Sequence[CostRow]) -> Iterator[Measured]:
    """Yield costs; those that vary between measurements with the interval of that variation."""
    for row in rows:
        for field, metric in _COST_NAMES.items():
            value = row.cost(field)
            if value is None:
                continue
            vary = 0.0
            if field.endswith(("_s", "_ms")):
                if not row.is_for_ranking:
                    continue  # an upper bound, not a measurement
                vary = _TIMES_VARY_FRAC
            elif field.endswith("peak_mib"):
                vary = max(_MEMORY_VARIES_FRAC, 4 / value) if value else 0.0
            yield Measured(
                dataset=row.dataset,
                model=row.label,
                metric=metric,
                value=value,
                low=value * (1 - vary),
                high=value * (1 + vary),
            )
