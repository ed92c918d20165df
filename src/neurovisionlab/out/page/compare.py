"""Comparison of several runs, with other protocols or machines, on one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from neurovisionlab.core.errors import SpecError, mould
from neurovisionlab.core.records import CellRecord
from neurovisionlab.core.study_differences import flat
from neurovisionlab.judge.verdicts import ModelEstimate
from neurovisionlab.lab.cost_rows import CostRow, cost_rows
from neurovisionlab.lab.judgements import Judgements, judged_or_why
from neurovisionlab.lab.plan import Plan
from neurovisionlab.lab.results import Results
from neurovisionlab.out.charts.quality import interval_chart
from neurovisionlab.out.cost_tables import AXES, Axis
from neurovisionlab.out.page.chapters import ONE_SEED_MARK, one_seed_notes
from neurovisionlab.out.page.html import Drawing, drawn, page
from neurovisionlab.out.page.opening import extent_line, machine_lines
from neurovisionlab.out.page.report import protocol_line
from neurovisionlab.out.speech import ENGLISH, Sentence, Voice, number, speaking
from neurovisionlab.out.tables import GUESSING_MARK, MODEL, Table, guessing_notes, setting_text
from neurovisionlab.out.words import verdict_words as say

SETTING = Sentence("setting")
DIFFERENT_SETTINGS = Sentence("What differs between the runs")
ACCURACY = Sentence("Test accuracy, %, with its 95 % interval")
COSTS = Sentence("What it cost")
OTHER_IMAGES = Sentence(
    "Under this name the runs used different images: their numbers cannot be held against each "
    "other."
)
OTHER_TEST = Sentence("The runs were not tested on the same number of images: {counts}.")
NO_VERDICT = Sentence("{run}: no intervals, {why}")
_SHOWN = ("train_peak_mib", "infer_peak_mib", "latency_p50_ms", "throughput_images_per_s")
COST_AXES = (
    Axis("train_s", Sentence("training, s"), 1, True),
    *(axis for axis in AXES if axis.field in _SHOWN),
)
NOISY = Sentence("* measured beside other processes, or on a noisy machine: slower than alone")


class ComparedRun(NamedTuple):
    """One run with everything that the comparison shows."""

    name: str
    plan: Plan
    records: Sequence[CellRecord]
    judged: Judgements | None
    costs: Sequence[CostRow]
    extent: str
    protocol: str
    machines: tuple[str, ...]
    why_none: str = ""


class Beside(NamedTuple):
    """Comparison of the runs on one data set."""

    dataset: str
    warnings: tuple[str, ...]
    accuracy: Table
    chart: Drawing | None
    costs: Table | None


def compare_runs(runs: Sequence[Results], language: Voice = ENGLISH) -> str:
    """Return a page that compares runs, as HTML.

    Args:
        runs: two or more; runs with the same name are numbered.
        language: language of the page.

    Raises:
        SpecError: fewer than two runs.
    """
    if len(runs) < 2:
        got, remedy = f"{len(runs)}", "nvl compare RUN_A RUN_B"
        raise SpecError(mould("nvl compare", "two runs or more", got, remedy))
    with speaking(language):
        sides = [_side(one, name) for one, name in zip(runs, _names(runs), strict=True)]
        datasets = dict.fromkeys(i.name for side in sides for _, i in side.plan.infos)
        content = {
            "sides": sides,
            "settings": settings_table(sides),
            "chapters": [_beside(name, sides) for name in datasets],
            "notes": [
                NO_VERDICT.format(run=one.name, why=one.why_none) for one in sides if one.why_none
            ],
        }
        return page("compare.html.j2", language, content)


def _names(runs: Sequence[Results]) -> list[str]:
    """Return the folders' names, numbered if repeated."""
    names = [one.root.name for one in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]


def _side(results: Results, name: str) -> ComparedRun:
    plan, records = results.plan, results.records
    judged, why_none = judged_or_why(results, ("accuracy",))
    return ComparedRun(
        name=name,
        plan=plan,
        records=records,
        judged=judged,
        costs=cost_rows(results),
        extent=extent_line(plan, len(records)),
        protocol=protocol_line(plan.study),
        machines=tuple(machine_lines(records)),
        why_none=why_none or "",
    )


def settings_table(sides: Sequence[ComparedRun]) -> Table:
    """Return the settings in which the runs differ, a column per run."""
    found = [_settings(side) for side in sides]
    names = dict.fromkeys(name for settings in found for name in settings)
    rows = [(name, *(settings.get(name, "–") for settings in found)) for name in names]
    return Table(
        title=str(DIFFERENT_SETTINGS),
        columns=(str(SETTING), *(side.name for side in sides)),
        rows=tuple(row for row in rows if len(set(row[1:])) > 1),
    )


