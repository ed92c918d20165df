"""Commands for runs: `nvl run`, `status`, `results`, `report`, `compare`, and presets."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurovisionlab.cli.options import (
    DataOption,
    JsonOption,
    LangOption,
    RunArgument,
    echo_json,
    new_console,
    open_run,
    tell,
)
from neurovisionlab.core.errors import NvlError, SpecError, mould, nearest
from neurovisionlab.out.neutral import echo

if TYPE_CHECKING:
    from rich.console import Console

    from neurovisionlab.api import Costs, OpenRun, Run

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
    api.check_tracker(track)
    if weights is not None:
        api.take_weights_from(weights)
    wanted = api.load_study(study)
    if wanted.num_cells >= MANY_CELLS:  # expanding them takes a while: print the number first
        console.print(wanted.count(), markup=False)
    with screen.counting("reading pictures", console) as watch:
        prepared = api.prepare(wanted, data, out, watch, tell)
    for message in prepared.messages:
        console.print(message, style="yellow", markup=False)
    todo = prepared.pending
    console.print(f"{len(todo)} of {len(prepared.cells)} cells to run", markup=False)
    num_failed = screen.follow(prepared.events(track=track), todo, console) if todo else 0
    news: list[object] = list(prepared.audit_data())
    if not no_measure:
        news += _measured(prepared, console)
    if todo or news:
        prepared.report()
    _show_results(api.OpenRun(prepared.store), console)
    if num_failed:
        log = prepared.store.root / "failures.jsonl"
        console.print(f"{num_failed} cells failed; see {log}", style="red", markup=False)
        raise typer.Exit(1)


def _measured(prepared: Run, console: Console) -> list[Costs]:
    """Measure missing costs; failures are printed and do not prevent the report."""
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
    from neurovisionlab import api

    found = api.status(open_run(run))
    if as_json:
        echo(json.dumps(found.model_dump()))
    else:
        counts = found.model_dump(exclude={"name", "cells"})
        parts = ", ".join(f"{count} {word}" for word, count in counts.items())
        echo(f"{found.name}: {found.cells} cells: {parts}")


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
    from neurovisionlab import api

    opened = open_run(run)
    if as_json:
        echo_json([asdict(row) for row in api.results(opened).rows])
    elif as_csv:
        # UTF-8 on every terminal
        typer.echo(api.results(opened).to_csv().encode(), nl=False)
    else:
        _show_results(opened, new_console(), to_accuracy)


def report(run: RunArgument, data: DataOption = None, lang: LangOption = "en") -> None:
    """Write a run's report.html anew, and its exports: CSV, Parquet, LaTeX, Markdown, figures."""
    from neurovisionlab import api

    opened = open_run(run)
    found = api.report(opened, data, lang)
    echo(f"report:  {found.page}")
    root = opened.store.root
    names = [str(path.relative_to(root)) for path in found.exports if path.parent == root]
    echo(f"exports: {', '.join(names)}, {len(found.exports) - len(names)} figures")


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two runs' folders or more.")],
    out: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("compare.html"),
    lang: LangOption = "en",
) -> None:
    """Set runs side by side in one page: accuracies, costs, and in what their settings differ."""
    from neurovisionlab import api

    echo(f"page: {api.compare([open_run(folder) for folder in runs], out, lang)}")


def presets(name: Annotated[str | None, typer.Argument(help="Print this one.")] = None) -> None:
    """List the studies that ship with the package, or print one."""
    from neurovisionlab import api

    shipped = {one.name: one for one in api.presets()}
    if name is None:
        width = max(map(len, shipped))
        for key, one in shipped.items():
            echo(f"{key:{width}}  {one.description}")
    elif name in shipped:
        echo(shipped[name].text, nl=False)
    else:
        raise SpecError(
            mould("preset", "a known name", repr(name), ", ".join(nearest(name, shipped)))
        )


def _show_results(run: OpenRun, console: Console, to_accuracy: float | None = None) -> None:
    from neurovisionlab import api
    from neurovisionlab.out.screen import show_table

    target_frac = None if to_accuracy is None else to_accuracy / 100
    for table in api.results(run, target_frac).tables:
        show_table(table, console)
    page = api.page(run)
    console.print(f"results: {run.store.root}\nreport:  {page}", markup=False, soft_wrap=True)
