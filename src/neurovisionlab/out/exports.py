"""What people paste and load elsewhere: tidy rows, LaTeX and Markdown tables, figures as files.

results.csv, results.parquet   cell × metric, and a row with its interval for each estimate
tables.tex                     booktabs: quality, and resources; needs no other package
report.md                      the report's words and tables
figures/*.svg, .png, .pdf      every chart of the report
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from neurovisionlab.core.errors import NvlError
from neurovisionlab.core.records import CellRecord
from neurovisionlab.core.samples import LOWER_IS_BETTER
from neurovisionlab.core.spec import slug
from neurovisionlab.lab.judge import Judgements, judge_run
from neurovisionlab.lab.resources import resource_rows
from neurovisionlab.lab.store import Store
from neurovisionlab.out.charts.costs import cost_charts
from neurovisionlab.out.charts.drawing import Chart, to_files
from neurovisionlab.out.charts.learning import convergence_chart
from neurovisionlab.out.charts.quality import accuracy_chart
from neurovisionlab.out.resources import resource_tables
from neurovisionlab.out.tables import (
    Row,
    Table,
    result_rows,
    spread,
    summary_tables,
    to_csv,
    to_markdown,
)
from neurovisionlab.out.verdicts import paragraphs

TIDY_COLUMNS = (
    "kind",  # "cell", or "estimate" over the seeds of a model
    "cell_id",
    "dataset",
    "model",
    "variant",
    "seed",
    "fold",
    "metric",
    "value",
    "low",  # of the 95 % interval; estimates alone have one
    "high",
    "num_seeds",
    "num_test",
)
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


def write_exports(store: Store) -> list[Path]:
    """Write all exports into the run's folder; return their paths."""
    plan = store.plan()
    cells = plan.cells()
    records = store.finished(cells)
    judged = _judged(store)
    rows = tidy_rows(records, judged)
    costs = resource_rows(store, cells)
    tables = [
        *summary_tables(result_rows(cells, records, store.failures())),
        *resource_tables(store),
    ]
    return [
        store.write_text("results.csv", to_csv(rows, TIDY_COLUMNS)),
        store.write_bytes("results.parquet", to_parquet(rows)),
        store.write_text("tables.tex", latex(records, costs)),
        store.write_text("report.md", markdown(plan.study.name, tables, judged)),
        *_figures(store, records, costs),
    ]


def _judged(store: Store) -> Judgements | None:
    try:
        return judge_run(store)
    except NvlError:  # nothing to judge: cells are exported all the same
        return None


def tidy_rows(records: Sequence[CellRecord], judged: Judgements | None) -> list[Row]:
    """Return a row for each metric of each tested cell, and one for each estimate."""
    names = {r.cell.label: (r.cell.model, r.cell.variant) for r in records}
    return [*_cell_rows(records), *(_estimate_rows(judged, names) if judged else ())]


def _cell_rows(records: Sequence[CellRecord]) -> Iterator[Row]:
    for record in records:
        if record.test_scores is None:
            continue
        cell, scores = record.cell, record.test_scores.model_dump(include=set(_METRICS))
        shared = dict.fromkeys(TIDY_COLUMNS) | {
            "kind": "cell",
            "cell_id": record.cell_id,
            "dataset": cell.data.name,
            "model": cell.model,
            "variant": cell.variant,
            "seed": cell.seed,
            "fold": cell.fold,
            "num_test": record.num_test,
        }
        for metric in _METRICS:
            yield shared | {"metric": metric, "value": scores[metric]}


def _estimate_rows(judged: Judgements, names: dict[str, tuple[str, str]]) -> Iterator[Row]:
    for data in judged.datasets:
        for one in data.verdicts.estimates:
            unit = "" if one.metric in LOWER_IS_BETTER else "_frac"
            model, variant = names[one.model]
            yield dict.fromkeys(TIDY_COLUMNS) | {
                "kind": "estimate",
                "dataset": data.dataset,
                "model": model,
                "variant": variant,
                "metric": f"{one.metric}{unit}",
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "num_seeds": one.num_seeds,
                "num_test": one.num_images,
            }


