"""Text of statements: each key has a sentence in `out.words`, or a function in this module.

`out.speech.speaking` sets the language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from neurovisionlab.core.statements import Note, Stated, Statement
from neurovisionlab.out.speech import Sentence, number, voice
from neurovisionlab.out.words import (
    advice_words,
    cell_words,
    claim_words,
    cost_words,
    data_words,
    evaluation_words,
)

KEPT: dict[str, Sentence] = data_words.WORDS | cost_words.WORDS | evaluation_words.WORDS
# sentences that 0.1 kept in English, in the order in which they are tried
_RETOLD = tuple(KEPT[key] for key in (*data_words.FORMERLY_KEPT, *cost_words.FORMERLY_KEPT))
_LONGEST_RETOLD = 2_000  # texts come from files of strangers: none is matched at length
WORDS: dict[str, Sentence] = advice_words.WORDS | claim_words.WORDS | cell_words.WORDS | KEPT


def said(statement: Statement) -> str:
    """Return a statement as text in the current language.

    Raises:
        KeyError: the key has no text.
    """
    form = FORMS.get(statement.key)
    if form is not None:
        return form(statement.fields)
    fields = {name: _filled(value) for name, value in statement.fields.items()}
    return WORDS[statement.key].format(**fields)


def note_text(note: Note) -> str:
    """Return a note from a file as text: by its sentence if there is one, else unchanged."""
    if isinstance(note, str):
        return _retold(note)
    try:
        return said(note)
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError):
        return _bare(note)  # of another version, or forged


def _bare(value: Stated) -> str:
    """Return a statement without a sentence as text."""
    if isinstance(value, Statement):
        fields = (f"{name} {_bare(part)}" for name, part in value.fields.items())
        return f"{value.key}: {', '.join(fields)}"
    if isinstance(value, tuple):
        return ", ".join(map(_bare, value))
    return str(value)


def _retold(text: str) -> str:
    """Return an English note of an earlier version in the current language."""
    for sentence in _RETOLD if len(text) <= _LONGEST_RETOLD else ():
        fields = sentence.read(text)
        if fields is not None:
            return sentence.refill(fields)
    return text


def said_all(statements: Iterable[Statement]) -> str:
    """Return statements as text, one after the other."""
    return " ".join(said(one) for one in statements)


def text_of(value: Stated) -> str:
    """Return the value of a statement's field as text: names unchanged, statements as sentences."""
    return str(_filled(value))


def json_of(record: BaseModel) -> dict[str, object]:
    """Return a record as JSON-compatible values, its statements as text."""
    return {name: _json(getattr(record, name)) for name in _shown(record)}


def _shown(record: BaseModel) -> list[str]:
    fields = type(record).model_fields
    return [name for name, field in fields.items() if not field.exclude]


def _json(value: object) -> object:
    if isinstance(value, Statement):
        return note_text(value)
    if isinstance(value, BaseModel):
        return json_of(value)
    if isinstance(value, Mapping):
        return {key: _json(one) for key, one in value.items()}
    return [_json(one) for one in value] if isinstance(value, (tuple, list)) else value


def _filled(value: Stated) -> object:
    """Return the argument of a sentence's field: numbers for its format, other values as text."""
    if isinstance(value, tuple):
        return ", ".join(text_of(one) for one in value)
    if isinstance(value, Statement):
        return said(value)
    return "" if value is None else value


# functions for special forms

Fields = Mapping[str, Any]


def _parted_by(key: str) -> Callable[[Fields], str]:
    return lambda fields: WORDS[key].join(text_of(part) for part in fields["parts"])


def _accuracy(key: str) -> Callable[[Fields], str]:
    """Return a function for an accuracy and its interval, at the precision of the interval."""

    def form(fields: Fields) -> str:
        half_points = (fields["high"] - fields["low"]) / 2
        digits = 2 if half_points < 0.1 else 1 if half_points < 5 else 0
        return WORDS[key].format(**fields, digits=digits)

    return form


def _amount(fields: Fields) -> str:
    """Return a cost with its unit, at three digits, without exponent."""
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


def _pixel_value(fields: Fields) -> str:
    value = float(fields["value"])
    return number(value, ".0f" if value.is_integer() else ".6g")


def _as_printed(fields: Fields) -> str:
    return voice().number(fields["text"])


FORMS: Mapping[str, Callable[[Fields], str]] = {
    "data.pixel_value": _pixel_value,
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
