"""Output on a terminal: progress while cells run, tables when they are finished."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table as RichTable

from neurovisionlab.core import records
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.pictures import Watch
from neurovisionlab.out.tables import Table

Events = Iterable[tuple[CellSpec, object]]


def show_table(table: Table, console: Console) -> None:
    """Print one table with its notes below."""
    grid = RichTable(title=escape(table.title), title_justify="left", title_style="bold")
    for column, is_text in zip(table.columns, table.are_text, strict=True):
        grid.add_column(escape(column), justify="left" if is_text else "right")
    for row in table.rows:
        grid.add_row(*(escape(cell) for cell in row))
    console.print(grid)
    for note in table.notes:
        console.print(f"  {note}", style="dim", markup=False)


@contextmanager
def counting(what: str, console: Console) -> Iterator[Watch]:
    """Show a progress bar for (done, total) reports; nothing is shown before the first report."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console
    ) as bars:
        task: TaskID | None = None

        def watch(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = bars.add_task(what, total=total)
            bars.update(task, completed=done)

        yield watch


def follow(events: Events, cells: Sequence[CellSpec], console: Console) -> int:
    """Show a run's progress; return the number of failed cells.

    On a terminal a bar for all cells and a line for the current cell; elsewhere plain lines.
    """
    show = _bars if console.is_terminal else _lines
    try:
        return show(events, cells, console)
    finally:
        if isinstance(events, Generator):
            events.close()  # after an error here, no cell must run on


def _lines(events: Events, cells: Sequence[CellSpec], console: Console) -> int:
    ended = failed = 0
    for cell, event in events:
        if isinstance(event, records.EpochRow):
            console.print(f"  {cell.cell_id}: {epoch_text(event, cell)}", markup=False)
        elif isinstance(event, records.CellRecord | records.Failure):
            ended += 1
            failed += isinstance(event, records.Failure)
            console.print(f"[{ended}/{len(cells)}] {end_text(event)}", markup=False)
    return failed


def _bars(events: Events, cells: Sequence[CellSpec], console: Console) -> int:
    failed = 0
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[status]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=3600,  # cells differ: an estimate from the last seconds would jump
    ) as bars:
        total_epochs = sum(cell.protocol.epochs for cell in cells)
        every = bars.add_task("all cells", total=total_epochs, status=f"0/{len(cells)} cells")
        current = bars.add_task("", total=1.0, status="")
        ended = epochs_before = 0
        loss = ""  # of the previous epoch
        for cell, event in events:
            epochs = cell.protocol.epochs
            if isinstance(event, records.Progress):
                done = event.epoch - 1 + event.num_images / event.num_images_total
                status = f"epoch {event.epoch}/{epochs} · {event.images_per_s:,.0f} images/s{loss}"
                bars.update(current, description=escape(cell.cell_id), completed=done, total=epochs)
                bars.update(current, status=status)
                bars.update(every, completed=epochs_before + done)
            elif isinstance(event, records.EpochRow):
                loss = "" if event.train_loss is None else f" · loss {event.train_loss:.4f}"
                bars.update(current, status=epoch_text(event, cell), completed=event.epoch)
            elif isinstance(event, records.CellRecord | records.Failure):
                ended += 1
                failed += isinstance(event, records.Failure)
                epochs_before += epochs
                bars.update(every, completed=epochs_before, status=f"{ended}/{len(cells)} cells")
                loss = ""
                console.print(end_text(event), markup=False)
    return failed


def epoch_text(row: records.EpochRow, cell: CellSpec) -> str:
    """Return one epoch as a line."""
    loss = "not finite" if row.train_loss is None else f"{row.train_loss:.4f}"
    return (
        f"epoch {row.epoch}/{cell.protocol.epochs} · loss {loss} · "
        f"validation {row.val_accuracy_frac:.2%} · {row.train_s:.1f} s"
    )


def end_text(event: records.CellRecord | records.Failure) -> str:
    """Return the end of a cell as a line."""
    if isinstance(event, records.Failure):
        return f"✗ {event.cell_id} failed: {event.kind}: {event.message}"
    if event.test_scores is None:
        return f"✗ {event.cell_id} diverged in epoch {event.diverged_epoch}"
    scores, time_s = event.test_scores, event.resources.train_time_s
    return (
        f"✓ {event.cell_id} · test accuracy {scores.accuracy_frac:.2%} · "
        f"macro F1 {scores.macro_f1_frac:.2%} · trained {time_s:.1f} s"
    )
