"""What was concluded, in no language: a key and its values. `out.said` puts it into words."""

from __future__ import annotations

from neurovisionlab.core.frozen import Frozen

Value = str | int | float | None


class Statement(Frozen):
    """One thing there is to say.

    Attributes:
        key: which, such as "advice.most_accurate"; the words of each lie in `out.words`.
        fields: what it is about: names, numbers in their full precision, other statements, or
            several of these.
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
