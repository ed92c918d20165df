"""Exports for other programs: tidy rows, LaTeX and Markdown tables, figures as files.

results.csv, results.parquet   cell × metric, and a row with its interval per estimate
tables.tex                     booktabs: quality, and resources; needs no other package
report.md                      text and tables of the report
figures/*.svg, .png, .pdf      every chart of the report
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NamedTuple

import pyarrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
from anyascii import anyascii

from neurovisionlab.core.records import CellRecord
from neurovisionlab.core.spec import slug
from neurovisionlab.judge.answers import Answers
from neurovisionlab.judge.samples import LOWER_IS_BETTER
from neurovisionlab.lab.cost_rows import CostRow, cost_rows
from neurovisionlab.lab.judgements import Conclusions, Judgements
from neurovisionlab.lab.store import Store
from neurovisionlab.out.charts.accuracy_costs import cost_charts
from neurovisionlab.out.charts.drawing import Chart, to_files
from neurovisionlab.out.charts.judged_charts import evidence, interval_rows, model_names
from neurovisionlab.out.charts.learning import convergence_chart
from neurovisionlab.out.charts.quality import accuracy_chart, interval_chart, rank_chart
from neurovisionlab.out.cost_tables import Axis, cost_tables
from neurovisionlab.out.plain import in_markdown
from neurovisionlab.out.speech import Sentence, number, voice
from neurovisionlab.out.tables import (
    MODEL,
    Table,
    result_rows,
    spread,
    summary_tables,
    to_csv,
    to_markdown,
)
from neurovisionlab.out.verdict_paragraphs import paragraphs


@dataclass(frozen=True)
class TidyRow:
    """A metric of a tested cell, or an estimate of it over the seeds of a model.

    Attributes:
        kind: "cell" or "estimate".
        low, high: ends of the 95 % interval; only for estimates.
    """

    kind: str
    cell_id: str | None
    dataset: str
    model: str
    variant: str
    seed: int | None
    fold: int | None
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    num_seeds: int | None = None
    num_test: int | None = None


TIDY_COLUMNS = tuple(one.name for one in fields(TidyRow))
_METRICS = (
    "accuracy_frac",
    "macro_f1_frac",
    "macro_precision_frac",
    "macro_recall_frac",
    "weighted_precision_frac",
    "weighted_f1_frac",
    "nll",
    "brier",
    "ece_frac",
)


def write_exports(store: Store, conclusions: Conclusions) -> list[Path]:
    """Write all exports into the run's folder and return their paths.

    Raises:
        StoreError: the folder is not writable.
    """
    return [store.write_bytes(name, content) for name, content in _files(conclusions)]


def _files(conclusions: Conclusions) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of every export."""
    results, judged = conclusions.results, conclusions.judged.judgements
    records, costs = results.records, cost_rows(results)
    rows = tidy_rows(records, judged)
    tables = [
        *summary_tables(result_rows(results.cells, records, results.failures)),
        *cost_tables(results),
    ]
    yield "results.csv", to_csv(rows, TIDY_COLUMNS).encode()
    yield "results.parquet", to_parquet(rows)
    yield "tables.tex", latex(records, costs).encode()
    yield "report.md", markdown(results.plan.study.name, tables, judged).encode()
    yield from _figures(_Found(records, costs, judged, conclusions.answers))


class _Found(NamedTuple):
    """Input of the figures."""

    records: Sequence[CellRecord]
    costs: Sequence[CostRow]
    judged: Judgements | None
    answers: dict[str, list[Answers]]


def tidy_rows(records: Sequence[CellRecord], judged: Judgements | None) -> list[TidyRow]:
    """Return a row per metric of each tested cell, and a row per estimate."""
    names = {r.cell.label: (r.cell.model, r.cell.variant) for r in records}
    return [*_cell_rows(records), *(_estimate_rows(judged, names) if judged else ())]


