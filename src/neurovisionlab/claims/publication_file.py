"""Parsing of a claims file: all mistakes at once, each with its place."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from neurovisionlab.claims.publication import (
    METRICS,
    AdviceClaim,
    AgreementClaim,
    ExtremeClaim,
    OrderClaim,
    PrintedTable,
    Publication,
    RangeClaim,
    Reference,
    ReportedClaim,
    StatedData,
    StatedModel,
)
from neurovisionlab.core.documents import mistakes, parse_toml
from neurovisionlab.core.errors import mould, nearest
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.problems import problem_lines
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.judge.quantities import NUMBER

KINDS: dict[str, type[Frozen]] = {
    "best": ExtremeClaim,
    "worst": ExtremeClaim,
    "order": OrderClaim,
    "difference_range": RangeClaim,
    "ratio_range": RangeClaim,
    "agreement": AgreementClaim,
    "advice": AdviceClaim,
    "reported": ReportedClaim,
}
# an empty cell of a table
NO_NUMBER = frozenset({"", "-", "–", "—"})

Document = Mapping[str, Any]


def parse_claims(text: str, where: str = "claims") -> Publication:
    """Read a claims file from TOML text.

    Args:
        text: the file's content.
        where: name of the file in messages.

    Raises:
        SpecError: not TOML, or one line for every key, type, number or name that is wrong.
    """
    document = parse_toml(text, where)
    lines = list(_problems(document))
    if lines:
        raise mistakes(where, lines)
    return Publication.model_validate_json(json.dumps(document, default=str), strict=True)


def _problems(document: Document) -> Iterator[str]:
    """Yield a line for every mistake: first of form, then of undeclared names."""
    top = {key: value for key, value in document.items() if key not in _PARTS}
    yield from _form(top | {"datasets": {}, "models": {}}, Publication, "")
    for key, shape in _PARTS.items():
        if not isinstance(document.get(key, shape()), shape):
            words = "tables" if shape is list else "a table"
            yield mould(key, words, repr(document[key]), f"[[{key}]]" if shape is list else key)
    for key in ("datasets", "models"):
        if not document.get(key):
            yield mould(key, "at least one entry", "none", f"[{key}.NAME]")
    yield from _settings_problems(document)
    yield from _named_problems(document, "datasets", StatedData)
    yield from _named_problems(document, "models", StatedModel)
    for i, entry in enumerate(_list(document, "references")):
        yield from _form(entry, Reference, f"references[{i}]")
    for i, entry in enumerate(_list(document, "tables")):
        yield from _table_problems(entry, f"tables[{i}]", document)
    yield from _claims_problems(document)


_PARTS: dict[str, type] = {
    "protocol": dict,
    "implied": dict,
    "datasets": dict,
    "models": dict,
    "references": list,
    "tables": list,
    "claims": list,
}


def _form(entry: Any, model: type[Frozen], path: str) -> list[str]:
    """Return the mistakes of a single entry, each prefixed with its path."""
    try:
        model.model_validate_json(json.dumps(entry, default=str), strict=True)
    except ValidationError as error:
        return [_below(path, line) for line in problem_lines(error, model)]
    return []


def _below(path: str, line: str) -> str:
    """Prefix a line about a field, or about the entry as a whole, with a path."""
    if line.startswith(("expected", ": expected")):
        return f"{path}: {line.removeprefix(': ')}"
    return f"{path}.{line}" if path else line


def _list(document: Document, key: str) -> list[Any]:
    found = document.get(key, [])
    return found if isinstance(found, list) else []


def _table(document: Document, key: str) -> dict[str, Any]:
    found = document.get(key, {})
    return found if isinstance(found, dict) else {}


def _unknown(path: str, known: Iterable[str]) -> str:
    name = path.rpartition(".")[2]
    return mould(path, "a known name", repr(name), ", ".join(nearest(name, known)))


def _settings_problems(document: Document) -> Iterator[str]:
    """Validate settings by the protocol's own rules; both ends of a range must be valid."""
    for key in ("protocol", "implied"):
        given = _table(document, key)
        plain = {name: value for name, value in given.items() if not isinstance(value, dict)}
        yield from _form(plain, Protocol, key)
        for name, value in given.items():
            if not isinstance(value, dict):
                continue
            if value.keys() != {"low", "high"}:
                yield mould(f"{key}.{name}", "low and high", repr(value), "low = 0.1, high = 0.2")
                continue
            for end in ("low", "high"):
                yield from _form({name: value[end]}, Protocol, key)


