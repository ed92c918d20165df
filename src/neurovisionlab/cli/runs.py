"""Runs: `nvl run`, `status`, `results`, `report`, `compare`, and the presets to begin with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurovisionlab.cli.options import (
    DataOption,
    JsonOption,
    LangOption,
    RunArgument,
    new_console,
    open_run,
    tell,
)
from neurovisionlab.core.errors import NvlError, SpecError, mould, nearest
from neurovisionlab.out.neutral import echo

if TYPE_CHECKING:
    from rich.console import Console

    from neurovisionlab.api import Run
    from neurovisionlab.core.costs import Costs
    from neurovisionlab.data.home import DataHome
    from neurovisionlab.lab.results import Results
    from neurovisionlab.lab.store import Store
    from neurovisionlab.out.track import Event

MANY_CELLS = 1000


def run(
    study: Annotated[str, typer.Argument(help="A preset's name, or a TOML file.")],
    data: DataOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for results (else runs/NAME).")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Folder of pretrained weights.")
    ] = None,
    no_measure: Annotated[
        bool, typer.Option("--no-measure", help="Do not measure speed and memory at the end.")
    ] = False,
    track: Annotated[
        str | None, typer.Option("--track", help="tensorboard: epochs as they happen.")
    ] = None,
) -> None:
    """Train and test every cell of a study that is not finished yet, and report."""
    from neurovisionlab import api
    from neurovisionlab.out import screen

    console = new_console()
    _check_tracker(track)
    if weights is not None:
        os.environ["NVL_WEIGHTS"] = _absolute(weights)  # cells inherit it, wherever they start
    wanted = api.load_study(study)
    if wanted.num_cells >= MANY_CELLS:  # looking at them takes a while: say so first
        console.print(wanted.count(), markup=False)
    with screen.counting("reading pictures", console) as watch:
        prepared = api.prepare(wanted, data, out, watch, tell)
    for message in prepared.messages:
        console.print(message, style="yellow", markup=False)
    todo = prepared.pending
    console.print(f"{len(todo)} of {len(prepared.cells)} cells to run", markup=False)
    events = _tracked(prepared.events(), track, prepared.store)
    num_failed = screen.follow(events, todo, console) if todo else 0
    news: list[object] = list(prepared.audit_data())
    if not no_measure:
        news += _measured(prepared, console)
    if todo or news:
        _write_report(prepared.store, prepared.home)
    _show_results(prepared.store, console)
    if num_failed:
        log = prepared.store.root / "failures.jsonl"
        console.print(f"{num_failed} cells failed; see {log}", style="red", markup=False)
        raise typer.Exit(1)


def _absolute(folder: Path) -> str:
    from neurovisionlab.data.texts import possible_path

    try:
        return str(possible_path(folder, "--weights").absolute())
    except FileNotFoundError:
        got = "one that was deleted"
        raise SpecError(mould("the working folder", "a folder", got, "`cd DIR`")) from None


def _check_tracker(track: str | None) -> None:
    from neurovisionlab.out.track import TRACKERS

    if track is not None and track not in TRACKERS:
        near = ", ".join(nearest(track, TRACKERS))
        raise SpecError(mould("--track", "a known tracker", repr(track), near))


def _tracked(events: Iterable[Event], track: str | None, store: Store) -> Iterable[Event]:
    from neurovisionlab.out.track import to_tensorboard

    return events if track is None else to_tensorboard(events, partial(store.place, "tensorboard"))


def _measured(prepared: Run, console: Console) -> list[Costs]:
    """Measure what is not known; what cannot be measured is said, and costs no report."""
    found = []
    try:
        for costs in prepared.measure():
            found.append(costs)
            console.print(f"measured {costs.spec.cost_id}", style="dim", markup=False)
    except NvlError as error:
        console.print(f"not measured: {error}", style="yellow", markup=False)
    return found


def status(run: RunArgument, as_json: JsonOption = False) -> None:
    """Say how far a run is."""
    from neurovisionlab.lab.results import read

    results = read(open_run(run))
    counts: dict[str, int] = dict.fromkeys(("done", "diverged", "failed", "pending"), 0)
    for row in _rows(results):
        counts[row["status"]] += 1
    name = results.plan.study.name
    if as_json:
        echo(json.dumps({"name": name, "cells": sum(counts.values()), **counts}))
    else:
        parts = ", ".join(f"{count} {word}" for word, count in counts.items())
        echo(f"{name}: {sum(counts.values())} cells: {parts}")


def results(
    run: RunArgument,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    to_accuracy: Annotated[
        float | None,
        typer.Option("--to-accuracy", min=0, max=100, help="%: tell the seconds to this."),
    ] = None,
) -> None:
    """Show a run's results: tables, or a row per cell with --json or --csv."""
    from neurovisionlab.lab.results import read
    from neurovisionlab.out.tables import to_csv

    store = open_run(run)
    if as_json:
        echo(json.dumps(_rows(read(store)), indent=1))
    elif as_csv:
        typer.echo(to_csv(_rows(read(store))).encode(), nl=False)  # UTF-8 on every terminal
    else:
        _show_results(store, new_console(), to_accuracy)