def _cell_rows(records: Sequence[CellRecord]) -> Iterator[TidyRow]:
    for record in records:
        if record.test_scores is None:
            continue
        cell = record.cell
        for metric in _METRICS:
            yield TidyRow(
                kind="cell",
                cell_id=record.cell_id,
                dataset=cell.data.name,
                model=cell.model,
                variant=cell.variant,
                seed=cell.seed,
                fold=cell.fold,
                metric=metric,
                value=getattr(record.test_scores, metric),
                num_test=record.num_test,
            )


def _estimate_rows(judged: Judgements, names: dict[str, tuple[str, str]]) -> Iterator[TidyRow]:
    for data in judged.datasets:
        for one in data.verdicts.estimates:
            unit = "" if one.metric in LOWER_IS_BETTER else "_frac"
            model, variant = names[one.model]
            yield TidyRow(
                kind="estimate",
                cell_id=None,
                dataset=data.dataset,
                model=model,
                variant=variant,
                seed=None,
                fold=None,
                metric=f"{one.metric}{unit}",
                value=one.value,
                low=one.low,
                high=one.high,
                num_seeds=one.num_seeds,
                num_test=one.num_images,
            )


def to_parquet(rows: Sequence[TidyRow]) -> bytes:
    """Return tidy rows as a Parquet file with typed columns; unknown is null."""
    whole = ("seed", "fold", "num_seeds", "num_test")
    kinds = {
        name: pyarrow.int64()
        if name in whole
        else pyarrow.float64()
        if name in ("value", "low", "high")
        else pyarrow.string()
        for name in TIDY_COLUMNS
    }
    table = pyarrow.Table.from_pylist(
        [asdict(row) for row in rows], schema=pyarrow.schema(list(kinds.items()))
    )
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


# LaTeX

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "–": "--",
    "−": r"$-$",
    "\u00a0": "~",
}


def escaped(text: str) -> str:
    r"""Return text escaped for LaTeX; characters missing in its fonts are transliterated to ASCII.

    >>> escaped("a&b_%$")
    'a\\&b\\_\\%\\$'
    """
    return "".join(_LATEX.get(one) or _settable(one) for one in text)


def _settable(character: str) -> str:
    is_cyrillic = "\u0400" <= character <= "\u04ff" and voice().code == "uk"
    if character.isascii() or is_cyrillic:
        return character if character.isprintable() else " "
    return "".join(_LATEX.get(one, one) for one in anyascii(character))


DATASET, TRAINING = Sentence("data set"), Sentence("training, s")
QUALITY_HEADS = (
    Sentence("accuracy"),
    Sentence("F1"),
    Sentence("precision"),
    Sentence("recall"),
)
COST_AXES = (
    Axis("train_s", TRAINING, 1, True),
    Axis("train_peak_mib", Sentence("train, MiB"), 0, False),
    Axis("infer_peak_mib", Sentence("inference, MiB"), 0, False),
    Axis("weights_mib", Sentence("size, MiB"), 1, False),
)
QUALITY_CAPTION = Sentence(
    "Quality on the test images, percent; F1, precision and recall are macro averages."
)
COST_CAPTION = Sentence(
    "Resources, each measured in a process of its own; memory above the process's baseline. "
    "A dash: not measured, or not while the machine was calm."
)
# LaTeX packages that the tables require
_PACKAGES = {
    "en": (r"\usepackage{booktabs}",),
    "uk": (
        r"\usepackage[T2A]{fontenc}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage[ukrainian]{babel}",
        r"\usepackage{booktabs}",
    ),
}


def latex(records: Sequence[CellRecord], costs: Sequence[CostRow]) -> str:
    r"""Return the published study's two tables with this run's numbers; \usepackage{booktabs}."""
    fields = ("accuracy_frac", "macro_f1_frac", "macro_precision_frac", "macro_recall_frac")
    groups: dict[tuple[str, str], list[CellRecord]] = {}
    for record in records:
        cell = record.cell
        groups.setdefault((cell.data.name, cell.label), []).append(record)
    quality = [
        (dataset, model, *(_percent(group, field) for field in fields))
        for (dataset, model), group in groups.items()
    ]
    resources = [
        (row.dataset, row.label, *(_cost(row, axis) for axis in COST_AXES)) for row in costs
    ]
    heads, cost_heads = (DATASET, MODEL), (axis.title for axis in COST_AXES)
    packages = _PACKAGES.get(voice().code, _PACKAGES["en"])
    return "\n".join(
        [
            "% written anew by nvl report; what a document must load for it:",
            *(f"% {package}" for package in packages),
            _latex_table(str(QUALITY_CAPTION), "quality", (*heads, *QUALITY_HEADS), quality),
            _latex_table(str(COST_CAPTION), "resources", (*heads, *cost_heads), resources),
        ]
    )


