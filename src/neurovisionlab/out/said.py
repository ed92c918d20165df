"""Statements in words: each key has a sentence in `out.words`, or a form of its own here.

Which language they are said in is decided by `core.speech.speaking`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from neurovisionlab.core.speech import Sentence, number, voice
from neurovisionlab.core.statements import Stated, Statement
from neurovisionlab.out.words import advice, cells, claims

WORDS: dict[str, Sentence] = advice.WORDS | claims.WORDS | cells.WORDS


def said(statement: Statement) -> str:
    """Return a statement in the spoken language.

    Raises:
        KeyError: there are no words for its key.
    """
    form = FORMS.get(statement.key)
    if form is not None:
        return form(statement.fields)
    fields = {name: _filled(value) for name, value in statement.fields.items()}
    return WORDS[statement.key].format(**fields)


def said_all(statements: Iterable[Statement]) -> str:
    """Return statements one behind the other."""
    return " ".join(said(one) for one in statements)


def text_of(value: Stated) -> str:
    """Return what a field of a statement holds as text: names as they are, the rest in words."""
    return str(_filled(value))


def json_of(record: BaseModel) -> dict[str, object]:
    """Return a record as JSON holds it, its statements in words."""
    return {name: _json(getattr(record, name)) for name in _shown(record)}


def _shown(record: BaseModel) -> list[str]:
    fields = type(record).model_fields
    return [name for name, field in fields.items() if not field.exclude]


def _json(value: object) -> object:
    if isinstance(value, Statement):
        return said(value)
    if isinstance(value, BaseModel):
        return json_of(value)
    if isinstance(value, Mapping):
        return {key: _json(one) for key, one in value.items()}
    return [_json(one) for one in value] if isinstance(value, (tuple, list)) else value


def _filled(value: Stated) -> object:
    """Return what a sentence takes: a number for its own format, all else as text."""
    if isinstance(value, tuple):
        return ", ".join(text_of(one) for one in value)
    if isinstance(value, Statement):
        return said(value)
    return "" if value is None else value


# forms of their own

Fields = Mapping[str, Any]


def _parted_by(key: str) -> Callable[[Fields], str]:
    return lambda fields: WORDS[key].join(text_of(part) for part in fields["parts"])


def _accuracy(key: str) -> Callable[[Fields], str]:
    """Say an accuracy and its interval to the precision that the interval allows."""

    def form(fields: Fields) -> str:
        half_points = (fields["high"] - fields["low"]) / 2
        digits = 2 if half_points < 0.1 else 1 if half_points < 5 else 0
        return WORDS[key].format(**fields, digits=digits)

    return form


def _amount(fields: Fields) -> str:
    """Say a cost with its unit, to three digits, without a power of ten."""
    value = fields["value"]
    text = number(value, ",.0f") if value >= 100 else number(float(f"{value:.3g}"), "g")
    return f"{text} {said(fields['unit'])}"


def _first_word(fields: Fields) -> str:
    return said(fields["of"]).capitalize()


def _number(fields: Fields) -> str:
    value = fields["value"]
    return number(value, ",.0f" if abs(value) >= 1000 else ".2f").replace("-", "−")


def _digits(fields: Fields) -> str:
    return number(fields["value"], f".{fields['num_decimals']}f")


def _count(fields: Fields) -> str:
    return number(fields["num"], ",")


def _short(fields: Fields) -> str:
    return number(fields["value"], "g")


def _as_printed(fields: Fields) -> str:
    return voice().number(fields["text"])


FORMS: Mapping[str, Callable[[Fields], str]] = {
    "advice.accuracy": _accuracy("advice.accuracy"),
    "advice.accuracy_full": _accuracy("advice.accuracy_full"),
    "advice.amount": _amount,
    "advice.first_word": _first_word,
    "advice.or": _parted_by("advice.or"),
    "claims.and": _parted_by("claims.and"),
    "claims.list": _parted_by("claims.comma"),
    "claims.number": _number,
    "claims.digits": _digits,
    "claims.count": _count,
    "claims.short": _short,
    "claims.as_printed": _as_printed,
}
