"""What the numbers allow one to say: `nvl verdicts`, `nvl claims`, `nvl advise`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurovisionlab.cli.options import JsonOption, RunArgument, echo_json, open_run
from neurovisionlab.core.errors import SpecError, mould, nearest
from neurovisionlab.out.neutral import echo

if TYPE_CHECKING:
    from neurovisionlab.claims.publication import ClaimRow
    from neurovisionlab.judge.candidates import Limits

PREFERENCES = ("accuracy", "speed", "size", "memory", "training")


def verdicts(run: RunArgument, as_json: JsonOption = False) -> None:
    """Say which model is better on each data set, and where it cannot be told."""
    from neurovisionlab.lab.judge import judge_run
    from neurovisionlab.lab.results import read
    from neurovisionlab.out.verdicts import paragraphs

    found = judge_run(read(open_run(run)))
    if as_json:
        echo_json(found.model_dump(mode="json"))
        return
    for _, title, lines in paragraphs(found):
        echo(title, bold=True)
        echo("\n".join(f"  {line}" for line in lines) + "\n")


def claims(
    file: Annotated[str, typer.Argument(help="A claims file, or one that ships: tretiakov-2025.")],
    run: Annotated[Path | None, typer.Option("--run", help="Hold them against this run.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a publication's claims against its own text, or against a run."""
    from neurovisionlab.claims.checks import check_text
    from neurovisionlab.claims.claim_verdicts import judge_claims
    from neurovisionlab.lab.evidence import evidence_of
    from neurovisionlab.lab.publications import read_publication
    from neurovisionlab.lab.results import read

    publication = read_publication(file)
    if run is None:
        rows = check_text(publication)
    else:
        rows = judge_claims(publication, evidence_of(read(open_run(run))))
    if as_json:
        echo(json.dumps([row.model_dump(mode="json") for row in rows], indent=1))
    else:
        echo("\n".join(_claim_lines(rows)))
        if run is None:
            num = sum(row.is_flagged for row in rows)
            echo(f"{num} of {len(rows)}: the text speaks against itself, or proves nothing")


def _claim_lines(rows: Sequence[ClaimRow]) -> list[str]:
    lines = []
    for row in rows:
        printed = f" [{row.printed}]" if row.printed else ""
        lines.append(f"{row.id:5} {row.verdict.upper()}: {row.text}{printed}")
        lines.append(f"      {row.reason}")
    return lines


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
    from neurovisionlab.lab.judge import advise_run
    from neurovisionlab.lab.results import read
    from neurovisionlab.out.verdicts import advice_paragraph

    if prefer is not None and prefer not in PREFERENCES:
        near = ", ".join(nearest(prefer, PREFERENCES))
        raise SpecError(mould("--prefer", "a known preference", repr(prefer), near))
    limits = _limits(limit or []) if limit or prefer else None
    found = advise_run(read(open_run(run)), limits, prefer or "accuracy")  # type: ignore[arg-type]
    if as_json:
        rows = {name: [a.model_dump(mode="json") for a in some] for name, some in found.items()}
        echo(json.dumps(rows, indent=1))
        return
    for name, some in found.items():
        echo(name, bold=True)
        for one in some:
            echo("\n".join(f"  {line}" for line in advice_paragraph(one)))
        echo()


def _limits(words: Sequence[str]) -> Limits:
    from neurovisionlab.judge.candidates import Limits

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
    return Limits.model_validate(given)
