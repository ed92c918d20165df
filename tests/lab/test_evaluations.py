"""Evaluations lie beside cells: kept whole or not at all, asked once, shown with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.fakes import answered, fake_plan, fake_result
from neurovisionlab.core.errors import DataError, ModelError, StoreError
from neurovisionlab.core.evaluations import (
    EvaluationResult,
    EvaluationSpec,
    Question,
)
from neurovisionlab.core.predictions import CellResult
from neurovisionlab.core.records import Preprocessing
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.sources import describe, load
from neurovisionlab.judge.stats import share_interval
from neurovisionlab.lab.ask_models import Ask, asked_of, evaluations
from neurovisionlab.lab.evaluation_rows import evaluation_rows
from neurovisionlab.lab.executors import execute_here
from neurovisionlab.lab.folder import RunFolder
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.learn.evaluate import asked_indices

PREPROCESSING = Preprocessing(image_px=16, channels=1, mean=(0.5,), std=(0.25,))


def _result(cell: Any, **changed: Any) -> CellResult:
    made = fake_result(cell)
    record = made.record.changed(**({"preprocessing": PREPROCESSING} | changed))
    return CellResult(record, made.split, made.predictions, made.weights)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a run of two models and two seeds on the digits, all of it finished."""
    monkeypatch.setenv("NVL_CACHE", str(tmp_path / "cache"))
    plan = fake_plan(models=("resnet18", "vit-tiny"), seeds=(0, 1))
    made = Store(tmp_path / "run")
    with made.writing():
        made.keep_plan(plan)
        for cell in plan.cells():
            made.put(_result(cell))
    return made


def _ask(tmp_path: Path, class_names: str = "abc", trust: bool = False) -> Ask:
    """Return a question about 60 images that nobody has seen, of classes of these names."""
    folder = tmp_path / f"set-{class_names}"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for part, num in (("train", 12), ("test", 48)):
        np.savez(
            folder / f"{part}.npz",
            images=rng.integers(0, 256, (num, 8, 8), dtype=np.uint8),
            labels=np.arange(num) % len(class_names),
            class_names=np.array(list(class_names)),
        )
    return Ask(f"npz:{folder}", None, DataHome(tmp_path, tmp_path / "cache"), trust)


def _work(question: Question, _: Any) -> EvaluationResult:
    return answered(question.spec)


def test_each_cell_is_asked_once_and_its_answers_are_kept(store: Store, tmp_path: Path) -> None:
    asked, told = asked_of(read(store), store, _ask(tmp_path)), []

    def work(question: Question, _: Any) -> EvaluationResult:
        told.append(question.record.cell_id)
        assert question.weights == store.weights(question.record.cell_id)
        return answered(question.spec)

    with store.writing():
        first = list(evaluations(asked, store, work, execute_here))
        again = list(evaluations(asked, Store(store.root), work, execute_here))
    assert len(told) == len(first) == 4
    assert again == first
    kept = read(Store(store.root)).evaluations(list(asked.specs.values()))
    assert [one.evaluation for one in kept] == first
    np.testing.assert_array_equal(kept[0].predictions.indices_N, np.arange(40))


def test_rows_have_the_accuracy_and_its_interval(store: Store, tmp_path: Path) -> None:
    asked = asked_of(read(store), store, _ask(tmp_path))
    shares = iter((0.7, 0.2, 0.8, 0.3))  # both models with a seed, then with the other
    with store.writing():
        list(evaluations(asked, store, lambda q, _: answered(q.spec, next(shares)), execute_here))
    first, second = evaluation_rows(read(store), list(asked.specs.values()))
    assert (first.model, second.model) == ("resnet18", "vit-tiny")
    assert first.accuracy_frac == pytest.approx(0.75)
    assert (first.num_networks, first.num_images, first.num_left_out) == (2, 40, 2)
    right_SN = np.array([[1] * 28 + [0] * 12, [1] * 32 + [0] * 8], float)
    low, high = share_interval(right_SN > 0)
    assert (first.low_frac, first.high_frac) == pytest.approx((low, high))
    records = [one for one in read(store).records if one.cell.model == "resnet18"]
    own = np.mean([one.test_scores.accuracy_frac for one in records if one.test_scores])
    assert first.own_test_frac == pytest.approx(own)
    assert evaluation_rows(read(store), []) == ()


def test_the_identity_follows_cell_images_and_part_and_no_name(store: Store) -> None:
    cell, other = (record.cell_id for record in read(store).records[:2])
    info = read(store).plan.infos[0][1]
    spec = EvaluationSpec(cell_id=cell, trained_at="2026-01-01T00:00:00+00:00", data=info)
    renamed = spec.changed(data=info.changed(name="elsewhere", notes=("x",)))
    assert renamed.key == spec.key
    assert renamed.evaluation_id != spec.evaluation_id
    unlike = [
        spec.changed(cell_id=other),
        spec.changed(data=info.changed(digest="1" * 64)),
        spec.changed(part="all"),
        spec.changed(trained_at="2026-01-02T00:00:00+00:00"),
    ]
    assert len({one.key for one in (spec, *unlike)}) == 5


def test_cells_that_cannot_be_asked_are_left_out_and_it_is_said_why(
    store: Store, tmp_path: Path
) -> None:
    first, second, third, _ = read(store).records
    with store.writing():
        store.drop_weights(first.cell_id)
        store.put(_result(second.cell, preprocessing=None))
        store.put(fake_result(third.cell, diverged=True))
    asked = asked_of(read(store), store, _ask(tmp_path))
    assert len(asked.specs) == 1
    assert {one.key for one in asked.left_out} == {
        "evaluations.no_weights",
        "evaluations.of_earlier_version",
        "evaluations.diverged",
    }