def _settings(side: ComparedRun) -> dict[str, str]:
    """Return all settings of a run's study and machine, {name: value}."""
    study = side.plan.study.model_dump(mode="json", exclude={"name", "description"})
    settings = flat(study)
    for record in side.records[:1]:
        machine = record.machine.model_dump(mode="json", exclude={"load_1min"})
        settings |= flat(machine, "machine.")
    return {name: setting_text(value) for name, value in settings.items()}


def _beside(dataset: str, sides: Sequence[ComparedRun]) -> Beside:
    estimates = [_estimates(side, dataset) for side in sides]
    models = list(dict.fromkeys(model for some in estimates for model in some))
    near = [_near_guessing(side, dataset) for side in sides]
    rows = tuple(
        (
            model,
            *(
                f"{_interval(some[model])}{GUESSING_MARK if model in idle else ''}"
                if model in some
                else "–"
                for some, idle in zip(estimates, near, strict=True)
            ),
        )
        for model in models
    )
    columns = (str(MODEL), *(side.name for side in sides))
    return Beside(
        dataset=dataset,
        warnings=tuple(_warnings(dataset, sides, estimates)),
        accuracy=Table(
            title=str(ACCURACY),
            columns=columns,
            rows=rows,
            notes=(
                *one_seed_notes(one for some in estimates for one in some.values()),
                *guessing_notes(share for idle in near for share in idle.values()),
            ),
        ),
        chart=drawn(_chart(models, estimates, sides), str(ACCURACY)),
        costs=_costs(dataset, sides),
    )


def _near_guessing(side: ComparedRun, dataset: str) -> dict[str, float]:
    """Return {model near guessing: share of the largest class}."""
    found = () if side.judged is None else side.judged.datasets
    return {
        model: one.largest_class_frac
        for one in found
        if one.dataset == dataset
        for model in one.near_guessing
    }


def _interval(one: ModelEstimate) -> str:
    return say.short_interval(one) + ("" if one.scope == "models" else ONE_SEED_MARK)


def _estimates(side: ComparedRun, dataset: str) -> dict[str, ModelEstimate]:
    found = () if side.judged is None else side.judged.datasets
    return {
        estimate.model: estimate
        for one in found
        if one.dataset == dataset
        for estimate in one.verdicts.estimates
    }


def _warnings(
    dataset: str, sides: Sequence[ComparedRun], estimates: Sequence[dict[str, ModelEstimate]]
) -> Iterator[str]:
    digests = [  # several per run if the image size is varied
        frozenset(info.digest for _, info in side.plan.infos if info.name == dataset)
        for side in sides
    ]
    if len({one for one in digests if one}) > 1:
        yield str(OTHER_IMAGES)
    counts = {one.num_images for some in estimates for one in some.values()}
    if len(counts) > 1:
        yield OTHER_TEST.format(counts=", ".join(number(count, ",") for count in sorted(counts)))


def _chart(
    models: Sequence[str],
    estimates: Sequence[dict[str, ModelEstimate]],
    sides: Sequence[ComparedRun],
) -> object | None:
    """Return a panel per model, with a line per run."""
    rows = [
        {
            "dataset": model,
            "model": side.name,
            "value": 100 * some[model].value,
            "low": 100 * some[model].low,
            "high": 100 * some[model].high,
        }
        for model in models
        for side, some in zip(sides, estimates, strict=True)
        if model in some
    ]
    return interval_chart(rows)


def _costs(dataset: str, sides: Sequence[ComparedRun]) -> Table | None:
    """Return the costs of each model in each run, a row per pair."""
    rows, is_noisy = [], False
    for side in sides:
        for row in side.costs:
            if row.dataset != dataset or all(row.cost(axis.field) is None for axis in COST_AXES):
                continue
            calm = bool(row.is_for_ranking)
            is_noisy |= not calm
            cells = (_cost(row, axis, calm) for axis in COST_AXES)
            rows.append((row.label, side.name, *cells))
    if not rows:
        return None
    heads = (str(axis.title) for axis in COST_AXES)
    return Table(
        title=str(COSTS),
        columns=(str(MODEL), str(RUN), *heads),
        rows=tuple(sorted(rows)),
        notes=(str(NOISY),) if is_noisy else (),
    )


RUN = Sentence("run")


def _cost(row: CostRow, axis: Axis, calm: bool) -> str:
    value = row.cost(axis.field)
    if value is None:
        return "–"
    return number(value, f",.{axis.digits}f") + ("*" if axis.is_timed and not calm else "")
