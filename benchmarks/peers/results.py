"""What was measured, one JSON line a process, so that nothing is lost when a run is cut short."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peers.bounds import Rounds


@dataclass
class Results:
    """A file of answers.

    Attributes:
        path: the file; its first line holds the settings, each other line one answer.
        settings: what was asked of all contenders, and on which machine.
        answers: {(what was measured, round, who): answer}.
    """

    path: Path
    settings: dict[str, Any]
    answers: dict[tuple[str, int, str], dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def begun(cls, path: Path, settings: dict[str, Any]) -> Results:
        """Begin a file.

        Raises:
            SystemExit: there is one already: an old answer must not pass for a new one.
        """
        if path.exists():
            raise SystemExit(f"expected no results in {path}; try --resume, or another --out")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
        return cls(path, settings)

    @classmethod
    def read(cls, path: Path) -> Results:
        """Return what a file holds; a last line that was cut short is left out."""
        first, *lines = path.read_text().splitlines()
        results = cls(path, json.loads(first))
        for line in lines:
            try:
                what, number, name, answer = json.loads(line)
            except ValueError:
                continue
            results.answers[what, number, name] = answer
        return results

    def keep(self, key: tuple[str, int, str], answer: dict[str, Any]) -> None:
        """Add an answer."""
        self.answers[key] = answer
        with self.path.open("a") as file:
            file.write("\n" + json.dumps([*key, answer]))  # ends a line that was cut short, too

    def rounds(self, what: str, number: str) -> dict[str, Rounds]:
        """Return {who: {round: value}} of one number of the answers; a list's median counts."""
        found: dict[str, dict[int, float]] = {}
        for (kind, round_number, name), answer in sorted(self.answers.items()):
            if kind == what and number in answer:
                found.setdefault(name, {})[round_number] = _middle(answer[number])
        return found

    def phases(self, what: str, name: str) -> dict[str, list[float]]:
        """Return {phase: seconds of each round} of one contender."""
        found: dict[str, list[float]] = {}
        for (kind, _, who), answer in self.answers.items():
            if (kind, who) == (what, name):
                for phase, seconds in answer["seconds"].items():
                    found.setdefault(phase, []).append(seconds)
        return found

    def busiest_frac(self) -> float:
        """Return the largest share of the processors that others used before a process."""
        return max((answer["busy_frac"] for answer in self.answers.values()), default=0.0)


def _middle(value: float | Iterable[float]) -> float:
    if isinstance(value, int | float):
        return float(value)
    ordered = sorted(value)
    return ordered[len(ordered) // 2]
