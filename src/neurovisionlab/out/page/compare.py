"""Several runs side by side: other protocols, other machines, the same page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from neurovisionlab.core.errors import SpecError, mould
from neurovisionlab.core.records import CellRecord
from neurovisionlab.judge.verdicts import ModelEstimate
from neurovisionlab.lab.judge import Judgements, judged_or_why
from neurovisionlab.lab.plan import Plan
from neurovisionlab.lab.resources import ResourceRow, resource_rows
from neurovisionlab.lab.results import Results
from neurovisionlab.out.charts.quality import interval_chart
from neurovisionlab.out.page.chapters import ONE_SEED_MARK, one_seed_notes
from neurovisionlab.out.page.html import Drawing, drawn, page
from neurovisionlab.out.page.opening import extent_line, machine_lines
from neurovisionlab.out.page.report import protocol_line
from neurovisionlab.out.speech import ENGLISH, Sentence, Voice, number, speaking
from neurovisionlab.out.tables import GUESSING_MARK, MODEL, Table, guessing_notes
from neurovisionlab.out.words import verdicts as say

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
COST_HEADS = {
    "train_s": (Sentence("training, s"), 1),
    "train_peak_mib": (Sentence("train MiB"), 0),
    "infer_peak_mib": (Sentence("infer MiB"), 0),
    "latency_p50_ms": (Sentence("p50 ms"), 2),
    "throughput_images_per_s": (Sentence("images/s"), 0),
}
NOISY = Sentence("* measured beside other processes, or on a noisy machine: slower than alone")


class Side(NamedTuple):
    """One of the runs: everything about it that is set beside the others."""

    name: str
    plan: Plan
    records: Sequence[CellRecord]
    judged: Judgements | None
    costs: Sequence[ResourceRow]
    extent: str
    protocol: str
    machines: tuple[str, ...]
    why_none: str = ""


class Beside(NamedTuple):
    """What the runs say of one data set."""

    dataset: str
    warnings: tuple[str, ...]
    accuracy: Table
    chart: Drawing | None
    costs: Table | None


def compare_runs(runs: Sequence[Results], language: Voice = ENGLISH) -> str:
    """Return a page that sets runs side by side, as HTML.

    Args:
        runs: two or more; runs of one name are numbered.
        language: what the page is written in.

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
    """Return the folders' names, numbered where two are the same."""
    names = [one.root.name for one in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]


def _side(results: Results, name: str) -> Side:
    plan, records = results.plan, results.records
    judged, why_none = judged_or_why(results, ("accuracy",))
    return Side(
        name=name,
        plan=plan,
        records=records,
        judged=judged,
        costs=resource_rows(results),
        extent=extent_line(plan, len(records)),
        protocol=protocol_line(plan.study),
        machines=tuple(machine_lines(records)),
        why_none=why_none or "",
    )


def settings_table(sides: Sequence[Side]) -> Table:
    """Return the settings in which the runs differ, a column for each run."""
    found = [_settings(side) for side in sides]
    names = dict.fromkeys(name for settings in found for name in settings)
    rows = [(name, *(settings.get(name, "–") for settings in found)) for name in names]
    return Table(
        title=str(DIFFERENT_SETTINGS),
        columns=(str(SETTING), *(side.name for side in sides)),
        rows=tuple(row for row in rows if len(set(row[1:])) > 1),
    )


def _settings(side: Side) -> dict[str, str]:
    """Return all that a run's study and machines are made of, {name: value}."""
    study = side.plan.study.model_dump(mode="json", exclude={"name", "description"})
    found = dict(_flat("", study))
    for record in side.records[:1]:
        machine = record.machine.model_dump(mode="json", exclude={"load_1min"})
        found |= dict(_flat("machine.", machine))
    return found


def _flat(prefix: str, settings: dict[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        elif isinstance(value, list):
            yield f"{prefix}{name}", ", ".join(map(str, value))
        else:
            yield f"{prefix}{name}", "–" if value is None else str(value)


def _beside(dataset: str, sides: Sequence[Side]) -> Beside:
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


def _near_guessing(side: Side, dataset: str) -> dict[str, float]:
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


def _estimates(side: Side, dataset: str) -> dict[str, ModelEstimate]:
    found = () if side.judged is None else side.judged.datasets
    return {
        estimate.model: estimate
        for one in found
        if one.dataset == dataset
        for estimate in one.verdicts.estimates
    }


def _warnings(
    dataset: str, sides: Sequence[Side], estimates: Sequence[dict[str, ModelEstimate]]
) -> Iterator[str]:
    digests = [  # several in one run where the size of images is varied
        frozenset(info.digest for _, info in side.plan.infos if info.name == dataset)
        for side in sides
    ]
    if len({one for one in digests if one}) > 1:
        yield str(OTHER_IMAGES)
    counts = {one.num_images for some in estimates for one in some.values()}
    if len(counts) > 1:
        yield OTHER_TEST.format(counts=", ".join(number(count, ",") for count in sorted(counts)))


def _chart(
    models: Sequence[str], estimates: Sequence[dict[str, ModelEstimate]], sides: Sequence[Side]
) -> object | None:
    """Return a panel for each model, a line for each run."""
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


def _costs(dataset: str, sides: Sequence[Side]) -> Table | None:
    """Return the costs of each model in each run: a row for each pair of them."""
    rows, is_noisy = [], False
    for side in sides:
        for row in side.costs:
            if row.dataset != dataset or all(row.cost(field) is None for field in COST_HEADS):
                continue
            calm = bool(row.is_for_ranking)
            is_noisy |= not calm
            cells = (_cost(row, field, calm) for field in COST_HEADS)
            rows.append((row.label, side.name, *cells))
    if not rows:
        return None
    heads = (str(head) for head, _ in COST_HEADS.values())
    return Table(
        title=str(COSTS),
        columns=(str(MODEL), str(RUN), *heads),
        rows=tuple(sorted(rows)),
        notes=(str(NOISY),) if is_noisy else (),
    )


RUN = Sentence("run")


def _cost(row: ResourceRow, field: str, calm: bool) -> str:
    value = row.cost(field)
    if value is None:
        return "–"
    is_timed = not field.endswith("_mib")
    return number(value, f",.{COST_HEADS[field][1]}f") + ("*" if is_timed and not calm else "")