def _named_problems(document: Document, key: str, model: type[Frozen]) -> Iterator[str]:
    for name, entry in _table(document, key).items():
        yield from _form(entry, model, f"{key}.{name}")


def _table_problems(entry: Any, path: str, document: Document) -> Iterator[str]:
    wrong = _form(entry, PrintedTable, path)
    yield from wrong
    if wrong:
        return
    table = PrintedTable.model_validate_json(json.dumps(entry))
    if table.columns[:2] != ("dataset", "model"):
        expected = '"dataset" and "model" first'
        yield mould(f"{path}.columns", expected, repr(list(table.columns)), expected)
        return
    if len(table.columns) < 3:
        yield mould(f"{path}.columns", "at least one metric", "none", '"accuracy"')
    for metric in table.columns[2:]:
        if metric not in METRICS:
            yield _unknown(f"{path}.columns.{metric}", METRICS)
    seen: set[tuple[str, str]] = set()
    for i, cells in enumerate(table.cells(), 1):
        yield from _row_problems(cells, table, f"{path}.rows, row {i}", document)
        key = (cells[0], cells[min(1, len(cells) - 1)])
        if key in seen:
            yield mould(f"{path}.rows, row {i}", "each pair once", f"{key} twice", "to drop one")
        seen.add(key)


def _row_problems(
    cells: list[str], table: PrintedTable, path: str, document: Document
) -> Iterator[str]:
    if len(cells) != len(table.columns):
        yield mould(path, f"{len(table.columns)} cells", f"{len(cells)}", '"–" for none')
        return
    yield from _name_problems(path, document, {"datasets": cells[:1], "models": cells[1:2]})
    for metric, cell in zip(table.columns[2:], cells[2:], strict=True):
        if cell not in NO_NUMBER and not NUMBER.fullmatch(cell):
            hint = cell.replace(",", ".") if NUMBER.fullmatch(cell.replace(",", ".")) else '"–"'
            yield mould(f"{path}, {metric}", "a decimal number", repr(cell[:80]), hint)


def _claims_problems(document: Document) -> Iterator[str]:
    claims = _list(document, "claims")
    if not all(isinstance(entry, dict) for entry in claims):
        yield mould("claims", "tables", "a plain value", "[[claims]]")
        return
    ids = Counter(str(entry.get("id")) for entry in claims if "id" in entry)
    for name in (name for name, count in ids.items() if count > 1):
        yield mould("claims", "each id once", f"{name!r} twice", "another id")
    for i, entry in enumerate(claims):
        path = f'claims "{entry["id"]}"' if "id" in entry else f"claims[{i}]"
        kind = entry.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            words = ", ".join(nearest(str(kind), KINDS)) if kind else ", ".join(KINDS)
            yield mould(f"{path}.kind", "a kind of claim", repr(kind), words)
            continue
        wrong = _form(entry, KINDS[kind], path)
        yield from wrong or _claim_name_problems(entry, path, document)


def _claim_name_problems(entry: Document, path: str, document: Document) -> Iterator[str]:
    models = [entry[key] for key in ("model", "base") if key in entry]
    names = {"datasets": entry.get("datasets", ()), "models": [*entry.get("models", ()), *models]}
    yield from _name_problems(path, document, names)
    metrics = [entry["metric"]] if "metric" in entry else entry.get("metrics", ())
    yield from (
        _unknown(f"{path}.{metric}", METRICS) for metric in metrics if metric not in METRICS
    )


def _name_problems(
    path: str, document: Document, names: Mapping[str, Iterable[str]]
) -> Iterator[str]:
    """Yield a line for every name that the file does not declare."""
    for key, used in names.items():
        declared = _table(document, key)
        for name in used:
            if name not in declared:
                near = ", ".join(nearest(name, declared)) or f"[{key}.{name}]"
                yield mould(path, f"a name of [{key}]", repr(name), near)
