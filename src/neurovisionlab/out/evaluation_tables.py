"""What models of a run are worth on another set, as tables, and why some were not asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from neurovisionlab.core.statements import Statement
from neurovisionlab.lab.evaluation_rows import EvaluationRow
from neurovisionlab.out.said import note_text
from neurovisionlab.out.speech import Counted, Sentence, number
from neurovisionlab.out.tables import MODEL, Table

TITLE = Sentence("{asked}, {part} images: models trained on {dataset}")
NETWORKS, IMAGES = Sentence("networks"), Sentence("images")
ACCURACY, INTERVAL = Sentence("accuracy %"), Sentence("95 % interval")
OWN_TEST = Sentence("own test %")
LEFT_OUT = Counted(
    "{count} image is left out: the models do not know its label",
    "{count:,} images are left out: the models do not know their labels",
)


def evaluation_tables(rows: Iterable[EvaluationRow]) -> list[Table]:
    """Return a table for each data set that models were trained on."""
    by_set: dict[str, list[EvaluationRow]] = {}
    for row in rows:
        by_set.setdefault(row.dataset, []).append(row)
    return [_table(some) for some in by_set.values()]


def _table(rows: Sequence[EvaluationRow]) -> Table:
    first = rows[0]
    notes = dict.fromkeys(note_text(note) for row in rows for note in row.notes)
    left_out = (LEFT_OUT.format(first.num_left_out),) if first.num_left_out else ()
    return Table(
        title=TITLE.format(asked=first.asked, part=first.part, dataset=first.dataset),
        columns=tuple(map(str, (MODEL, NETWORKS, IMAGES, ACCURACY, INTERVAL, OWN_TEST))),
        rows=tuple(map(_texts, rows)),
        notes=(*left_out, *notes),
    )


def _texts(row: EvaluationRow) -> tuple[str, ...]:
    return (
        row.model,
        number(row.num_networks, ","),
        number(row.num_images, ","),
        _percent(row.accuracy_frac),
        "–" if row.low_frac is None else f"{_percent(row.low_frac)}–{_percent(row.high_frac)}",
        _percent(row.own_test_frac),
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else number(100 * share, ".2f")


def left_out_lines(left_out: Iterable[Statement]) -> list[str]:
    """Return a line for each reason why cells were not asked, with how many and the first."""
    cells: dict[str, list[Statement]] = {}
    for statement in left_out:
        cells.setdefault(statement.key, []).append(statement)
    return [
        MORE.format(len(some) - 1, line=note_text(some[0])) if len(some) > 1 else note_text(some[0])
        for some in cells.values()
    ]


MORE = Counted("{line}; so is {count} more", "{line}; so are {count:,} more")
