"""Conclusions independent of language: a key and its values. `out.said` turns them into text."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from neurovisionlab.core.bounds import Words
from neurovisionlab.core.frozen import Frozen

Value = str | int | float | None

_DEEPEST = 4
_LONGEST = 100_000
_LARGEST = 1e100
_MOST_FIELDS = 100


class Statement(Frozen):
    """A statement independent of language.

    Attributes:
        key: kind of statement, such as "advice.most_accurate"; `out.words` has the text of each.
        fields: its values: names, numbers in full precision, other statements, or tuples of these.
    """

    key: str
    fields: dict[str, Value | Statement | tuple[Value | Statement, ...]]

    def __hash__(self) -> int:
        return hash(self.model_dump_json())


Stated = Value | Statement | tuple[Value | Statement, ...]


def state(key: str, **fields: Stated) -> Statement:
    """Return a statement.

    >>> state("advice.front_of_one", model="vit-tiny").fields
    {'model': 'vit-tiny'}
    """
    return Statement(key=key, fields=fields)


def _bounded(note: Statement | str) -> Statement | str:
    """Refuse oversized statements: the file may come from a folder of unknown origin."""
    _check(note, _DEEPEST)
    return note


def _check(value: Stated, depth: int) -> None:
    inside: tuple[Stated, ...] = ()
    if isinstance(value, Statement):
        inside = (value.key, *value.fields, *value.fields.values())
    elif isinstance(value, tuple):
        inside = value
    elif isinstance(value, str) and len(value) > _LONGEST:
        raise ValueError(f"expected at most {_LONGEST:,} characters, got more; try a shorter text")
    elif isinstance(value, int | float) and not abs(value) <= _LARGEST:
        raise ValueError(f"expected a number up to {_LARGEST:g}, got a larger; try a smaller")
    if len(inside) > _MOST_FIELDS or (inside and not depth):
        raise ValueError("expected a short statement, got a larger; try fewer fields")
    for part in inside:
        _check(part, depth - 1)


# stored with its subject: a statement, or in earlier versions an English sentence
Note = Annotated[Statement | Words, AfterValidator(_bounded)]
Notes = Annotated[tuple[Note, ...], Field(max_length=1000)]
