"""Tables of records: rows as data first, then as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from statistics import fmean, stdev

from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.records import CellRecord, Failure
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.core.study_differences import Difference
from neurovisionlab.judge.guessing import is_near_guessing, largest_share
from neurovisionlab.out.csv_cells import in_csv
from neurovisionlab.out.plain import in_markdown
from neurovisionlab.out.speech import Counted, Sentence, number


@dataclass(frozen=True)
class ResultRow:
    """A planned cell, finished or not, for JSON and CSV; unknown values are None."""

    cell_id: str
    dataset: str
    model: str
    variant: str
    seed: int
    fold: int | None
    status: str
    accuracy_frac: float | None = None
    macro_f1_frac: float | None = None
    weighted_f1_frac: float | None = None
    macro_precision_frac: float | None = None
    macro_recall_frac: float | None = None
    weighted_precision_frac: float | None = None
    nll: float | None = None
    brier: float | None = None
    ece_frac: float | None = None
    val_accuracy_frac: float | None = None
    num_parameters: int | None = None
    train_time_s: float | None = None
    train_images_per_s: float | None = None
    num_train: int | None = None
    num_val: int | None = None
    num_test: int | None = None
    tested_epoch: int | None = None
    diverged_epoch: int | None = None
    largest_class_frac: float | None = None

    def value(self, name: str) -> float | None:
        """Return the number in a field of this name."""
        found: float | None = getattr(self, name)
        return found


RESULT_COLUMNS = tuple(one.name for one in fields(ResultRow))

STATUSES = {
    "done": Sentence("done"),
    "diverged": Sentence("diverged"),
    "failed": Sentence("failed"),
    "pending": Sentence("pending"),
}


class Table(Frozen):
    """A table to print: text, with notes below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def are_text(self) -> tuple[bool, ...]:
        """Which columns are read from the left: the first, and those of words alone."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        return tuple(
            number == 0 or (any(cells) and all(cell[:1].isalpha() for cell in cells if cell))
            for number, cells in enumerate(columns)
        )


def differences_table(found: Iterable[Difference], names: tuple[str, str]) -> Table:
    """Return a table of settings in which two named studies differ; a missing value is a dash."""
    rows = tuple((one.setting, setting_text(one.first), setting_text(one.second)) for one in found)
    return Table(title="", columns=("setting", *names), rows=rows)


def setting_text(value: object) -> str:
    """Return the value of a setting as text."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(setting_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def result_rows(
    cells: Sequence[CellSpec], records: Iterable[CellRecord], failures: Iterable[Failure]
) -> list[ResultRow]:
    """Return a row per planned cell, finished or not; unknown values are None."""
    record_of = {record.cell_id: record for record in records}
    failed = {failure.cell_id for failure in failures}
    return [_result_row(cell, record_of.get(cell.cell_id), failed) for cell in cells]


def _result_row(cell: CellSpec, record: CellRecord | None, failed: set[str]) -> ResultRow:
    row = ResultRow(
        cell_id=cell.cell_id,
        dataset=cell.data.name,
        model=cell.model,
        variant=cell.variant,
        seed=cell.seed,
        fold=cell.fold,
        status="failed" if cell.cell_id in failed else "pending",
    )
    if record is None:
        return row
    found = record.model_dump(include=set(RESULT_COLUMNS), exclude={"cell_id"})
    found |= {f"num_{part}": num for part, num in record.num_images.items()}
    found |= record.resources.model_dump(include=set(RESULT_COLUMNS))
    if record.test_scores is not None and record.val_scores is not None:
        found |= record.test_scores.model_dump(include=set(RESULT_COLUMNS))
        found["val_accuracy_frac"] = record.val_scores.accuracy_frac
        counts = [one.num_images for one in record.test_scores.per_class]
        found["largest_class_frac"] = largest_share(counts)
    return replace(row, **found)