def report(run: RunArgument, data: DataOption = None, lang: LangOption = "en") -> None:
    """Write a run's report.html anew, and its exports: CSV, Parquet, LaTeX, Markdown, figures."""
    from neurovisionlab.core.speech import speaking
    from neurovisionlab.data.home import DataHome
    from neurovisionlab.lab.results import read
    from neurovisionlab.out.exports import write_exports
    from neurovisionlab.out.language import voice_of
    from neurovisionlab.out.page.report import write_report

    language, store = voice_of(lang), open_run(run)
    home = None if data is None else DataHome.find(data)
    results = read(store)
    echo(f"report:  {write_report(store, home, language, results=results)}")
    with speaking(language):
        exports = write_exports(store, results)
    names = [str(path.relative_to(store.root)) for path in exports if path.parent == store.root]
    echo(f"exports: {', '.join(names)}, {len(exports) - len(names)} figures")


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two runs' folders or more.")],
    out: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("compare.html"),
    lang: LangOption = "en",
) -> None:
    """Set runs side by side in one page: accuracies, costs, and in what their settings differ."""
    from neurovisionlab.lab.results import read
    from neurovisionlab.lab.store import write_page
    from neurovisionlab.out.language import voice_of
    from neurovisionlab.out.page.compare import compare_runs

    language = voice_of(lang)
    stores = [open_run(folder) for folder in runs]
    write_page(out, compare_runs([read(store) for store in stores], language))
    echo(f"page: {out}")


def presets(name: Annotated[str | None, typer.Argument(help="Print this one.")] = None) -> None:
    """List the studies that ship with the package, or print one."""
    from neurovisionlab.core.parse import parse_study
    from neurovisionlab.lab.studies import presets as shipped

    texts = shipped()
    if name is None:
        width = max(map(len, texts))
        for key, text in sorted(texts.items()):
            echo(f"{key:{width}}  {parse_study(text, key).description}")
    elif name in texts:
        echo(texts[name], nl=False)
    else:
        raise SpecError(
            mould("preset", "a known name", repr(name), ", ".join(nearest(name, texts)))
        )


def _rows(results: Results) -> list[dict[str, Any]]:
    from neurovisionlab.out.tables import result_rows

    return result_rows(results.cells, results.records, results.failures)


def _write_report(store: Store, home: DataHome) -> None:
    from neurovisionlab.out.page.report import write_report

    write_report(store, home, is_own=True)  # of the study that the user gave


def _show_results(store: Store, console: Console, to_accuracy: float | None = None) -> None:
    from neurovisionlab.lab.results import read
    from neurovisionlab.out.resources import resource_tables
    from neurovisionlab.out.screen import show_table
    from neurovisionlab.out.tables import summary_tables

    target_frac = None if to_accuracy is None else to_accuracy / 100
    results = read(store)
    for table in [*summary_tables(_rows(results)), *resource_tables(results, target_frac)]:
        show_table(table, console)
    page = store.root / "report.html"
    if not page.is_file():
        from neurovisionlab.out.page.report import write_report

        page = write_report(store, results=results)
    console.print(f"results: {store.root}\nreport:  {page}", markup=False, soft_wrap=True)
