"""One self-contained HTML page about a run: opens from disk, asks no network for anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from neurovisionlab.core.claims.records import ClaimRow, Publication
from neurovisionlab.core.claims.verdicts import judge_claims
from neurovisionlab.core.errors import NvlError
from neurovisionlab.core.metrics import confusion
from neurovisionlab.core.records import CellRecord, Failure, best_on_validation
from neurovisionlab.core.sentences import overall_sentences
from neurovisionlab.core.spec import DataInfo
from neurovisionlab.data.home import DataHome
from neurovisionlab.lab.judge import Judgement, Judgements, evidence_of, judge_run
from neurovisionlab.lab.publications import read_publication, shipped
from neurovisionlab.lab.resources import resource_rows
from neurovisionlab.lab.store import Plan, Store
from neurovisionlab.out.figures import (
    Chart,
    accuracy_chart,
    confusion_chart,
    convergence_chart,
    interval_chart,
    recall_chart,
    to_svg,
)
from neurovisionlab.out.gallery import Shelf, all_shelves
from neurovisionlab.out.pareto_charts import cost_charts
from neurovisionlab.out.resources import resource_table
from neurovisionlab.out.tables import Row, Table, result_rows, summary_tables
from neurovisionlab.out.verdicts import Paragraph, details, headline


@dataclass(frozen=True)
class Chapter:
    """What the report says of one data set."""

    info: DataInfo
    table: Table
    accuracy: Markup | None
    convergence: Markup | None
    confusion: Markup | None
    confusion_of: str
    audit: tuple[str, ...]
    costs: Table | None
    cost_charts: tuple[Markup, ...]


def write_report(store: Store, home: DataHome | None = None) -> Path:
    """Write `report.html` into the run's folder and return its path.

    `home` is where data sets lie: mistakes are shown as pictures if the images are still there.
    """
    return store.write_text("report.html", render(store, home))


def render(store: Store, home: DataHome | None = None) -> str:
    """Return the report of a run as HTML; `home` as for `write_report`."""
    plan = store.plan()
    cells = plan.cells()
    records = store.finished(cells)
    rows = result_rows(cells, records, store.failures())
    environment = Environment(
        loader=PackageLoader("neurovisionlab.out"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        plan=plan,
        chapters=_chapters(plan, store, records, summary_tables(rows)),
        rows=rows,
        failures=_open_failures(store, {cell.cell_id for cell in cells}),
        machines=_machines(records),
        verdicts=_verdicts(store, home or DataHome.find(None)),
        publications=_publications(store),
        num_done=len(records),
        num_cells=len(cells),
    )


def _open_failures(store: Store, ids: set[str]) -> list[Failure]:
    """Return the last failure of each cell of the study that has not finished since."""
    last = {one.cell_id: one for one in store.failures() if one.cell_id in ids}
    return [one for one in last.values() if not store.has(one.cell_id)]


class Verdicts(NamedTuple):
    """Sentences for the first screen and for each data set, or why there are none."""

    short: tuple[str, ...]
    overall: tuple[str, ...]
    by_dataset: dict[str, tuple[Paragraph, ...]]
    chart: Markup | None = None
    recalls: dict[str, Markup | None] | None = None
    shelves: dict[str, list[Shelf]] | None = None
    why_none: str | None = None


def _verdicts(store: Store, home: DataHome) -> Verdicts:
    try:
        # accuracy alone: it is what the page speaks of
        found = judge_run(store, ("accuracy",))
    except NvlError as error:  # nothing finished, folds, a single class: said, and no more
        return Verdicts((), (), {}, why_none=str(error))
    return Verdicts(
        short=tuple(line for one in found.datasets for line in headline(one, found)),
        overall=() if found.overall is None else overall_sentences(found.overall),
        by_dataset={
            one.dataset: tuple(details(one, found.advice[one.dataset])) for one in found.datasets
        },
        chart=_drawn(interval_chart(_intervals(found))),
        shelves=all_shelves(store, found.datasets, home),
        recalls={one.dataset: _drawn(recall_chart(_recalls(one))) for one in found.datasets},
    )


def _recalls(one: Judgement) -> list[Row]:
    return [
        {
            "class": one.class_names[found.class_number],
            "model": model,
            "value": 100 * found.recall_frac,
            "low": 100 * found.low,
            "high": 100 * found.high,
        }
        for model, recalls in one.differences.recalls.items()
        for found in recalls
    ]


def _intervals(found: Judgements) -> list[Row]:
    return [
        {"dataset": data.dataset, "model": one.model}
        | {end: 100 * getattr(one, end) for end in ("value", "low", "high")}
        for data in found.datasets
        for one in data.verdicts.estimates
        if one.metric == "accuracy"
    ]


def _publications(store: Store) -> list[tuple[Publication, tuple[ClaimRow, ...]]]:
    """Return the shipped publications that this run can say something about, and what."""
    try:
        evidence = evidence_of(store)
    except NvlError:  # no verdicts, no claims: the first screen says why
        return []
    found = []
    for name in shipped():
        publication = read_publication(name)
        rows = judge_claims(publication, evidence)
        if any(row.measured is not None or row.direction is not None for row in rows):
            found.append((publication, rows))
    return found


def _chapters(
    plan: Plan, store: Store, records: Sequence[CellRecord], tables: Sequence[Table]
) -> list[Chapter]:
    info_of = {info.name: info for _, info in plan.infos}
    sources = _Sources(store, records, resource_rows(store, plan.cells()))
    return [_chapter(info_of[table.title], table, sources) for table in tables]


class _Sources(NamedTuple):
    """What all chapters are made from."""

    store: Store
    records: Sequence[CellRecord]
    costs: Sequence[Row]


def _is_on(record: CellRecord, dataset: str) -> bool:
    return record.cell.data.name == dataset


def _chapter(info: DataInfo, table: Table, sources: _Sources) -> Chapter:
    store = sources.store
    records = [record for record in sources.records if _is_on(record, info.name)]
    priced = [row for row in sources.costs if row["dataset"] == info.name]
    best = best_on_validation(records)
    return Chapter(
        info=info,
        table=table,
        accuracy=_drawn(accuracy_chart(records)),
        convergence=_drawn(convergence_chart(records)),
        confusion=_drawn(_confusion_of(best, info, store)) if best else None,
        confusion_of=best.cell_id if best else "",
        audit=_audit_lines(store, info),
        costs=resource_table(priced),
        cost_charts=tuple(Markup(to_svg(chart)) for chart in cost_charts(priced)),
    )


def _audit_lines(store: Store, info: DataInfo) -> tuple[str, ...]:
    audit = store.audit(info.digest)
    return () if audit is None else tuple(audit.summary())


def _confusion_of(record: CellRecord, info: DataInfo, store: Store) -> Chart | None:
    told = store.predictions(record.cell_id, "test")
    counts_CC = confusion(told.logits_NC.argmax(axis=1), told.labels_N, len(info.class_names))
    return confusion_chart(counts_CC, info.class_names)


def _drawn(chart: Chart | None) -> Markup | None:
    # safe: the renderer escapes what data wrote into the chart
    return None if chart is None else Markup(to_svg(chart))


def _machines(records: Sequence[CellRecord]) -> list[str]:
    """Return a line for each machine that cells ran on."""
    lines = {
        f"{m.device} · {m.cpu or 'processor unknown'}, {m.num_cores} cores, {m.num_threads} "
        f"threads, {m.memory_mib / 1024:.0f} GiB · {m.os} · Python {m.python} · "
        + ", ".join(f"{name} {number}" for name, number in m.versions.items()): None
        for m in (record.machine for record in records)
    }
    return list(lines)
