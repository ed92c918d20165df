"""Commands for conclusions from results: `nvl verdicts`, `nvl claims`, `nvl advise`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurovisionlab.cli.options import JsonOption, RunArgument, echo_json, open_run
from neurovisionlab.core.errors import SpecError, mould, nearest
from neurovisionlab.out.neutral import echo

if TYPE_CHECKING:
    from neurovisionlab.api import Limits

# as `judge.advice.Prefer`, which is not imported for `--help`
PREFERENCES = ("accuracy", "speed", "size", "memory", "training")


def verdicts(run: RunArgument, as_json: JsonOption = False) -> None:
    """Say which model is better on each data set, and where it cannot be told."""
    from neurovisionlab import api

    told = api.verdicts(open_run(run))
    if as_json:
        echo_json(told.as_json())
        return
    for _, title, lines in told.paragraphs:
        echo(title, bold=True)
        echo("\n".join(f"  {line}" for line in lines) + "\n")


def claims(
    file: Annotated[str, typer.Argument(help="A claims file, or one that ships: tretiakov-2025.")],
    run: Annotated[Path | None, typer.Option("--run", help="Hold them against this run.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a publication's claims against its own text, or against a run."""
    from neurovisionlab import api

    told = api.claims(file, None if run is None else open_run(run))
    if as_json:
        echo_json(told.as_json())
    else:
        echo("\n".join(told.lines))
        if run is None:
            num = sum(row.is_flagged for row in told.rows)
            echo(f"{num} of {len(told.rows)}: the text speaks against itself, or proves nothing")


def advise(
    run: RunArgument,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            help="size_mib=5, latency_ms=2, train_s=600, memory_mib=50 or min_accuracy=90 (%).",
        ),
    ] = None,
    prefer: Annotated[
        str | None, typer.Option("--prefer", help=" | ".join(PREFERENCES) + ".")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say which model to take, and why; without options for the three usual cases."""
    from neurovisionlab import api

    limits = _limits(limit) if limit else None
    told = api.advise(open_run(run), limits, prefer)  # type: ignore[arg-type]
    if as_json:
        echo_json(told.as_json())
        return
    for name in told.datasets:
        echo(name, bold=True)
        echo("\n".join(f"  {line}" for line in told.lines(name)))
        echo()


def _limits(words: Sequence[str]) -> Limits:
    from neurovisionlab import api

    names = ("size_mib", "latency_ms", "train_s", "memory_mib", "min_accuracy")
    given: dict[str, float] = {}
    for word in words:
        name, _, text = word.partition("=")
        if name not in names:
            near = f"{nearest(name, names)[0]}=5"
            raise SpecError(mould("--limit", "NAME=NUMBER with a known name", repr(word), near))
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 < value < float("inf") or (name == "min_accuracy" and value > 100):
            expected = "a number above 0" + (", at most 100" if name == "min_accuracy" else "")
            raise SpecError(mould(f"--limit {name}", expected, repr(text), f"{name}=5"))
        given[name] = value
    least = given.pop("min_accuracy", None)
    if least is not None:
        given["min_accuracy_frac"] = least / 100
    return api.Limits.model_validate(given)
