"""All commands, and their common handling of errors and signals."""

from __future__ import annotations

import sys

import typer

from neurovisionlab.cli import run_commands as runs
from neurovisionlab.cli.data_commands import data_app
from neurovisionlab.cli.evaluate_command import evaluate
from neurovisionlab.cli.judging_commands import advise, claims, verdicts
from neurovisionlab.cli.measure_command import measure
from neurovisionlab.cli.model_commands import diff, models
from neurovisionlab.cli.options import forget_odd_sizes, hear_no_more, hearing_stops
from neurovisionlab.core.errors import NvlError
from neurovisionlab.out.neutral import echo

STOPPED = 130  # exit code of shells after Ctrl-C: 128 plus the signal's number

app = typer.Typer(
    help="Which image classifier should I use for these images, and how sure can I be?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Compare image classifiers fairly, and say how sure one can be."""


app.add_typer(data_app, name="data")
for _command in (
    *(runs.run, runs.status, runs.results, runs.report, runs.compare, runs.presets),
    *(evaluate, measure, verdicts, claims, advise, models, diff),
):
    app.command()(_command)


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 2.

    Failures to print neither end nor block the command.
    """
    from neurovisionlab.out.streams import unfailing

    forget_odd_sizes()
    with unfailing() as streams, hearing_stops():
        code = _answer()
        sys.stdout.flush()
        lost = next((one.failure for one in streams if one.failure is not None), None)
        if lost is not None:
            echo(f"warning: not all could be printed: {lost.strerror}", err=True)
            if sys.argv[1:2] != ["run"]:  # results of a run are in its folder
                code = code or 1
    sys.exit(code)


def _answer() -> int:
    """Run one command and return its exit code."""
    try:
        app()
    except NvlError as error:
        echo(f"error: {error}", err=True)
        return 2
    except KeyboardInterrupt:  # before typer handles it, or after
        return _stopped()
    except SystemExit as end:
        if end.code == STOPPED:  # typer's exit code for Ctrl-C
            return _stopped()
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _stopped() -> int:
    """Print what an interruption leaves behind; return its exit code."""
    hear_no_more()
    echo("\nstopped; finished cells are kept, the same command goes on", err=True)
    return STOPPED
