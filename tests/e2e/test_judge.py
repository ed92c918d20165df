"""`nvl verdicts`, `nvl claims`, `nvl advise` on a stored run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.conftest import Nvl
from lab.fakes import fake_plan, fake_result
from neurovisionlab.claims.publication import FLAGS
from neurovisionlab.lab.store import Store

ROW_KEYS = ["id", "text", "verdict", "printed", "measured", "low", "high", "reason"]


@pytest.fixture
def run(tmp_path: Path) -> str:
    """Return the folder of a finished run of two models."""
    plan = fake_plan(
        datasets=("emnist-letters",), models=("resnet18", "mobilenetv2"), seeds=(0, 1, 2)
    )
    store = Store(tmp_path / "judged")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            store.put(fake_result(cell, 4.0 if cell.model == "resnet18" else 1.0))
    return str(store.root)


def test_verdicts(nvl_here: Nvl, run: str) -> None:
    text = nvl_here("verdicts", run).out
    assert "emnist-letters: which is better?" in text
    assert "95 % interval" in text
    told = json.loads(nvl_here("verdicts", run, "--json").out)
    (data,) = told["datasets"]
    assert {pair["metric"] for pair in data["verdicts"]["pairs"]} >= {"accuracy", "macro_f1", "nll"}


def test_claims_of_the_text_alone_name_the_published_errors(nvl_here: Nvl) -> None:
    rows = json.loads(nvl_here("claims", "tretiakov-2025", "--json").out)
    assert [list(row) for row in rows] == [ROW_KEYS] * len(rows)
    flagged = {row["id"] for row in rows if row["verdict"] in FLAGS}
    assert {"3", "5b", "5c", "best-known:EMNIST"} <= flagged  # items 7 and 1, and two ranges
    assert any(name.startswith("inputs:SVHN-KMNIST") for name in flagged)  # item 2
    assert any(name.startswith("offset:KMNIST-EMNIST") for name in flagged)  # item 8
    assert not {"1b", "2", "4b", "4c"} & flagged
    last = nvl_here("claims", "tretiakov-2025").out.splitlines()[-1]
    assert last.startswith(f"{len(flagged)} of {len(rows)}: ")


def test_claims_against_a_run_under_another_protocol(nvl_here: Nvl, run: str) -> None:
    rows = json.loads(nvl_here("claims", "tretiakov-2025", "--run", run, "--json").out)
    verdicts = {row["id"]: row["verdict"] for row in rows}
    assert set(verdicts.values()) <= {"supported", "refuted", "cannot tell", "not comparable"}
    assert verdicts["1b"] == "not comparable"  # other data, size, epochs, weights
    assert verdicts["4a"] == "cannot tell"  # nothing was measured
    assert verdicts["7c"] == "cannot tell"  # both were made up equally large
    reason = {row["id"]: row["reason"] for row in rows}["1b"]
    assert "data emnist-letters for emnist-balanced" in reason


def test_advice(nvl_here: Nvl, run: str) -> None:
    told = json.loads(nvl_here("advise", run, "--json").out)
    assert [list(row) for row in told["emnist-letters"]] == [
        ["case", "choice", "reasons", "excluded", "tie", "caution"]
    ] * 3
    limited = nvl_here("advise", run, "--limit", "size_mib=0.1", "--prefer", "size")
    assert "over the limit of 0.1 MiB" in limited.out
    assert "no model" in limited.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verdicts", "nowhere"], "expected a run (study.json), got none"),
        (["claims", "tretiakov"], "got 'tretiakov'; try tretiakov-2025"),
        (["advise", "RUN", "--limit", "size=5"], "got 'size=5'; try size_mib=5"),
        (["advise", "RUN", "--limit", "size_mib=many"], "a number above 0, got 'many'"),
        (
            ["advise", "RUN", "--limit", "min_accuracy=101"],
            "a number above 0, at most 100, got '101'",
        ),
        (["advise", "RUN", "--prefer", "beauty"], "expected a known preference, got 'beauty'"),
    ],
)
def test_mistakes_are_one_line(nvl_here: Nvl, run: str, words: list[str], said: str) -> None:
    answer = nvl_here(*(run if word == "RUN" else word for word in words))
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err
