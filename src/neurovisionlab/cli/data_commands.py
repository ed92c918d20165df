"""The commands `nvl data …`: list, download, inspect and audit data sets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurovisionlab.cli.options import DataOption, JsonOption, echo_json, new_console
from neurovisionlab.out.neutral import echo, in_one_line

if TYPE_CHECKING:
    from neurovisionlab.api import Audited, ImageSet, Watch

data_app = typer.Typer(
    help="List, fetch, look at and audit data sets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

NameArgument = Annotated[
    str, typer.Argument(help="A name of `nvl data list`, folder:DIR, npz:DIR.")
]
MIN_PX, MAX_PX = 8, 1024  # as `Protocol.image_px`, which is not imported for `--help`
PxOption = Annotated[
    int | None, typer.Option("--px", min=MIN_PX, max=MAX_PX, help="Folders: resize to this square.")
]
SkipOption = Annotated[
    bool, typer.Option("--skip-bad", help="Folders: leave out what cannot be read, and say so.")
]


@data_app.command("list")
def list_(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the data sets known by name, and how to get each."""
    from neurovisionlab import api

    rows = api.data_sets(data)
    if as_json:
        echo_json([row.model_dump() for row in rows])
        return
    from neurovisionlab.out.screen import show_table

    show_table(rows.table, new_console())


@data_app.command()
def info(
    name: NameArgument,
    data: DataOption = None,
    px: PxOption = None,
    skip_bad: SkipOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what is known of a data set: size, classes, source, licence, digest."""
    from neurovisionlab import api

    _say_no_effect(name, px, skip_bad)
    found = api.data_info(name, data, px, skip_bad)
    if as_json:
        echo_json(found.as_json())
        return
    _show_lines(found.info.name, found.lines)


@data_app.command()
def audit(
    name: NameArgument,
    data: DataOption = None,
    px: PxOption = None,
    skip_bad: SkipOption = False,
    as_json: JsonOption = False,
    sheet: Annotated[Path | None, typer.Option("--sheet", help="Write a PNG as well.")] = None,
) -> None:
    """Search a data set for copies, contradicting labels, empty images and imbalance."""
    from neurovisionlab import api

    images = _images(name, data, px, skip_bad)
    found = api.audit(images)
    if as_json:
        echo_json(found.as_json())
    else:
        _show_audit(found)
    if sheet is not None:
        echo(f"contact sheet: {api.sheet(images, sheet)}", err=as_json)


@data_app.command()
def fetch(name: NameArgument, data: DataOption = None) -> None:
    """Download a published data set; goes on where an earlier attempt stopped."""
    from neurovisionlab import api

    folder = api.fetch(name, data, _bar, lambda path: echo(f"fetched {path}"))
    echo(f"{name} is complete in {folder}; see `nvl data info {name}`")


@data_app.command()
def sheet(
    name: NameArgument,
    file: Annotated[Path, typer.Argument(help="The picture to write, FILE.png.")],
    data: DataOption = None,
    px: PxOption = None,
    skip_bad: SkipOption = False,
) -> None:
    """Write a contact sheet: ten random images of every class."""
    from neurovisionlab import api

    images = _images(name, data, px, skip_bad)
    echo(f"contact sheet: {api.sheet(images, file)}")
    for note in api.note_lines(images):
        echo(f"note: {note}", err=True)


def _say_no_effect(name: str, px: int | None, skip_bad: bool) -> None:
    if not name.startswith("folder:"):
        given = {"--px": px is not None, "--skip-bad": skip_bad}
        for option in (option for option, is_given in given.items() if is_given):
            echo(f"warning: {option} has no effect on {name}: it is no folder:DIR", err=True)


def _images(name: str, data: Path | None, px: int | None, skip_bad: bool) -> ImageSet:
    from neurovisionlab import api
    from neurovisionlab.out.screen import counting

    _say_no_effect(name, px, skip_bad)
    with counting("reading pictures", new_console(stderr=True)) as watch:
        return api.images(name, data, px, skip_bad, watch)


def _show_lines(title: str, lines: dict[str, str]) -> None:
    from rich.markup import escape
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    for key, value in lines.items():
        grid.add_row(f"[dim]{key}[/dim]", escape(in_one_line(value)))
    console = new_console()
    console.print(title, style="bold", markup=False)
    console.print(grid)


def _show_audit(found: Audited) -> None:
    from neurovisionlab.out.screen import show_table

    console = new_console()
    show_table(found.table, console)
    for line in found.lines:
        console.print(f"• {in_one_line(line)}", markup=False)


@contextlib.contextmanager
def _bar(path: str) -> Iterator[Watch]:
    """Show a progress bar of a file's bytes, with speed and time left."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(
        TextColumn("{task.description}"), *columns, console=new_console(stderr=True)
    ) as bars:
        task = bars.add_task(Path(path).name, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)