def _cost(row: CostRow, axis: Axis) -> str:
    is_told = row.is_for_ranking or not axis.is_timed
    return _number(row.cost(axis.field), axis.digits) if is_told else "–"


def _percent(group: Sequence[CellRecord], field: str) -> str:
    scores = [None if r.test_scores is None else getattr(r.test_scores, field) for r in group]
    return spread(scores, 100, 2)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else number(value, f".{digits}f")


def _latex_table(
    caption: str, label: str, heads: Sequence[Sentence], rows: Sequence[Sequence[str]]
) -> str:
    def line(cells: Iterable[object]) -> str:
        text = " & ".join(escaped(str(cell)) for cell in cells) + r" \\"
        # else an option of the command that ends the previous row
        return "{}" + text if text.lstrip().startswith(("[", "*", "(")) else text

    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escaped(caption)}}}\label{{tab:{label}}}",
            rf"\begin{{tabular}}{{ll{'r' * (len(heads) - 2)}}}",
            r"\toprule",
            line(heads),
            r"\midrule",
            *(line(row) for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def markdown(name: str, tables: Sequence[Table], judged: Judgements | None) -> str:
    """Return the conclusions and every table with its notes, in Markdown."""
    parts = [f"# {in_markdown(name)}", ""]
    for _, title, lines in paragraphs(judged) if judged else ():
        parts += [f"## {in_markdown(title)}", "", *(f"- {in_markdown(one)}" for one in lines), ""]
    for table in tables:
        notes = (f"*{in_markdown(note)}*" for note in table.notes)
        title = in_markdown(table.title)
        parts += [f"## {title}", "", to_markdown(table), "", "\n\n".join(notes), ""]
    return "\n".join(parts)


# figures


def _figures(found: _Found) -> Iterator[tuple[str, bytes]]:
    for name, chart in _charts(found).items():
        for ending, content in to_files(chart):
            yield f"figures/{name}.{ending}", content


def _charts(found: _Found) -> dict[str, Chart]:
    """Return {name: chart} for every chart of the report."""
    charts: dict[str, Chart | None] = {}
    judged = {one.dataset: one for one in found.judged.datasets} if found.judged else {}
    for dataset, prefix in _prefixes(found.records).items():
        some = [record for record in found.records if record.cell.data.name == dataset]
        one = judged.get(dataset)
        charts[f"{prefix}-accuracy"] = accuracy_chart(some)
        charts[f"{prefix}-convergence"] = convergence_chart(some, one.dynamics if one else ())
        costs = cost_charts([row for row in found.costs if row.dataset == dataset]).values()
        charts |= {f"{prefix}-cost-{number}": chart for number, chart in enumerate(costs, 1)}
        if one is not None:
            shown = evidence(one, found.answers[dataset])
            charts |= {f"{prefix}-{titled.name}": titled.chart for titled in shown}
    if found.judged is not None:
        charts["overview-accuracy"] = interval_chart(interval_rows(found.judged))
        if found.judged.overall is not None:
            charts["overview-ranks"] = rank_chart(found.judged.overall, model_names(found.judged))
    return {name: chart for name, chart in charts.items() if chart is not None}


def _prefixes(records: Sequence[CellRecord]) -> dict[str, str]:
    """Return {data set: prefix of its files}; equal names are numbered."""
    prefixes: dict[str, str] = {}
    for name in dict.fromkeys(record.cell.data.name for record in records):
        prefix = plain = slug(anyascii(name))
        number = 1
        while prefix in prefixes.values() or prefix == "overview":
            number += 1
            prefix = f"{plain}-{number}"
        prefixes[name] = prefix
    return prefixes
