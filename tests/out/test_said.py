"""Statements in words: all have them, in every language, and none is made where it is concluded."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

import neurovisionlab
from lab.fakes import fake_plan, fake_result
from neurovisionlab.claims.publication import METRICS
from neurovisionlab.core.statements import Notes, Statement, state
from neurovisionlab.judge.advice import COSTS
from neurovisionlab.lab.judgements import judge_run
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.language import voice_of
from neurovisionlab.out.said import FORMS, WORDS, json_of, note_text, said, text_of
from neurovisionlab.out.speech import speaking

ROOT = Path(neurovisionlab.__file__).parent


def _keys() -> Iterator[str]:
    """Yield every key that code states, with `*` for a part that is computed."""
    for file in (
        f
        for room in ("judge", "claims", "lab", "learn", "data")
        for f in (ROOT / room).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", "*") for part in node.values)
                text = "".join(part if isinstance(part, str) else "*" for part in parts)
            else:
                text = str(getattr(node, "value", "")) if isinstance(node, ast.Constant) else ""
            if re.fullmatch(r"(advice|claims|cells|costs|data|evaluations)\.[a-z_.*]+[a-z*]", text):
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


def test_what_was_kept_in_english_is_said_in_the_spoken_language() -> None:
    kept = state("data.no_pictures", count=2, names=("a.txt", "b.txt"))
    limit = state("costs.needs_more", limit_mib=8192.4)
    english = [note_text(kept), note_text(limit)]
    assert english == [
        "not used, files that are no pictures: 2 (a.txt, b.txt)",
        "needs more than 8,192 MiB",
    ]
    with speaking(voice_of("uk")):
        assert note_text(english[0]) == note_text(kept) != english[0]
        assert note_text(english[1]) == "потребує понад 8,192 МіБ"
        assert note_text("no sentence of ours") == "no sentence of ours"


@pytest.mark.parametrize("text", ["a: b of c" * 10_000, "{" * 90_000, "x (" * 30_000 + ")"])
def test_long_texts_of_strangers_are_matched_with_nothing(text: str) -> None:
    with speaking(voice_of("uk")):
        assert note_text(text) == text  # matching the first would take a day


def test_only_what_was_kept_in_english_is_read_back() -> None:
    remark = note_text(state("data.large_subset", setting="a", asked=2, dataset="b", num_images=1))
    with speaking(voice_of("uk")):
        assert note_text(remark) == remark
        assert (
            note_text("not measurable: the model did not fit")
            != "not measurable: the model did not fit"
        )


@pytest.mark.parametrize(
    ("forged", "shown"),
    [
        (state("data.of_tomorrow", count=2), "data.of_tomorrow: count 2"),
        (state("data.no_pictures", number=2), "data.no_pictures: number 2"),
        (state("costs.noisy", part="speed", spread="x"), "costs.noisy: part speed, spread x"),
        (
            state("data.deep", top=state("x", of=("a", 1)), count=1),
            "data.deep: top x: of a, 1, count 1",
        ),
        (state("data.pixel_value", value="x"), "data.pixel_value: value x"),
    ],
)
def test_a_note_without_words_is_shown_as_it_is(forged: Statement, shown: str) -> None:
    assert note_text(forged) == shown


def test_what_nobody_states_is_not_read() -> None:
    notes = TypeAdapter(Notes)
    deep = state("x", of=1)
    for _ in range(9):
        deep = state("x", of=deep)
    large = (state("x", of="y" * 100_001), state("x", of=10**200), state("x", of=("y",) * 101))
    for note in (deep, *large, "y" * 100_001):
        with pytest.raises(ValidationError):
            notes.validate_json(json.dumps([note if isinstance(note, str) else note.model_dump()]))


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
