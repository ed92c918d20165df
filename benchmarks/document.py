"""Sections of docs/benchmarks.md: each benchmark owns what lies between its two marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def marks(name: str) -> tuple[str, str]:
    """Return the lines that begin and end a benchmark's section."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def put(text: str, name: str, section: str) -> str:
    """Return a document with the section between its marks; added at the end if it has none."""
    begin, end = marks(name)
    block = f"{begin}\n{section}{end}\n"
    if begin not in text:
        return f"{text.rstrip()}\n\n{block}" if text.strip() else f"# Benchmarks\n\n{block}"
    before, _, rest = text.partition(begin)
    return f"{before}{block}{rest.partition(end)[2].removeprefix(chr(10))}"


def write(name: str, section: str) -> None:
    """Put a section into docs/benchmarks.md."""
    text = DOCUMENT.read_text() if DOCUMENT.is_file() else ""
    DOCUMENT.write_text(put(text, name, section))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
