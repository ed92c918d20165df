"""Plain values as accidents and attackers leave them: trees of tables, lists, text and numbers."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import tomli_w

from fuzz.mutations import Rng
from hostile import HOSTILE

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 1.5, -0.5, 1e308, 5e-324, -1e30, 2**31, 2**63, -(2**63)),
    *(10**400, float("nan"), float("inf"), float("-inf"), "", "x", "native", "NaN", "1", "../../x"),
    *("/dev/zero", "folder:/", "timm:local-dir:/x", "m:f", "\x00", "\ud800", "x" * 100_000),
    *([], {}, [[]], [None], {"": {}}, {"a": 1}, [1, "a", {}], [0] * 5_000, ["x"] * 300),
    *({str(n): n for n in range(300)}, "2026-01-01", "2026-01-01T00:00:00+00:00"),
)


def mutated(tree: Any, rng: Rng) -> Any:
    """Return a changed copy of a tree: one to four values replaced, moved, doubled or gone."""
    changed = {"": deepcopy(tree)}
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        rng.choice(_CHANGES)(*_place(changed, rng), rng)
    return changed[""]


def _place(tree: dict[str, Any], rng: Rng) -> tuple[Any, Any]:
    """Return a table or list anywhere in a tree, and the key of one of its values."""
    places = [(tree, "")]
    rest: list[Any] = [tree[""]]
    while rest and len(places) < 5_000:
        inner = rest.pop()
        if isinstance(inner, dict | list):
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            places += [(inner, key) for key in keys]
            rest += [inner[key] for key in keys]
    return rng.choice(places)


def _replace(holder: Any, key: Any, rng: Rng) -> None:
    holder[key] = deepcopy(rng.choice(_ODD))


def _rename(holder: Any, key: Any, rng: Rng) -> None:
    if isinstance(holder, dict) and key != "":
        holder[rng.choice((*HOSTILE, f"{key}s", key.upper(), "x" * 10_000))] = holder.pop(key)
    else:
        _name(holder, key, rng)


def _name(holder: Any, key: Any, rng: Rng) -> None:
    holder[key] = rng.choice(HOSTILE)


def _drop(holder: Any, key: Any, rng: Rng) -> None:
    if key == "":
        return
    del holder[key]


def _bury(holder: Any, key: Any, rng: Rng) -> None:
    for _ in range(rng.choice((1, 2, 60, 300))):
        holder[key] = [holder[key]] if rng.random() < 0.5 else {"x": holder[key]}


def _repeat(holder: Any, key: Any, rng: Rng) -> None:
    value = holder[key]
    if isinstance(value, list) and value:
        holder[key] = value * rng.choice((2, 3, 1_000))
    elif isinstance(value, str):
        holder[key] = value * rng.choice((2, 100))
    elif isinstance(value, int | float):
        holder[key] = value * rng.choice((-1, 2, 1000, 0))


def _copy_over(holder: Any, key: Any, rng: Rng) -> None:
    other, from_key = _place({"": holder}, rng)
    holder[key] = deepcopy(other[from_key])


_CHANGES = (_replace, _replace, _replace, _rename, _name, _drop, _bury, _repeat, _copy_over)


def as_toml(document: dict[str, Any], rng: Rng) -> bytes:
    """Return a document as TOML; as JSON where TOML has no word for it."""
    try:
        return tomli_w.dumps(document, multiline_strings=rng.random() < 0.1).encode()
    except (TypeError, ValueError, AttributeError, RecursionError):  # null, say: TOML has none
        return json.dumps(document, default=str).encode("utf-8", "surrogatepass")
