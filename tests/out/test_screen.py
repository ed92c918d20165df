"""What a terminal shows, and what a pipe gets."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lab.fakes import fake_plan, fake_result
from neurovisionlab.core.records import EpochRow, Failure, Progress
from neurovisionlab.out.screen import counting, end_text, epoch_text, follow, show_table
from neurovisionlab.out.tables import Table


def _console(is_terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=140, force_terminal=is_terminal, highlight=False)


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _events() -> list[tuple[object, object]]:
    good, bad = fake_plan().cells()
    record = fake_result(good).record
    sign = Progress(epoch=1, num_images=9, num_images_total=18, images_per_s=100.0)
    failure = Failure(
        cell_id=bad.cell_id,
        kind="Killed",
        message="[red]died[/red]",
        traceback="",
        is_user_error=False,
        failed_at="2026-01-01T00:00:00+00:00",
    )
    return [(good, sign), (good, record.epochs[0]), (good, record), (bad, failure)]


@pytest.mark.parametrize("is_terminal", [False, True])
def test_following_counts_failures_and_shows_every_end(is_terminal: bool) -> None:
    console = _console(is_terminal)
    cells = fake_plan().cells()
    assert follow(iter(_events()), cells, console) == 1  # type: ignore[arg-type]
    for cell in cells:
        assert cell.cell_id in _text(console)
    assert "[red]died[/red]" in _text(console)  # data are no markup
    assert "epoch 1/15" in _text(console)


def test_a_pipe_gets_plain_lines() -> None:
    console = _console()
    follow(iter(_events()), fake_plan().cells(), console)  # type: ignore[arg-type]
    assert "\x1b" not in _text(console)
    assert "[1/2] ✓" in _text(console)
    assert "[2/2] ✗" in _text(console)


def test_ends_are_told_by_kind() -> None:
    cell = fake_plan().cells()[0]
    assert "diverged in epoch 1" in end_text(fake_result(cell, diverged=True).record)
    assert "test accuracy" in end_text(fake_result(cell).record)
    row: EpochRow = fake_result(cell, diverged=True).record.epochs[0]
    assert "loss not finite" in epoch_text(row, cell)


def test_a_table_is_shown_with_its_notes() -> None:
    console = _console()
    table = Table(title="[b]t", columns=("model", "x"), rows=(("[i]m", "1"),), notes=("a [note]",))
    show_table(table, console)
    for words in ("[b]t", "[i]m", "a [note]"):
        assert words in _text(console)


def test_counting_is_silent_until_it_counts() -> None:
    console = _console(is_terminal=True)
    with counting("reading", console):
        pass
    assert "reading" not in _text(console)
    with counting("reading", console) as watch:
        watch(1, 4)
        watch(4, 4)
    assert "4/4" in _text(console)
