"""The command `nvl measure`: costs of the models of a run, or of models without a study."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurovisionlab.cli.options import DataOption, JsonOption, KeptLangOption, open_run
from neurovisionlab.core.errors import NvlError, SpecError, mould
from neurovisionlab.out.neutral import echo

if TYPE_CHECKING:
    from neurovisionlab.api import ModelCosts


def measure(
    run: Annotated[Path | None, typer.Argument(help="A run's folder: measure its models.")] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="A model's name; may be repeated.")
    ] = None,
    image_px: Annotated[
        int | None, typer.Option("--image-px", min=8, max=1024, help="Else 28.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option("--classes", min=2, max=100_000, help="Else 26.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option("--channels", help="1 grey, 3 colour; else 1.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, help="Images a training step; else 64.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, max=60, help="About how long a timing takes.")
    ] = 0.5,
    data: DataOption = None,
    lang: KeptLangOption = None,
    as_json: JsonOption = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Import code that the run names, module:function.")
    ] = False,
) -> None:
    """Measure size, speed, memory and energy of models on this machine, each in fresh processes."""
    from neurovisionlab import api

    if (run is None) == (model is None):
        got = "neither" if run is None else "both"
        raise SpecError(mould("nvl measure", "a run or --model", got, "nvl measure runs/quick"))
    if channels not in (None, 1, 3):
        raise SpecError(mould("--channels", "1 or 3", str(channels), "--channels 1"))
    mistakes: list[NvlError] = []
    if run is not None:
        if any(given is not None for given in (image_px, classes, channels, batch)):
            got = "one of --image-px, --classes, --channels, --batch"
            raise SpecError(mould(str(run), "the run's own shapes and batch", got, "--model"))
        opened, write = open_run(run), api.page_writer(data, lang)
        found = _told(api.measure_run(opened, seconds, trust=trust), as_json, mistakes)
        _say_left_out(() if trust else api.code_of(opened))
        rows = [measured.as_json() for measured in found]
        if not as_json:
            echo(f"report: {write(opened)}")
    else:
        _refuse_of_runs(data, trust)
        shape = (image_px or 28, channels or 1, classes or 26)
        found = _told(
            api.measure_models(model or [], shape, batch or 64, seconds), as_json, mistakes
        )
        rows = [measured.as_json() for measured in found]
    if as_json:
        is_single = run is None and len(rows) == 1
        echo(json.dumps(rows[0] if is_single else rows, indent=1))
    for mistake in mistakes:
        raise mistake


def _refuse_of_runs(data: Path | None, trust: bool) -> None:
    """Refuse options that apply only to runs."""
    if trust:
        remedy = "it without --trust: what is asked for by name is imported"
        raise SpecError(mould("--trust", "a run, which may name code", "--model", remedy))
    if data is not None:
        raise SpecError(mould("--data", "a run, whose report has pictures", "--model", "a run"))


def _say_left_out(models: Sequence[str]) -> None:
    if models:
        few = ", ".join(models[:5]) + (", …" if len(models) > 5 else "")
        why = "code that the run names is imported with --trust alone"
        echo(f"not measured: {few}: {why}", err=True)


def _told(
    measured: Iterable[ModelCosts], quietly: bool, mistakes: list[NvlError]
) -> list[ModelCosts]:
    """Collect measurements, printing each as it is complete; an error goes to `mistakes`."""
    found = []
    try:
        for one in measured:
            found.append(one)
            if not quietly:
                echo("\n".join(one.lines))
    except NvlError as error:
        if not found:
            raise
        mistakes.append(error)  # earlier measurements are not lost
    return found
