"""Statements in words: all have them, in every language, and none is made where it is concluded."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import neurovisionlab
from lab.fakes import fake_plan, fake_result
from neurovisionlab.claims.publication import METRICS
from neurovisionlab.core.speech import speaking
from neurovisionlab.core.statements import Statement, state
from neurovisionlab.judge.advice import COSTS
from neurovisionlab.lab.judge import judge_run
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.language import voice_of
from neurovisionlab.out.said import FORMS, WORDS, json_of, said, text_of

ROOT = Path(neurovisionlab.__file__).parent


def _keys() -> Iterator[str]:
    """Yield every key that code states, with `*` for a part that is computed."""
    for file in (f for room in ("judge", "claims", "lab") for f in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", "*") for part in node.values)
                text = "".join(part if isinstance(part, str) else "*" for part in parts)
            else:
                text = str(getattr(node, "value", "")) if isinstance(node, ast.Constant) else ""
            if re.fullmatch(r"(advice|claims|cells)\.[a-z_.*]+[a-z*]", text):
                yield text


def test_every_key_has_words() -> None:
    keys = set(_keys())
    whole = {key for key in keys if "*" not in key and not key.endswith(".")}
    assert len(whole) > 60
    assert not [key for key in whole if key not in WORDS and key not in FORMS]
    starts = {key.partition("*")[0] for key in keys if "*" in key}
    assert all(any(known.startswith(start) for known in WORDS) for start in starts)
    assert {f"advice.names.{cost}" for cost in COSTS} <= WORDS.keys()
    assert {f"advice.units.{cost}" for cost in COSTS} <= WORDS.keys()
    assert {f"advice.least.{cost}" for cost in COSTS} <= WORDS.keys()
    assert {f"claims.names.{metric}" for metric in METRICS} <= WORDS.keys()
    units = {facts.unit for facts in METRICS.values() if facts.depends == "cost"}
    assert {f"claims.units.{unit}" for unit in units} <= WORDS.keys()


def test_no_words_are_left_that_nobody_says() -> None:
    keys = set(_keys())
    starts = tuple(key.partition("*")[0] for key in keys if "*" in key)
    said_by_forms = {"claims.comma"}
    unused = {key for key in WORDS if key not in keys and not key.startswith(starts)}
    assert unused - said_by_forms - {k for k in WORDS if k.startswith("claims.verdicts.")} == set()


def test_names_numbers_and_parts_are_filled_in() -> None:
    amount = state("advice.amount", value=1234.5, unit=state("advice.units.size_mib"))
    assert said(amount) == "1,234 MiB"
    limit = state("advice.over_limit", model="a", name="n", value=amount, limit=amount)
    assert said(limit) == "a: n 1,234 MiB is over the limit of 1,234 MiB"
    assert text_of(("a", amount)) == "a, 1,234 MiB"
    with speaking(voice_of("uk")):
        assert "1 234" in said(amount).replace("\u00a0", " ").replace("\u202f", " ")
    with pytest.raises(KeyError):
        said(state("advice.nonsense"))


def test_a_statement_is_kept_as_json_and_comes_back() -> None:
    whole = state("claims.and", parts=(state("claims.number", value=0.1), "x", 3, None))
    assert Statement.model_validate_json(whole.model_dump_json()) == whole
    assert len({whole, state("claims.and", parts=())}) == 2


def test_conclusions_are_the_same_in_every_language(tmp_path: Path) -> None:
    plan = fake_plan(models=("resnet18", "glyphnet"), seeds=(0, 1))
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells()[1:]:
            store.put(fake_result(cell, 2.0))
    english = judge_run(read(store))
    with speaking(voice_of("uk")):
        assert judge_run(read(store)) == english
        ukrainian = json_of(english)
    assert json.loads(json.dumps(json_of(english))) != ukrainian
    reasons = ukrainian["advice"]["digits"][0]["reasons"]
    assert reasons and all(any("а" <= letter <= "я" for letter in one) for one in reasons)
