"""Every `nvl …` command in the README and the docs is one that exists."""

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
