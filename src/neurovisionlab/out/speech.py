"""Sentences that can be said in more than one language, with numbers as that language writes them.

What people read is written once, in English, where it belongs: as a `Sentence`, a template with
{fields}. Which language it is said in is decided outside, for a block of code (`speaking`); the
catalogues lie in `out/locale`. Machines always read English: nothing else is the default.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from typing import Any


def _as_it_is(message: str) -> str:
    return message


def _english_plural(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


@dataclass(frozen=True)
class Voice:
    """A language: how it says a message, and how it writes a number.

    Attributes:
        code: ISO 639 code, for `<html lang>`.
        translate, translate_counted: as gettext's `gettext` and `ngettext`.
        decimal, group, percent: what stands for the marks in 1,234.5 and what follows per cent.
    """

    code: str = "en"
    translate: Callable[[str], str] = field(default=_as_it_is, repr=False)
    translate_counted: Callable[[str, str, int], str] = field(default=_english_plural, repr=False)
    decimal: str = "."
    group: str = ","
    percent: str = "%"

    def number(self, text: str) -> str:
        """Return a number that Python formatted as this language writes it."""
        marks = str.maketrans({".": self.decimal, ",": self.group, "%": self.percent})
        return text.translate(marks)


ENGLISH = Voice()
_voice: ContextVar[Voice] = ContextVar("voice", default=ENGLISH)


def voice() -> Voice:
    """Return the language that is spoken here."""
    return _voice.get()


@contextmanager
def speaking(language: Voice) -> Iterator[None]:
    """Say all sentences of a block in a language."""
    token = _voice.set(language)
    try:
        yield
    finally:
        _voice.reset(token)


class _LocalNumbers(string.Formatter):
    """str.format, with numbers as the spoken language writes them."""

    def format_field(self, value: Any, format_spec: str) -> str:
        text: str = super().format_field(value, format_spec)
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        return voice().number(text) if is_number else text


class _Texts(string.Formatter):
    """str.format, with fields that are texts already."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return str(value)


_FORMATTER, _TEXTS = _LocalNumbers(), _Texts()


@dataclass(frozen=True)
class Sentence:
    """A template in English; as text, or filled in, it is in the language that is spoken.

    >>> Sentence("{model} is right on {share:.1%}").format(model="A", share=0.953)
    'A is right on 95.3%'
    """

    english: str

    def format(self, **fields: object) -> str:
        """Return the sentence with its fields filled in."""
        return _FORMATTER.vformat(voice().translate(self.english), (), fields)

    def __str__(self) -> str:
        return voice().translate(self.english)

    def join(self, parts: Iterable[object]) -> str:
        """Return the parts as text, with this between them."""
        return str(self).join(str(part) for part in parts)

    def read(self, text: str) -> Mapping[str, str] | None:
        """Return the fields that make this template, in English, the text; None if none do.

        >>> Sentence("{count} of {total}").read("3 of 4")
        {'count': '3', 'total': '4'}
        """
        found = self._pattern.fullmatch(text)
        return None if found is None else found.groupdict()

    def refill(self, fields: Mapping[str, str]) -> str:
        """Return the sentence with fields that were read from its English form."""
        return _TEXTS.vformat(voice().translate(self.english), (), fields)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pieces = [
            re.escape(literal) + (f"(?P<{name}>.+?)" if name else "")
            for literal, name, _, _ in string.Formatter().parse(self.english)
        ]
        return re.compile("".join(pieces), re.DOTALL)


@dataclass(frozen=True)
class Counted:
    """A template in English for one and for many, by the field {count}.

    >>> Counted("{count} model", "{count:,} models").format(2000)
    '2,000 models'
    """

    one: str
    many: str

    def format(self, count: int, **fields: object) -> str:
        """Return the form for a count, with its fields filled in."""
        template = voice().translate_counted(self.one, self.many, count)
        return _FORMATTER.vformat(template, (), {"count": count} | fields)


def number(value: float, spec: str) -> str:
    """Return a number in Python's format `spec`, as the spoken language writes it.

    >>> number(1234.5, ",.1f")
    '1,234.5'
    """
    return voice().number(format(value, spec))
