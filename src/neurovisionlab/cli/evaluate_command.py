"""The command `nvl evaluate`: a run's models on another set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from neurovisionlab.cli.options import (
    DataOption,
    JsonOption,
    RunArgument,
    echo_json,
    new_console,
    open_run,
)
from neurovisionlab.core.errors import ModelError
from neurovisionlab.out.neutral import echo

if TYPE_CHECKING:
    from neurovisionlab.api import Evaluation


def evaluate(
    run: RunArgument,
    on: Annotated[
        str, typer.Option("--on", help="A name of `nvl data list`, folder:DIR, npz:DIR.")
    ],
    part: Annotated[
        str | None, typer.Option("--part", help="train, val, test or all; else test, or all.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Import code that the run names, module:function.")
    ] = False,
) -> None:
    """Ask a run's models about another set with labels that they know; show their accuracy."""
    from neurovisionlab import api

    opened = open_run(run)
    asking = api.ask(opened, on, part, data, trust)  # type: ignore[arg-type]
    for evaluation in asking.answers():
        _tell(evaluation)
    found = asking.evaluated()
    for line in found.lines:
        echo(line, err=True)
    if as_json:
        echo_json(found.as_json())
    else:
        from neurovisionlab.out.screen import show_table

        for table in found.tables:
            show_table(table, new_console())
    if found.errors:
        raise ModelError("\n".join(map(str, found.errors)))


def _tell(evaluation: Evaluation) -> None:
    scores = evaluation.scores
    right = f"{100 * scores.accuracy_frac:.2f} % of {scores.num_images:,} images"
    echo(f"✓ {evaluation.spec.cell_id}: {right}", err=True)
