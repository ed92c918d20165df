"""Mutants of run folders: whoever reads one reads it, or says one clear error."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fuzz.mutations import Rng, clear_errors, mutants, rounds
from fuzz.trees import mutated
from hostile import HOSTILE
from lab.fakes import answered, asked_of_its_own, fake_costs, fake_plan, fake_result
from neurovisionlab.claims.claim_verdicts import judge_claims
from neurovisionlab.cli.app import main
from neurovisionlab.core.costs import cost_spec
from neurovisionlab.core.errors import NvlError
from neurovisionlab.core.records import Failure
from neurovisionlab.data.audit import audit
from neurovisionlab.data.images import ImageSet, Provenance
from neurovisionlab.lab.claim_evidence import evidence_of
from neurovisionlab.lab.cost_rows import cost_rows
from neurovisionlab.lab.evaluation_rows import evaluation_rows
from neurovisionlab.lab.judgements import advise_run, judge_run
from neurovisionlab.lab.named_files import read_publication
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.lab.trust import trusted
from neurovisionlab.out import exports
from neurovisionlab.out.cost_tables import cost_tables
from neurovisionlab.out.data_sets import audit_lines
from neurovisionlab.out.evaluation_tables import evaluation_tables
from neurovisionlab.out.page.compare import compare_runs
from neurovisionlab.out.page.report import write_report
from neurovisionlab.out.tables import result_rows, summary_tables, to_csv
from neurovisionlab.out.verdict_paragraphs import advice_paragraph, paragraphs

pytestmark = pytest.mark.slow
SECONDS = 12
MANY_CELLS = 60  # more are counted, and not drawn
CLASSES = ("class zero", "class one", "class two")


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of a run that has all that a run can have: {path: content}."""
    plan = fake_plan(
        class_names=CLASSES,
        datasets=("digits", "npz:mine"),
        models=("resnet18", "my:net"),
        vary={"learning_rate": [0.001, 0.01]},
        protocol={"epochs": 3},
    )
    root = tmp_path_factory.mktemp("seed") / "run"
    store = Store(root)
    with store.writing():
        store.keep_plan(plan)
        for number, cell in enumerate(plan.cells()[:-1]):
            store.put(fake_result(cell, skill=number % 3, diverged=number == 3))
            store.put_costs(fake_costs(cell, contention=0.2 * (number % 2)))
        for record in store.finished(plan.cells()):
            if record.status == "done":
                store.put_evaluation(answered(asked_of_its_own(record)))
        for _, info in plan.infos:
            found = audit(_images()).changed(digest=info.digest, name=info.name)
            store.put_audit(found)
        last = plan.cells()[-1].cell_id
        store.put_failure(_failure(last))
    store.keep_language("uk")
    paths = [path for path in root.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def _images() -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 1), dtype=np.uint8)
    labels_N = np.arange(12, dtype=np.int64) % 3
    parts = {"train": (0, 8), "test": (8, 12)}
    return ImageSet("digits", pixels, labels_N, CLASSES, parts, Provenance("made up", "none"))


def _failure(cell_id: str) -> Failure:
    return Failure(
        cell_id=cell_id,
        kind="Killed",
        message="by the system",
        traceback="none",
        is_user_error=False,
        failed_at="2026-01-01T00:00:00+00:00",
    )


def _changed_bytes(files: dict[str, bytes], rng: Rng) -> dict[str, bytes]:
    name = rng.choice(list(files))
    (content,) = mutants(files[name], rng, 1, [files["study.json"]])
    return {name: content}


def _changed_values(files: dict[str, bytes], rng: Rng) -> dict[str, bytes]:
    """Return one JSON file with other values in it."""
    name = rng.choice([name for name in files if name.endswith((".json", ".jsonl"))])
    tree = mutated(json.loads(files[name]), rng)
    return {name: json.dumps(tree).encode("utf-8", "surrogatepass")}


def _changed_everywhere(files: dict[str, bytes], rng: Rng) -> dict[str, bytes]:
    """Return all JSON files with one text replaced in all, such as a class's name."""
    words = (
        "digits",
        "npz:mine",
        *CLASSES,
        "made up",
        "resnet18",
        "my:net",
        "train",
        "cpu",
        "an-os",
    )
    old = json.dumps(rng.choice(words))
    new = json.dumps(rng.choice((*HOSTILE, *words, "", "x" * 3_000)))
    texts = {name: content for name, content in files.items() if name.endswith("json")}
    return {name: text.replace(old.encode(), new.encode()) for name, text in texts.items()}


