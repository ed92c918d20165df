"""From stored predictions to verdicts, evidence and advice; nothing is trained again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, recall_score

from lab.fakes import fake_plan, fake_result
from neurovisionlab.core.errors import DataError, StoreError
from neurovisionlab.core.statements import Statement
from neurovisionlab.judge.candidates import Limits
from neurovisionlab.lab.claim_evidence import evidence_of
from neurovisionlab.lab.cost_rows import cost_rows
from neurovisionlab.lab.judgements import Conclusions, advise_run, judge_run
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.exports import write_exports
from neurovisionlab.out.page.report import write_report
from neurovisionlab.out.said import said
from neurovisionlab.out.verdict_paragraphs import paragraphs

SKILL = {"resnet18": 4.0, "mobilenetv2": 2.0, "glyphnet": 0.5}


def words(statements: Iterable[Statement]) -> list[str]:
    return [said(one) for one in statements]


def _store(tmp_path: Path, skip: tuple[str, ...] = (), **study: Any) -> Store:
    fields: dict[str, Any] = {"models": tuple(SKILL), "seeds": (0, 1, 2)}
    plan = fake_plan(**(fields | study))
    store = Store(tmp_path / "run")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            if cell.model not in skip:
                store.put(fake_result(cell, SKILL[cell.model]))
    return store


def test_estimates_are_the_means_of_stored_predictions(tmp_path: Path) -> None:
    store = _store(tmp_path)
    (found,) = judge_run(read(store), ("accuracy",)).datasets
    for one in found.verdicts.estimates:
        cells = [cell for cell in store.plan().cells() if cell.model == one.model]
        told = [store.predictions(cell.cell_id, "test") for cell in cells]
        judge = fmean(accuracy_score(t.labels_N, t.logits_NC.argmax(axis=1)) for t in told)
        assert one.value == pytest.approx(judge)
        assert one.low <= one.value <= one.high
        assert (one.num_seeds, one.num_images) == (3, 12)
    assert [pair.num_pairs for pair in found.verdicts.pairs] == [3, 3, 3]
    assert found.left_out == ()


def test_the_study_says_which_difference_does_not_matter(tmp_path: Path) -> None:
    (found,) = judge_run(read(_store(tmp_path, equivalence_points=49.0)), ("accuracy",)).datasets
    assert {pair.delta for pair in found.verdicts.pairs} == {0.49}
    assert "equivalent" in {pair.kind for pair in found.verdicts.pairs}


def test_what_is_not_finished_or_diverged_is_named_and_left_out(tmp_path: Path) -> None:
    store = _store(tmp_path, skip=("glyphnet",))
    lost = store.plan().cells()[0]
    with store.writing():
        store.put(fake_result(lost, diverged=True))
    (found,) = judge_run(read(store), ("accuracy",)).datasets
    assert {one.model for one in found.verdicts.estimates} == {"resnet18", "mobilenetv2"}
    assert f"{lost.cell_id}: diverged" in words(found.left_out)
    assert sum(line.endswith(": not finished") for line in words(found.left_out)) == 3
    text = "\n".join(
        line for _, _, lines in paragraphs(judge_run(read(store), ("accuracy",))) for line in lines
    )
    assert f"Left out: {lost.cell_id}: diverged." in text


def test_seeds_that_diverged_are_in_the_advice(tmp_path: Path) -> None:
    store = _store(tmp_path, models=("resnet18", "mobilenetv2", "vit-tiny"), skip=("vit-tiny",))
    first, *others = (cell for cell in store.plan().cells() if cell.model == "resnet18")
    idle = [cell for cell in store.plan().cells() if cell.model == "vit-tiny"]
    with store.writing():
        for cell in (first, *idle):
            store.put(fake_result(cell, diverged=True))
    judged = judge_run(read(store), ("accuracy",))
    cases = {advice.case: advice for advice in judged.advice["digits"]}
    best = cases["best accuracy"]
    assert best.choice == "resnet18" and best.caution
    assert said(best.caution) == f"1 of {len(others) + 1} seeds diverged"
    assert "vit-tiny: every seed diverged" in words(best.excluded)
    text = "\n".join(line for _, _, lines in paragraphs(judged) for line in lines)
    assert "best accuracy: resnet18 (1 of 3 seeds diverged)" in text
    assert advise_run(read(store), None, "accuracy") == judged.advice


def test_a_model_near_guessing_is_marked_in_every_place(tmp_path: Path) -> None:
    store = _store(tmp_path)
    with store.writing():
        for cell in store.plan().cells():
            if cell.model == "glyphnet":
                store.put(fake_result(cell, -1.0))
    judged = judge_run(read(store), ("accuracy",))
    (found,) = judged.datasets
    assert found.near_guessing == ("glyphnet",)
    assert found.largest_class_frac == pytest.approx(1 / 3)  # 12 images of 3 classes
    paragraphs_of = {key: lines for key, _, lines in paragraphs(judged)}
    assert "near guessing: glyphnet" in paragraphs_of["short"][0]
    assert any(
        line.startswith("Near guessing: glyphnet (naming the largest class alone has 33.3 %")
        for line in paragraphs_of["quality"]
    )
    for line in paragraphs_of["pairs"]:
        assert line.startswith("glyphnet near guessing. ") == ("glyphnet" in line)
    for advice in judged.advice["digits"]:
        assert advice.choice != "glyphnet"
        assert any(line.startswith("glyphnet: accuracy") for line in words(advice.excluded))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({}, {"vary": {"batch_size": (64, 16)}}, id="vary added"),
        pytest.param({"vary": {"batch_size": (64, 16)}}, {}, id="vary removed"),
        pytest.param(
            {"vary": {"batch_size": (64, 16)}},
            {"vary": {"epochs": (15,), "batch_size": (64,)}},
            id="another vary",
        ),
        pytest.param(
            {"datasets": ("folder:/a/photos",)},
            {"datasets": ("folder:/b/photos",)},
            id="folder moved",
        ),
        pytest.param(
            {"datasets": ("folder:/a/photos",)},
            {"datasets": ("npz:/b/pictures",)},
            id="folder renamed",
        ),
    ],
)
def test_a_study_edited_afterwards_is_judged_under_its_new_names(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any]
) -> None:
    store = _store(tmp_path, **before)
    plan = fake_plan(**({"models": tuple(SKILL), "seeds": (0, 1, 2)} | after))
    with store.writing():
        store.keep_plan(plan)
    cells = plan.cells()
    done = [cell for cell in cells if store.has(cell.cell_id)]
    assert len(done) == 9  # of each model the three seeds that both wordings have
    assert [record.cell for record in store.finished(cells)] == done
    judged = judge_run(read(store))
    (found,) = judged.datasets
    assert found.dataset == plan.study.datasets[0]
    assert {one.model for one in found.verdicts.estimates} == {cell.label for cell in done}
    assert judged.advice.keys() == {found.dataset}
    assert evidence_of(read(store)).measured
    names = {row.label for row in cost_rows(read(store))}
    assert names == {cell.label for cell in cells}


def test_report_and_exports_of_an_edited_study_are_written(tmp_path: Path) -> None:
    store = _store(tmp_path, models=("resnet18",), vary={"batch_size": (64, 16)})
    with store.writing():
        store.keep_plan(fake_plan(models=("resnet18",), seeds=(0, 1, 2)))
    assert "batch_size" not in write_report(store).read_text(encoding="utf-8").split("<h2")[1]
    assert write_exports(store, Conclusions(read(store)))


def test_a_variant_is_a_model_of_its_own(tmp_path: Path) -> None:
    store = _store(tmp_path, models=("resnet18",), vary={"batch_size": (16, 64)})
    (found,) = judge_run(read(store), ("accuracy",)).datasets
    names = [one.model for one in found.verdicts.estimates]
    assert names == ["resnet18 (batch_size=16)", "resnet18 (batch_size=64)"]


def test_several_data_sets_are_summed_up(tmp_path: Path) -> None:
    found = judge_run(read(_store(tmp_path, datasets=("digits", "kmnist"))), ("accuracy",))
    assert [one.dataset for one in found.datasets] == ["digits", "kmnist"]
    assert found.overall is not None
    assert {one.model for one in found.overall.standings} == set(SKILL)
    titles = [title for _, title, _ in paragraphs(found)]
    assert titles[0] == "in short"
    assert titles[-1] == "across data sets"


def test_one_seed_is_about_the_trained_networks_alone(tmp_path: Path) -> None:
    (found,) = judge_run(read(_store(tmp_path, seeds=(0,))), ("accuracy",)).datasets
    assert {one.scope for one in found.verdicts.estimates} == {"these trained networks"}
    assert {pair.about_models for pair in found.verdicts.pairs} == {"cannot tell"}


def test_nothing_finished_and_folds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="expected finished cells, got none"):
        judge_run(read(_store(tmp_path, skip=tuple(SKILL))))
    folds = _store(tmp_path / "folds", split={"folds": 2})
    with pytest.raises(DataError, match="expected one test set for all, got folds"):
        judge_run(read(folds))


def test_a_run_whose_cells_all_diverged_is_not_told_to_run(tmp_path: Path) -> None:
    store = _store(tmp_path, skip=tuple(SKILL))
    with store.writing():
        for cell in store.plan().cells():
            store.put(fake_result(cell, diverged=True))
    with pytest.raises(StoreError, match="did not diverge, got 9 that all diverged; try a lower"):
        judge_run(read(store))


def test_a_cell_without_its_predictions_counts_as_not_done(tmp_path: Path) -> None:
    store = _store(tmp_path)
    lost = store.plan().cells()[0]
    (store.root / "cells" / lost.cell_id / "predictions.npz").unlink()
    told: list[str] = []
    judged = judge_run(read(Store(store.root, told.append)))
    assert len(told) == 1
    assert "predictions.npz" in told[0]
    by_model = {one.model: one.num_seeds for one in judged.datasets[0].verdicts.estimates}
    assert by_model.pop(lost.label) + 1 == next(iter(by_model.values()))


def test_other_test_images_for_one_model_are_refused(tmp_path: Path) -> None:
    store = _store(tmp_path)
    for cell in store.plan().cells():
        if cell.model == "glyphnet":
            path = store.root / "cells" / cell.cell_id / "predictions.npz"
            with np.load(path) as arrays:
                content = dict(arrays)
            content["test_indices"] = content["test_indices"] - 1
            np.savez(path, **content)
    with pytest.raises(DataError, match="expected the test images of resnet18, got others"):
        judge_run(read(store))


def test_one_seed_is_no_evidence_about_models(tmp_path: Path) -> None:
    store = _store(tmp_path, seeds=(0,))
    evidence = evidence_of(read(store))
    assert evidence.gaps == ()
    qualities = [one for one in evidence.measured if one.metric in ("accuracy", "f1")]
    assert qualities
    assert all(one.low is None and one.high is None for one in qualities)
    (best,) = [
        a
        for a in judge_run(read(store), ("accuracy",)).advice["digits"]
        if a.case == "best accuracy"
    ]
    assert best.tie  # nothing separates the models


def test_the_lowest_recall_of_a_class_has_an_interval_for_all_classes(tmp_path: Path) -> None:
    store = _store(tmp_path)
    evidence = evidence_of(read(store))
    for model in SKILL:
        cells = [cell for cell in store.plan().cells() if cell.model == model]
        told = [store.predictions(cell.cell_id, "test") for cell in cells]
        judge = np.mean(
            [recall_score(t.labels_N, t.logits_NC.argmax(axis=1), average=None) for t in told],
            axis=0,
        )
        (lowest,) = [
            one
            for one in evidence.measured
            if (one.model, one.metric) == (model, "lowest_class_recall")
        ]
        assert lowest.value == pytest.approx(100 * judge.min())
        assert lowest.low is not None
        assert lowest.high is not None
        assert lowest.low <= lowest.value <= lowest.high


def test_a_data_set_with_nothing_to_judge_is_named(tmp_path: Path) -> None:
    store = _store(tmp_path, datasets=("digits", "kmnist"))
    for cell in store.plan().cells():
        if cell.data.name == "kmnist":
            store.put(fake_result(cell, diverged=True))
    found = judge_run(read(store), ("accuracy",))
    assert found.left_out == ("kmnist",)
    assert "kmnist: nothing to judge yet." in next(paragraphs(found)).lines


def test_evidence_has_every_quality_with_its_interval_and_sizes(tmp_path: Path) -> None:
    evidence = evidence_of(read(_store(tmp_path)))
    metrics = {(one.model, one.metric) for one in evidence.measured}
    for model in SKILL:
        for metric in ("accuracy", "f1", "recall", "precision", "weights_mib", "num_parameters"):
            assert (model, metric) in metrics
    assert len([gap for gap in evidence.gaps if gap.metric == "accuracy"]) == 3
    assert evidence.device is None  # nothing was measured
    for one in evidence.measured:
        assert one.low is not None
        assert one.high is not None
        assert one.low <= one.value <= one.high


def test_advice_without_limits_has_three_cases_and_with_them_one(tmp_path: Path) -> None:
    store = _store(tmp_path)
    (cases,) = advise_run(read(store), None, "accuracy").values()
    assert [a.case for a in cases] == ["small device", "quick prototyping", "best accuracy"]
    assert cases[-1].choice == "resnet18"
    (within,) = advise_run(read(store), Limits(min_accuracy_frac=1.0), "accuracy").values()
    assert len(within) == 1
    assert within[0].choice in (None, "resnet18")
    assert within[0].excluded
