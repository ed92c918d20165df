"""Commands on models and studies: `nvl models` and `nvl diff`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from neurovisionlab.cli.options import JsonOption, echo_json
from neurovisionlab.out.neutral import echo

if TYPE_CHECKING:
    from neurovisionlab.api import Facts

StudyArgument = Annotated[str, typer.Argument(help="A preset's name, or a TOML file.")]


def models(
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILTER]", help='Such as "res*", "timm:convnext*", "torchvision:*".'
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List models: parameters, multiply-accumulates (MACs) an image, whose weights, licence."""
    from neurovisionlab import api

    names = api.model_names(pattern)
    if as_json:
        echo_json([_row(api.model_facts(name)) for name in names])
        return
    width = max(len(name) for name in ["model", *names])
    echo(f"{'model':{width}}  {'parameters':>11}  {'MACs':>14}  {'input':11}  weights")
    for name in names:
        echo(_line(api.model_facts(name), width))


def _row(known: Facts) -> dict[str, object]:
    num_flops = None if known.num_macs is None else 2 * known.num_macs
    return asdict(known) | {"num_flops": num_flops}


def _line(known: Facts, width: int) -> str:
    num_macs = "unknown" if known.num_macs is None else f"{known.num_macs:,}"
    size = f"{known.image_px}×{known.image_px}×{known.channels}"
    licence = f"({known.weights_licence or 'licence unknown'})"
    weights = f"{known.weights} {licence}" if known.weights else "none"
    return f"{known.name:{width}}  {known.num_parameters:11,}  {num_macs:>14}  {size:11}  {weights}"


def diff(study_a: StudyArgument, study_b: StudyArgument, as_json: JsonOption = False) -> None:
    """Show every difference in protocol and data between two studies."""
    from neurovisionlab import api

    found = api.difference(study_a, study_b)
    if as_json:
        rows = [{"setting": d.setting, study_a: d.first, study_b: d.second} for d in found]
        echo_json(rows)
        return
    if not found:
        echo("no difference in protocol or data")
        return
    table = [("setting", study_a, study_b), *found.table.rows]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for row in table:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        echo("  ".join(cells).rstrip())