def _exchanged(files: dict[str, bytes], rng: Rng) -> dict[str, bytes]:
    """Return a file with another's content, or none."""
    one, other = rng.choice(list(files)), rng.choice(list(files))
    return {one: rng.choice((files[other], b"", b"null", b"[]", b"{}"))}


_CHANGES = (_changed_bytes, _changed_values, _changed_values, _changed_everywhere, _exchanged)


def _written(root: Path, files: dict[str, bytes]) -> Store:
    shutil.rmtree(root, ignore_errors=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Store(root, lambda line: None)


def _read(store: Store) -> int:
    """Read a run in every cheap way; return how many cells it has."""
    plan = store.plan()
    cells = plan.cells()
    if len(cells) > 20 * MANY_CELLS:
        return len(cells)
    records = store.finished(cells)
    rows = result_rows(cells, records, store.failures())
    to_csv(rows)
    summary_tables(rows)
    costs = cost_rows(read(store))
    cost_tables(read(store))
    exports.latex(records, costs)
    store.language()
    for _, info in plan.infos:
        found = store.audit(info.digest)
        if found is not None:
            audit_lines(found)
    for record in records:
        for part in ("val", "test"):
            if record.status == "done":
                store.predictions(record.cell_id, part)  # type: ignore[arg-type]
        store.has_weights(record.cell_id)
    found = read(store)
    evaluation_tables(evaluation_rows(found, [asked_of_its_own(one) for one in found.records]))
    return len(cells)


def _judged(store: Store) -> None:
    judged = judge_run(read(store))
    for _ in paragraphs(judged):
        pass
    for given in advise_run(read(store), None, "accuracy").values():
        for one in given:
            list(advice_paragraph(one))
    judge_claims(read_publication("tretiakov-2025"), evidence_of(read(store)))
    trusted([cost_spec(cell) for cell in store.plan().cells()], trust=False)


def _drawn(store: Store, rng: Rng) -> None:
    if rng.random() < 0.5:
        write_report(store)
    else:
        compare_runs([read(store), read(store)])


def _rounds(seed: dict[str, bytes], name: str) -> Iterator[tuple[str, Rng, dict[str, bytes]]]:
    for said, rng in rounds(name, SECONDS):
        changes: dict[str, bytes] = {}
        for _ in range(rng.choice((1, 1, 2))):
            changes |= rng.choice(_CHANGES)(seed | changes, rng)
        yield said, rng, changes


def test_changed_runs_are_read_and_judged(tmp_path: Path, seed: dict[str, bytes]) -> None:
    for said, _, changes in _rounds(seed, "runs"):
        store = _written(tmp_path / "run", seed | changes)
        with clear_errors(said, changes):
            num_cells = 0
            num_cells = _read(store)
        if 0 < num_cells <= MANY_CELLS:
            with clear_errors(said, changes):
                _judged(store)


def test_changed_runs_have_pages(tmp_path: Path, seed: dict[str, bytes]) -> None:
    for said, rng, changes in _rounds(seed, "pages of runs"):
        store = _written(tmp_path / "run", seed | changes)
        try:
            is_small = len(store.plan().cells()) <= MANY_CELLS
        except NvlError:
            continue
        if is_small:
            with clear_errors(said, changes):
                _drawn(store, rng)


@pytest.mark.parametrize("words", ["status", "results --json", "verdicts", "advise", "claims"])
def test_commands_read_changed_runs(
    tmp_path: Path,
    seed: dict[str, bytes],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """End with 0 or 2, whatever was changed; a few of each command, as users call them."""
    command, *options = words.split()
    place = ["tretiakov-2025", "--run"] if command == "claims" else []
    for number in range(12):
        rng = Rng(f"{words} {number}")
        changes = rng.choice(_CHANGES)(seed, rng)
        store = _written(tmp_path / "run", seed | changes)
        monkeypatch.setattr("sys.argv", ["nvl", command, *place, str(store.root), *options])
        with pytest.raises(SystemExit) as end:
            main()
        told = capfd.readouterr()
        assert end.value.code in (0, 2), (words, number, told.err)
        assert "Traceback" not in told.err