def test_a_run_of_which_no_cell_can_be_asked_is_an_error(store: Store, tmp_path: Path) -> None:
    with store.writing():
        for record in read(store).records:
            store.drop_weights(record.cell_id)
    with pytest.raises(StoreError, match="got cells without weights; try"):
        asked_of(read(store), store, _ask(tmp_path))


def test_a_set_without_a_common_label_is_an_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="class names: expected a class of a, b, c, got x, y"):
        asked_of(read(store), store, _ask(tmp_path, "xy"))


def test_one_model_that_fails_does_not_keep_the_others_from_answering(
    store: Store, tmp_path: Path
) -> None:
    asked = asked_of(read(store), store, _ask(tmp_path))

    def work(question: Question, _: Any) -> EvaluationResult:
        if question.record.cell.seed == 1:
            raise ModelError("expected a model, got none; try another")
        return answered(question.spec)

    with store.writing():
        ended = list(evaluations(asked, store, work, execute_here))
    assert [isinstance(one, ModelError) for one in ended] == [False, False, True, True]
    assert len(read(store).evaluations(list(asked.specs.values()))) == 2


def test_code_of_a_strangers_run_is_asked_only_where_it_is_trusted(tmp_path: Path) -> None:
    plan = fake_plan(models=("their_nets:net",), seeds=(0,))
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
        store.put(_result(plan.cells()[0]))
    with pytest.raises(ModelError, match="code that the run names, which is not imported"):
        asked_of(read(store), store, _ask(tmp_path))
    with pytest.raises(ModelError, match="expected a module their_nets"):
        asked_of(read(store), store, _ask(tmp_path, trust=True))


@pytest.mark.parametrize("damage", ["record", "predictions", "name", "labels", "indices", "cut"])
def test_what_is_damaged_counts_as_absent_and_is_asked_again(
    store: Store, tmp_path: Path, damage: str
) -> None:
    asked = asked_of(read(store), store, _ask(tmp_path))
    with store.writing():
        list(evaluations(asked, store, lambda q, _: answered(q.spec), execute_here))
    folder = sorted((store.root / "evaluations").iterdir())[0]
    arrays = dict(np.load(folder / "predictions.npz"))
    if damage == "record":
        (folder / "record.json").write_text("{}")
    elif damage == "predictions":
        (folder / "predictions.npz").unlink()
    elif damage == "name":
        folder.rename(folder.with_name("other-name"))
    elif damage == "cut":
        content = (folder / "predictions.npz").read_bytes()
        (folder / "predictions.npz").write_bytes(content[:-50])
    else:
        arrays[f"asked_{damage}"] = arrays[f"asked_{damage}"] + 10**6
        np.savez(folder / "predictions.npz", **arrays)
    said: list[str] = []
    again = Store(store.root, said.append)
    specs = list(asked.specs.values())
    assert len(read(again).evaluations(specs)) == 3
    assert (len(said) == 1) == (damage not in ("predictions", "name"))
    told = []
    with again.writing():
        for _ in evaluations(
            asked, again, lambda q, _: told.append(q) or answered(q.spec), execute_here
        ):
            pass
    assert len(told) == 1
    assert len(read(Store(store.root, said.append)).evaluations(specs)) == 4


def test_a_set_under_another_name_is_not_asked_again(store: Store, tmp_path: Path) -> None:
    ask = _ask(tmp_path)
    with store.writing():
        list(evaluations(asked_of(read(store), store, ask), store, _work, execute_here))
        (tmp_path / "set-abc").rename(tmp_path / "renamed")
        renamed = Ask(f"npz:{tmp_path / 'renamed'}", None, ask.home)
        asked = asked_of(read(store), store, renamed)
        found = list(evaluations(asked, store, None, lambda cells, _: iter(())))
    assert len(found) == 4
    assert len(evaluation_rows(read(store), list(asked.specs.values()))) == 2
    assert len(list((store.root / "evaluations").iterdir())) == 4


def test_others_answers_are_not_even_opened(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asked_of(read(store), store, _ask(tmp_path))
    with store.writing():
        list(evaluations(asked, store, _work, execute_here))
    opened: list[tuple[str, ...]] = []
    real = RunFolder.opened
    monkeypatch.setattr(
        RunFolder, "opened", lambda self, *pieces: opened.append(pieces) or real(self, *pieces)
    )
    one = next(iter(asked.specs.values()))
    assert len(Store(store.root).evaluations([one])) == 1
    assert {pieces[1] for pieces in opened} == {one.evaluation_id}


def test_links_in_the_folder_are_not_followed(store: Store, tmp_path: Path) -> None:
    asked = asked_of(read(store), store, _ask(tmp_path))
    with store.writing():
        list(evaluations(asked, store, lambda q, _: answered(q.spec), execute_here))
    inside = store.root / "evaluations"
    inside.rename(tmp_path / "elsewhere")
    inside.symlink_to(tmp_path / "elsewhere")
    specs = list(asked.specs.values())
    assert read(Store(store.root, lambda _: None)).evaluations(specs) == ()
    silent = Store(store.root, lambda _: None)
    with silent.writing(), pytest.raises(StoreError):
        list(evaluations(asked, silent, lambda q, _: answered(q.spec), execute_here))


def test_a_part_is_the_sets_own_and_all_is_every_image(tmp_path: Path) -> None:
    home = DataHome(tmp_path, tmp_path / "cache")
    images = load(DataRef(name="digits"), home)
    info = describe(DataRef(name="digits"), home)
    assert len(asked_indices(images, "all")) == sum(info.num_images.values())
    assert len(asked_indices(images, "train")) == info.num_images["train"]
