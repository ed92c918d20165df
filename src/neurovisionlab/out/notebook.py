"""HTML representations for notebooks: tables and sentences.

Names come from files and runs of unknown origin: all text is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from neurovisionlab.lab.results import Results
from neurovisionlab.out.neutral import neutral
from neurovisionlab.out.tables import Table, result_rows, summary_tables

_CELL = "padding: 0.1em 0.6em; white-space: nowrap"
_LINE = "text-align: left; padding: 0.1em 0.6em"
_LEFT, _RIGHT = f"text-align: left; {_CELL}", f"text-align: right; {_CELL}"


def run_html(found: Results) -> str:
    """Return a run's name, folder, and tables of quality."""
    rows = result_rows(found.cells, found.records, found.failures)
    name = f"<b>{_text(found.plan.study.name)}</b>"
    return f"<p>{name}: {_text(str(found.root))}</p>{tables_html(summary_tables(rows))}"


def tables_html(tables: Iterable[Table]) -> str:
    """Return tables below each other, with their notes."""
    return "".join(map(_table, tables))


def paragraphs_html(paragraphs: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Return (title, lines) as headings and lists; lines that explain others are indented."""
    return "".join(
        f"<p><b>{_text(title)}</b></p><ul>{''.join(map(_item, lines))}</ul>"
        for title, lines in paragraphs
    )


def lines_html(title: str, lines: Mapping[str, str]) -> str:
    """Return a table of two columns: fact and value."""
    body = "".join(
        f'<tr><th style="{_LEFT}">{_text(what)}</th><td style="{_LINE}">{_text(line)}</td></tr>'
        for what, line in lines.items()
    )
    return f"<p><b>{_text(title)}</b></p><table><tbody>{body}</tbody></table>"


def lists_html(lines: Iterable[str]) -> str:
    """Return lines as a list."""
    return f"<ul>{''.join(map(_item, lines))}</ul>"


def files_html(paths: Iterable[Path]) -> str:
    """Return a list of files."""
    items = "".join(f"<li><code>{_text(str(path))}</code></li>" for path in paths)
    return f"<ul>{items}</ul>"


def _table(table: Table) -> str:
    sides = [_LEFT if is_text else _RIGHT for is_text in table.are_text]
    head = _row("th", table.columns, sides)
    body = "".join(_row("td", row, sides) for row in table.rows)
    notes = "".join(f"<p><small>{_text(note)}</small></p>" for note in table.notes)
    caption = f'<caption style="{_LEFT}"><b>{_text(table.title)}</b></caption>'
    return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>{notes}"


def _row(tag: str, cells: Sequence[str], sides: Sequence[str]) -> str:
    texts = (
        f'<{tag} style="{side}">{_text(cell)}</{tag}>'
        for side, cell in zip(sides, cells, strict=True)
    )
    return f"<tr>{''.join(texts)}</tr>"


def _item(line: str) -> str:
    style = ' style="list-style: none"' if line.startswith(" ") else ""
    return f"<li{style}>{_text(line.strip())}</li>"


def _text(text: str) -> str:
    return html.escape(neutral(text))
