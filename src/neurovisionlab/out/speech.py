"""Sentences in several languages, with numbers in the format of the language.

Text for users is written once, in English, where it is used: as a `Sentence`, a template with
{fields}. The language is set by the caller, for a block of code (`speaking`); the catalogues are in
`out/locale`. English is the default, so that output for programs is always in English.
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
    """A language: translation of messages, and format of numbers.

    Attributes:
        code: ISO 639 code, for `<html lang>`.
        translate, translate_counted: like `gettext` and `ngettext` of the module gettext.
        decimal, group, percent: replacements for the marks in 1,234.5 and for the per cent sign.
    """

    code: str = "en"
    translate: Callable[[str], str] = field(default=_as_it_is, repr=False)
    translate_counted: Callable[[str, str, int], str] = field(default=_english_plural, repr=False)
    decimal: str = "."
    group: str = ","
    percent: str = "%"

    def number(self, text: str) -> str:
        """Return a number formatted by Python in the format of this language."""
        marks = str.maketrans({".": self.decimal, ",": self.group, "%": self.percent})
        return text.translate(marks)


ENGLISH = Voice()
_voice: ContextVar[Voice] = ContextVar("voice", default=ENGLISH)


def voice() -> Voice:
    """Return the current language."""
    return _voice.get()


@contextmanager
def speaking(language: Voice) -> Iterator[None]:
    """Set the language of all sentences in a block."""
    token = _voice.set(language)
    try:
        yield
    finally:
        _voice.reset(token)


class _LocalNumbers(string.Formatter):
    """str.format, with numbers in the format of the current language."""

    def format_field(self, value: Any, format_spec: str) -> str:
        text: str = super().format_field(value, format_spec)
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        return voice().number(text) if is_number else text


class _Texts(string.Formatter):
    """str.format for fields that are already text."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return str(value)


_FORMATTER, _TEXTS = _LocalNumbers(), _Texts()


@dataclass(frozen=True)
class Sentence:
    """A template in English; `str` and `format` return it in the current language.

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
        """Return the parts as text, joined by this sentence."""
        return str(self).join(str(part) for part in parts)

    def read(self, text: str) -> Mapping[str, str] | None:
        """Return the fields with which the English template gives `text`; None if there are none.

        >>> Sentence("{count} of {total}").read("3 of 4")
        {'count': '3', 'total': '4'}
        """
        found = self._pattern.fullmatch(text)
        return None if found is None else found.groupdict()

    def refill(self, fields: Mapping[str, str]) -> str:
        """Return the sentence with fields that `read` found in its English form."""
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
    """A template in English, singular and plural, selected by the field {count}.

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
    """Return a number in Python's format `spec`, in the format of the current language.

    >>> number(1234.5, ",.1f")
    '1,234.5'
    """
    return voice().number(format(value, spec))
