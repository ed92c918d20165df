"""Other languages: every sentence is translated, and nothing is said past the catalogue."""

from __future__ import annotations

import io
import re
import string
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from house.source import ROOT
from lab.fakes import fake_plan, fake_result
from neurovisionlab.core.errors import SpecError
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.language import CODES, voice_of
from neurovisionlab.out.page.compare import compare_runs
from neurovisionlab.out.speech import Voice, number, speaking
from out.rendered import rendered

LOCALE = ROOT / "src" / "neurovisionlab" / "out" / "locale"
KEYWORDS = {"Sentence": None, "Counted": (1, 2), "_": None, "gettext": None, "ngettext": (1, 2)}
OTHERS = [code for code in CODES if code != "en"]


def _said(monkeypatch: pytest.MonkeyPatch) -> set[str | tuple[str, ...]]:
    """Return every message of code, templates and claims, as `make messages` collects them."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(
        ROOT, methods, options, KEYWORDS, directory_filter=lambda path: ".venv" not in path
    )
    return {message for _, _, message, *_ in found}


def _catalogue(code: str) -> list[Message]:
    content = io.BytesIO((LOCALE / f"{code}.po").read_bytes())
    return [message for message in read_po(content, locale=code) if message.id]


def _one(message: Message) -> str | tuple[str, ...]:
    return message.id if isinstance(message.id, str) else tuple(message.id)


@pytest.mark.parametrize("code", OTHERS)
def test_every_sentence_is_translated(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {_one(message): message for message in _catalogue(code)}
    said = _said(monkeypatch)
    assert len(said) > 300  # they were found
    assert said - known.keys() == set(), "run make messages, then translate"
    assert known.keys() - said == set(), "no longer said: run make messages"
    assert [m.id for m in known.values() if m.fuzzy] == []
    untold = [m.id for m in known.values() if not all(_forms(m))]
    assert untold == []


def _forms(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


def _fields(text: str) -> set[str]:
    named = {name for _, name, _, _ in string.Formatter().parse(text) if name}
    return named | set(re.findall(r"%\(\w+\)s", text))


@pytest.mark.parametrize("code", OTHERS)
def test_translations_keep_the_fields(code: str) -> None:
    for message in _catalogue(code):
        singular = message.id if isinstance(message.id, str) else message.id[-1]
        if "%(" in singular:
            wanted = set(re.findall(r"%\(\w+\)s", singular))
            assert all(set(re.findall(r"%\(\w+\)s", f)) == wanted for f in _forms(message))
            continue
        for form in _forms(message):
            assert _fields(form) == _fields(singular), message.id


def test_numbers_are_written_the_ukrainian_way() -> None:
    with speaking(voice_of("uk")):
        assert number(20800.5, ",.1f") == "20\u00a0800,5"
        assert number(0.953, ".1%") == "95,3\u00a0%"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(SpecError, match="expected en or uk, got 'de'"):
        voice_of("de")


# everything goes through the catalogue

MARKED = re.compile("⟦[^⟦⟧]*⟧")


def _marked(text: str) -> str:
    return f"⟦{text}⟧" if text.strip() else text


PSEUDO = Voice("uk", _marked, lambda one, many, n: _marked(one if n == 1 else many))


class Visible(HTMLParser):
    """Texts that a reader sees or hears, without scripts, code and what is marked as English."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.hidden: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note attributes that are read aloud, and what hides."""
        given = dict(attrs)
        if tag in ("script", "style", "code", "pre", "title") or (
            given.get("lang") == "en" and tag != "html"
        ):
            self.hidden.append(tag)
        self.texts += [
            given[name] or "" for name in ("aria-label", "alt", "title") if name in given
        ]

    def handle_endtag(self, tag: str) -> None:
        """Note the end of what hides."""
        if self.hidden[-1:] == [tag]:
            self.hidden.pop()

    def handle_data(self, data: str) -> None:
        """Collect a text."""
        if not self.hidden:
            self.texts.append(data)


def _unmarked(texts: list[str], data: set[str]) -> Iterator[str]:
    """Yield what words remain of texts without marked sentences and without the run's own data."""
    for text in texts:
        rest, before = text, None
        while rest != before:  # sentences hold sentences
            before, rest = rest, MARKED.sub(" ", rest)
        for word in sorted(data, key=len, reverse=True):
            rest = rest.replace(word, " ")
        yield from re.findall(r"[A-Za-z]{2,}", rest)


def _store(folder: Path, **study: object) -> Store:
    plan = fake_plan(**study)
    store = Store(folder)
    with store.writing():
        store.keep_plan(plan)
        for number_of_cell, cell in enumerate(plan.cells()):
            store.put(fake_result(cell, skill=3.0 + number_of_cell % 3))
    return store


DATA = {"resnet18", "mobilenetv2", "emnist-letters", "kmnist", "fake", "an-os", "cpu", "torch"}
DATA |= {"digits", "Python", "GiB", "px", "NLL", "ECE", "SHA", "adam", "constant", "made up"}
DATA |= {"none", "UTC", "NeuroVisionLab", "train", "test", "other"}


def test_a_report_says_nothing_past_the_catalogue(tmp_path: Path) -> None:
    models = ("resnet18", "mobilenetv2")
    store = _store(
        tmp_path / "run", datasets=("emnist-letters", "kmnist"), models=models, seeds=(0, 1, 2)
    )
    html = rendered(store, language=PSEUDO)
    ids = {cell.cell_id for cell in store.plan().cells()}
    left = set(_unmarked(Visible(html).texts, DATA | ids))
    assert left == set()


def test_a_comparison_says_nothing_past_the_catalogue(tmp_path: Path) -> None:
    stores = [_store(tmp_path / name) for name in ("fake", "other")]
    left = set(_unmarked(Visible(compare_runs([read(one) for one in stores], PSEUDO)).texts, DATA))
    assert left == set()
