"""README and docs: every `nvl …` command exists, every link leads somewhere, README stays short."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from house.source import ROOT
from neurovisionlab.cli.app import app

FENCE = re.compile(r"^( *)(```+|~~~+).*?\n(.*?)^\1\2", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")


def _commands(text: str) -> Iterator[list[str]]:
    """Yield the words after `nvl` of each command in fenced blocks."""
    for _, _, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield from _commands_in(line)


def _commands_in(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # prose with an apostrophe, a program's output
        return
    command: list[str] = []
    for word in [*words, ";"]:
        if word and set(word) <= set("|&;<>()"):
            if command and Path(command[0]).name == "nvl":
                yield command[1:]
            command = []
        else:
            command.append(word)


def _problem(words: list[str]) -> str | None:
    """Return what is wrong with a command; None if it could be typed."""
    node: Any = typer.main.get_command(app)
    while words and hasattr(node, "commands") and not words[0].startswith("-"):
        if words[0] not in node.commands:
            return f"no command {words[0]!r}"
        node, words = node.commands[words[0]], words[1:]
    known = {name for parameter in node.params for name in (*parameter.opts, "--help")}
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("-") and name not in known:
            return f"no option {name} of {node.name}"
    return None


def _documents() -> list[Path]:
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [path for path in (*found, *(ROOT / "docs").rglob("*.md")) if path.is_file()]


@pytest.mark.parametrize("path", _documents(), ids=lambda path: path.name)
def test_commands_of_the_documents_exist(path: Path) -> None:
    wrong = {
        " ".join(words): problem
        for words in _commands(path.read_text(encoding="utf-8"))
        if (problem := _problem(words))
    }
    assert wrong == {}


def test_commands_are_found_and_judged() -> None:
    text = (
        "```sh\n$ nvl run quick --data ../x  # a comment\nmake study && .venv/bin/nvl nope\n"
        "nvl results runs/quick --csv > a.csv; nvl run quick --colour\n```\nnvl prose\n"
    )
    commands = list(_commands(text))
    assert commands == [
        ["run", "quick", "--data", "../x"],
        ["nope"],
        ["results", "runs/quick", "--csv"],
        ["run", "quick", "--colour"],
    ]
    assert [_problem(words) for words in commands] == [
        None,
        "no command 'nope'",
        None,
        "no option --colour of run",
    ]


def _linked(path: Path, text: str) -> Iterator[tuple[str, Path, str]]:
    """Yield each relative link of a page as it is written, the file it leads to, and its anchor."""
    for link in LINK.findall(FENCE.sub("", text)):
        if not re.match("[a-z]+:", link):
            name, _, anchor = link.partition("#")
            yield link, (path.parent / name).resolve() if name else path, anchor


def _anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall("^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _broken(path: Path, text: str) -> list[str]:
    """Return the relative links of a page that lead to no file, or to no heading of a page."""
    pages = {path: text}

    def leads_nowhere(target: Path, anchor: str) -> bool:
        if target not in pages and not target.exists():
            return True
        return bool(anchor) and anchor not in _anchors(pages.get(target) or target.read_text())

    return [link for link, target, anchor in _linked(path, text) if leads_nowhere(target, anchor)]


@pytest.mark.parametrize("path", _documents(), ids=lambda path: path.name)
def test_links_of_the_documents_lead_somewhere(path: Path) -> None:
    assert _broken(path, path.read_text(encoding="utf-8")) == []


def test_broken_links_are_found() -> None:
    text = (
        "# A `heading`, with 2 words\n[a](README.md) ![b](docs/no.png)\n"
        "[c](#a-heading-with-2-words) [d](#nowhere) [e](docs/index.md#nowhere)\n"
        "[f](https://example.org/)\n```\n[g](no.md)\n```\n"
    )
    assert _broken(ROOT / "page.md", text) == ["docs/no.png", "#nowhere", "docs/index.md#nowhere"]


def test_the_index_links_every_page_in_five_groups() -> None:
    index = ROOT / "docs" / "index.md"
    text = index.read_text(encoding="utf-8")
    linked = {target for _, target, _ in _linked(index, text)}
    assert {path for path in _documents() if path != index} <= linked
    groups = re.findall("^## (.+)$", text, re.MULTILINE)
    assert groups == ["Start", "Use", "Understand", "Extend", "Develop"]


def test_the_readme_is_short_and_leads_to_the_index() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 110
    assert ROOT / "docs" / "index.md" in {target for _, target, _ in _linked(readme, text)}


def test_every_picture_is_shown_by_a_page() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in _documents()}
    linked = {target for path, text in texts.items() for _, target, _ in _linked(path, text)}
    assert set((ROOT / "docs" / "images").iterdir()) <= linked