def to_csv(rows: Sequence[object], columns: Sequence[str] = RESULT_COLUMNS) -> str:
    """Return rows as CSV text with a header; unknown is empty, text is never a formula (`in_csv`).

    Args:
        rows: objects with an attribute per column.
        columns: names of the columns.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([in_csv(getattr(row, name)) for name in columns] for row in rows)
    return buffer.getvalue()


def summary_tables(rows: Sequence[ResultRow]) -> list[Table]:
    """Return a table per data set: mean ± standard deviation over seeds (and folds)."""
    by_set: dict[str, list[ResultRow]] = {}
    for row in rows:
        by_set.setdefault(row.dataset, []).append(row)
    return [_summary(name, of_set) for name, of_set in by_set.items()]


def _summary(dataset: str, rows: Sequence[ResultRow]) -> Table:
    has_variants = len({row.variant for row in rows}) > 1
    groups: dict[tuple[str, str], list[ResultRow]] = {}
    for row in rows:
        groups.setdefault((row.variant, row.model), []).append(row)
    ranked = sorted(groups.items(), key=lambda item: -_mean(item[1], "accuracy_frac"))
    heads = (MODEL, *((VARIANT,) if has_variants else ()), CELLS, *_SUMMARY_HEADS)
    columns = tuple(str(head) for head in heads)
    near = {key: share for key, group in groups.items() if (share := _guessing_share(group))}
    body = tuple(
        (
            f"{model}{GUESSING_MARK if (variant, model) in near else ''}",
            *((variant or "–",) if has_variants else ()),
            *_summary_row(group),
        )
        for (variant, model), group in ranked
    )
    notes = (*_summary_notes(rows), *guessing_notes(near.values()))
    return Table(title=dataset, columns=columns, rows=body, notes=notes)


# mark of a model that has learnt no more than the largest class
GUESSING_MARK = " ▼"
GUESSING_NOTE = Sentence(
    "{mark} at or near the {share:.1f} % that naming the largest class always reaches: it has not "
    "learnt these images"
)


def guessing_notes(shares: Iterable[float]) -> tuple[str, ...]:
    """Return the note for a table with marked models; `shares` are in 0..1."""
    known = dict.fromkeys(shares)
    mark = GUESSING_MARK.strip()
    return tuple(GUESSING_NOTE.format(mark=mark, share=100 * share) for share in known)


def _guessing_share(group: Sequence[ResultRow]) -> float | None:
    """Return the share of the largest class if a model is at or near it; else None."""
    known = (row.largest_class_frac for row in group)
    shares = [share for share in known if share is not None]
    if not shares:
        return None
    share = fmean(shares)
    return share if is_near_guessing(_mean(group, "accuracy_frac"), share) else None


MODEL, VARIANT, CELLS = Sentence("model"), Sentence("variant"), Sentence("cells")
_SUMMARY_HEADS = (
    Sentence("accuracy %"),
    Sentence("macro F1 %"),
    Sentence("precision %"),
    Sentence("recall %"),
    Sentence("parameters"),
    Sentence("train time s"),
)
SPREAD_NOTE = Sentence(
    "mean ± standard deviation over seeds; precision and recall are macro averages"
)
UNFINISHED = {
    "diverged": Counted("{count} of {total} cells diverged", "{count} of {total} cells diverged"),
    "failed": Counted("{count} of {total} cells failed", "{count} of {total} cells failed"),
    "pending": Counted("{count} of {total} cells pending", "{count} of {total} cells pending"),
}


def _summary_row(group: Sequence[ResultRow]) -> tuple[str, ...]:
    parameters = next((row.num_parameters for row in group if row.num_parameters), None)
    names = ("accuracy_frac", "macro_f1_frac", "macro_precision_frac", "macro_recall_frac")
    done = sum(row.status == "done" for row in group)
    return (
        f"{done}/{len(group)}" if done < len(group) else str(done),
        *(spread([row.value(name) for row in group], 100, 2) for name in names),
        "–" if parameters is None else number(parameters, ","),
        spread([row.train_time_s for row in group if row.status == "done"], 1, 1),
    )


def _summary_notes(rows: Sequence[ResultRow]) -> Iterable[str]:
    yield str(SPREAD_NOTE)
    for status, sentence in UNFINISHED.items():
        count = sum(row.status == status for row in rows)
        if count:
            yield sentence.format(count, total=len(rows))


def _mean(group: Sequence[ResultRow], name: str) -> float:
    values = [value for row in group if (value := row.value(name)) is not None]
    return fmean(values) if values else -1.0


def spread(values: Sequence[float | None], scale: float, digits: int) -> str:
    """Return "mean ± standard deviation" of the known values; a single value has no deviation.

    >>> spread([0.91, 0.93, None], 100, 1)
    '92.0 ± 1.4'
    """
    known = [value * scale for value in values if value is not None]
    if not known:
        return "–"
    mean = number(fmean(known), f".{digits}f")
    return mean if len(known) == 1 else f"{mean} ± {number(stdev(known), f'.{digits}f')}"


def to_markdown(table: Table) -> str:
    """Return a table in Markdown, with numbers aligned to the right."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(map(in_markdown, cells)) + " |"

    rule = "|" + "|".join(["---", *["---:"] * (len(table.columns) - 1)]) + "|"
    return "\n".join([line(table.columns), rule, *(line(row) for row in table.rows)])
