"""Validation errors of pydantic as messages in the project's form, one line per wrong field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from neurovisionlab.core.errors import mould, nearest
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.protocol import Protocol


def problem_lines(error: ValidationError, root: type[Frozen]) -> list[str]:
    """Return one message per field that pydantic found wrong."""
    by_field: dict[str, list[Any]] = {}
    for item in error.errors(include_url=False):
        # a union reports once per member, under the member's name: keep only the field's path
        path, known = _field_path(item["loc"], root)
        by_field.setdefault(path, []).append((item, known))
    lines: list[str] = []
    for path, items in by_field.items():
        item, known = items[0]
        if item["type"] == "too_short" and f"{path}[0]" in by_field:
            continue  # pydantic counts only the valid entries
        if item["type"] == "value_error":
            text = str(item["ctx"]["error"])
            lines += [f"{path}: {line}" if path else line for line in text.splitlines()]
        elif item["type"] == "extra_forbidden":
            # suggestions are slow: give them only for the first hundred lines
            close = ", ".join(nearest(path.split(".")[-1], known if len(lines) < 100 else ["none"]))
            lines.append(mould(path, "a known key", "an unknown one", close))
        else:
            expected = " or ".join(dict.fromkeys(_expectation(one) for one, _ in items))
            got = "nothing" if item["type"] == "missing" else shown(item["input"])
            lines.append(mould(path, expected, got, _remedy(items)))
    return lines


def shown(value: Any) -> str:
    """Return a value as shown in messages: its repr, long ones without their middle.

    >>> shown("a"), shown(10**5000)
    ("'a'", 'a number of some 5,000 digits')
    """
    if isinstance(value, int) and endless(value):
        return f"a number of some {round(value.bit_length() * 0.30103, -3):,.0f} digits"
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # such an integer, or deep nesting, inside the value
        return f"a {type(value).__name__}"
    return _short(text)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:50]}…{text[-20:]}"


_LONGEST_SHOWN = 120


def endless(number: int) -> bool:
    """Return whether an integer has more digits than Python converts to text (4,300)."""
    return number.bit_length() > 12_000


def _field_path(loc: tuple[int | str, ...], root: type[Frozen]) -> tuple[str, list[str]]:
    """Return the dotted path of a field, and the valid names at its place."""
    model: Any = root
    parts: list[str] = []
    known: list[str] = list(root.model_fields)
    for piece in loc:
        if isinstance(piece, int):
            parts[-1] += f"[{piece}]"
        elif parts == ["vary"]:  # a table with keys chosen by the user
            parts.append(piece)
        elif model is not None:
            parts.append(piece)
            known = list(model.model_fields)
            field = model.model_fields.get(piece)
            inner = field.annotation if field else None
            model = inner if isinstance(inner, type) and issubclass(inner, Frozen) else None
    return ".".join(_short(part) or '""' for part in parts), known


_EXPECTATIONS = {
    "missing": "a value",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "finite_number": "a finite number",
    "too_short": "at least one entry",
}


def _plain(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) and bound >= 10_000 else f"{bound:g}"


def _expectation(item: Mapping[str, Any]) -> str:
    kind, ctx = item["type"], item.get("ctx", {})
    if kind == "literal_error":
        return str(ctx["expected"]).replace("'", '"')
    for key, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "below")):
        if key in ctx:
            return f"a number {words} {_plain(ctx[key])}"
    if kind == "too_long":
        return f"at most {ctx['max_length']:,} entries"
    if kind.startswith("int"):
        return "a whole number"
    if kind.startswith("float"):
        return "a number"
    return _EXPECTATIONS.get(kind, str(item["msg"]))


def _remedy(items: list[tuple[Mapping[str, Any], list[str]]]) -> str:
    """Suggest the nearest allowed value, else the field's default, else an example."""
    item = items[0][0]
    for one, _ in items:
        if one["type"] == "literal_error":
            allowed = re.findall(r"'([^']*)'", one["ctx"]["expected"])
            return json.dumps(nearest(str(one["input"]), allowed, 1)[0])
    name = next((p for p in reversed(item["loc"]) if isinstance(p, str)), "")
    if "vary" in item["loc"]:
        name = "vary"
    field = Protocol.model_fields.get(name)
    if field is not None and field.default is not None:
        return json.dumps(field.default)
    return _EXAMPLES.get(name, "a value of that kind")


_EXAMPLES = {
    "name": 'name = "my-study"',
    "datasets": 'datasets = ["digits"]',
    "models": 'models = ["resnet18"]',
    "seeds": "seeds = [0, 1, 2]",
    "mean": "mean = [0.5] and std = [0.5]",
    "std": "mean = [0.5] and std = [0.5]",
    "train_images": "1000",
    "test_images": "1000",
    "folds": "5",
    "test_frac": "0.2",
    "vary": "learning_rate = [0.001, 0.003]",
}
