"""Studies that say other things than their cells: read, or refused in one clear error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.fakes import fake_costs, fake_plan, fake_result
from neurovisionlab.core.errors import NvlError
from neurovisionlab.lab.claim_evidence import evidence_of
from neurovisionlab.lab.judgements import Conclusions, judge_run
from neurovisionlab.lab.results import Results, read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.page.album import Albums
from neurovisionlab.out.page.report import render


def _info(document: Any, **fields: Any) -> None:
    document["infos"][0][1] |= fields


def _second_set(document: Any) -> None:
    ref, info = json.loads(json.dumps(document["infos"][0]))
    document["study"]["datasets"].append("x")
    document["infos"].append([ref | {"name": "x"}, info])


def _no_infos(document: Any) -> None:
    document["infos"] = []


def _too_many_cells(document: Any) -> None:
    values = [1e-6 * n for n in range(1, 301)]
    document["study"]["vary"] = {"learning_rate": values, "weight_decay": values}
    document["study"]["seeds"] = [0, 1]


CHANGES: dict[str, Callable[[Any], None]] = {
    "fewer classes": lambda document: _info(document, class_names=["a", "b"]),
    "more classes": lambda document: _info(document, class_names=["a", "b", "c", "d"]),
    "fewer images": lambda document: _info(document, num_images={"train": 1}),
    "no images": lambda document: _info(document, num_images={}),
    "other channels": lambda document: _info(document, channels=3),
    "no square": lambda document: _info(document, height_px=9),
    "another name": lambda document: _info(document, name="other"),
    "one name twice": _second_set,
    "nothing known of the data": _no_infos,
    "too many cells": _too_many_cells,
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_study_beside_its_cells(tmp_path: Path, how: str) -> None:
    plan = fake_plan()
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            store.put(fake_result(cell))
            store.put_costs(fake_costs(cell))
    for path in (store.root / "study.json", *(store.root / "studies").iterdir()):
        document = json.loads(path.read_text())
        CHANGES[how](document)
        path.write_text(json.dumps(document))
    num_read = 0
    looks: tuple[Callable[[Results], object], ...] = (
        lambda results: results.records,
        judge_run,
        evidence_of,
        lambda results: render(Conclusions(results), Albums(store, results.plan.infos)),
    )
    for look in looks:
        try:
            look(read(Store(store.root, lambda line: None)))
            num_read += 1
        except NvlError as error:
            assert "expected" in str(error)
    unreadable = ("nothing known of the data", "no square", "too many cells")
    assert (num_read == 0) == (how in unreadable)
