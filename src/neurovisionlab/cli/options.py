"""Arguments, options and functions shared by several commands."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurovisionlab.out.neutral import echo, neutral_console

if TYPE_CHECKING:
    from rich.console import Console

    from neurovisionlab.api import OpenRun

_STOPS = (signal.SIGTERM, signal.SIGHUP)

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of data sets (else NVL_DATA, else the cache).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LangOption = Annotated[
    str, typer.Option("--lang", envvar="NVL_LANG", help="Language of the page: en or uk.")
]
KeptLangOption = Annotated[
    str | None,
    typer.Option("--lang", envvar="NVL_LANG", help="Language of the page (else as it was)."),
]
RunArgument = Annotated[Path, typer.Argument(help="A run's folder, such as runs/quick.")]


def new_console(stderr: bool = False) -> Console:
    """Return the console of a command."""
    # a file or a pipe has no width of its own: keep tables whole
    return neutral_console(width=None if sys.stdout.isatty() else 140, stderr=stderr)


def forget_odd_sizes() -> None:
    """Ignore sizes of the terminal in the environment if they are invalid."""
    for name in ("COLUMNS", "LINES"):
        if not re.fullmatch("[1-9][0-9]{0,4}", os.environ.get(name, "80")):
            del os.environ[name]


def open_run(folder: Path) -> OpenRun:
    """Open a run, with warnings about damaged files.

    Raises:
        StoreError: the folder holds no run.
    """
    from neurovisionlab import api

    return api.open(folder, tell)


def tell(line: str) -> None:
    """Print a warning to standard error."""
    echo(f"warning: {line}", fg="yellow", err=True)


def echo_json(value: object) -> None:
    r"""Print JSON in ASCII (other characters as \u2713): the same on every terminal."""
    echo(json.dumps(value, indent=1))


@contextlib.contextmanager
def hearing_stops() -> Iterator[None]:
    """Handle SIGTERM and SIGHUP (a closed terminal) like Ctrl-C inside the block.

    Ignored signals, as under `nohup`, stay ignored.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_STOPS)}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def hear_no_more() -> None:
    """Ignore signals during the last output: a process group may be signalled repeatedly."""
    for number in (signal.SIGINT, *_STOPS):
        signal.signal(number, signal.SIG_IGN)