def to_parquet(rows: Sequence[Row]) -> bytes:
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
    table = pyarrow.Table.from_pylist(list(rows), schema=pyarrow.schema(list(kinds.items())))
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
}


def escaped(text: str) -> str:
    r"""Return text that LaTeX prints as it is.

    >>> escaped("a&b_%$")
    'a\\&b\\_\\%\\$'
    """
    return "".join(_LATEX.get(character, character) for character in text)


def latex(records: Sequence[CellRecord], costs: Sequence[Row]) -> str:
    r"""Return the published study's two tables in this run's numbers; \usepackage{booktabs}."""
    heads = ("data set", "model", "accuracy", "F1", "precision", "recall")
    fields = ("accuracy_frac", "macro_f1_frac", "macro_precision_frac", "macro_recall_frac")
    groups: dict[tuple[str, str], list[CellRecord]] = {}
    for record in records:
        cell = record.cell
        groups.setdefault((cell.data.name, cell.label), []).append(record)
    quality = [
        (dataset, model, *(_percent(group, field) for field in fields))
        for (dataset, model), group in groups.items()
    ]
    caption = "Quality on the test images, percent; F1, precision and recall are macro averages."
    resources = [
        (row["dataset"], row["label"], *(_cost(row, f, d) for f, d in _COST_COLUMNS.items()))
        for row in costs
    ]
    cost_heads = ("data set", "model", "training, s", "train, MiB", "inference, MiB", "size, MiB")
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}; written anew by nvl report",
            _latex_table(caption, "quality", heads, quality),
            _latex_table(_COST_CAPTION, "resources", cost_heads, resources),
        ]
    )


_COST_COLUMNS = {"train_s": 1, "train_peak_mib": 0, "infer_peak_mib": 0, "weights_mib": 1}


_COST_CAPTION = (
    "Resources, each measured in a process of its own; memory above the process's baseline. "
    "A dash: not measured, or not while the machine was calm."
)


def _cost(row: Row, field: str, digits: int) -> str:
    is_time = field == "train_s"
    return "–" if is_time and not row["is_for_ranking"] else _number(row[field], digits)


def _percent(group: Sequence[CellRecord], field: str) -> str:
    scores = [None if r.test_scores is None else getattr(r.test_scores, field) for r in group]
    return spread(scores, 100, 2)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _latex_table(
    caption: str, label: str, heads: Sequence[str], rows: Sequence[Sequence[str]]
) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join(escaped(cell) for cell in cells) + r" \\"

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
    """Return what the numbers say, and every table with its notes, in Markdown."""
    parts = [f"# {name}", ""]
    for _, title, lines in paragraphs(judged) if judged else ():
        parts += [f"## {title}", "", *(f"- {line.strip()}" for line in lines), ""]
    for table in tables:
        notes = (f"*{note}*" for note in table.notes)
        parts += [f"## {table.title}", "", to_markdown(table), "", "\n\n".join(notes), ""]
    return "\n".join(parts)


# figures


def _figures(store: Store, records: Sequence[CellRecord], costs: Sequence[Row]) -> Iterator[Path]:
    for name, chart in _charts(records, costs).items():
        for ending, content in to_files(chart):
            yield store.write_bytes(f"figures/{name}.{ending}", content)


def _charts(records: Sequence[CellRecord], costs: Sequence[Row]) -> dict[str, Chart]:
    found: dict[str, Chart | None] = {}
    for dataset in dict.fromkeys(record.cell.data.name for record in records):
        some = [record for record in records if record.cell.data.name == dataset]
        found[f"{slug(dataset)}-accuracy"] = accuracy_chart(some)
        found[f"{slug(dataset)}-convergence"] = convergence_chart(some)
        charts = cost_charts([row for row in costs if row["dataset"] == dataset])
        found |= {
            f"{slug(dataset)}-cost-{number}": c for number, c in enumerate(charts.values(), 1)
        }
    return {name: chart for name, chart in found.items() if chart is not None}
