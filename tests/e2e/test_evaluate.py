"""`nvl evaluate`: a run's models on other images, and on their own ones again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from e2e.conftest import Nvl
from neurovisionlab import api
from neurovisionlab.core.evaluations import Evaluation
from neurovisionlab.lab.store import Store

STUDY = """\
name = "bars"
datasets = ["npz:{data}"]
models = ["glyphnet-small"]
seeds = [0, 1]
[protocol]
epochs = 6
batch_size = 8
learning_rate = 0.003
scaling = "standardize"
keep_weights = "all"
"""
NAMES = ("top", "middle", "bottom")


def _bars(folder: Path, names: tuple[str, ...], side: int, colour: bool = False) -> Path:
    """Write images of a bar at one of three heights, of any size, grey or coloured."""
    rng, third = np.random.default_rng(side), side // 3
    folder.mkdir()
    for part, per_class in (("train", 24), ("test", 8)):
        labels_N = np.repeat(np.arange(len(names)), per_class)
        images_NHW = rng.integers(0, 60, (len(labels_N), side, side), dtype=np.uint8)
        for image, label in zip(images_NHW, labels_N, strict=True):
            at = NAMES.index(names[label]) if names[label] in NAMES else 0
            image[at * third : (at + 1) * third - 1] += 180
        images = np.repeat(images_NHW[..., None], 3, axis=3) if colour else images_NHW
        np.savez(folder / f"{part}.npz", images=images, labels=labels_N, class_names=names)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of a small network on bars, two seeds, with all weights."""
    folder = tmp_path_factory.mktemp("evaluate")
    data = _bars(folder / "data", NAMES, 12)
    (folder / "study.toml").write_text(STUDY.format(data=data))
    prepared = api.prepare(api.load_study(str(folder / "study.toml")), out_dir=folder / "run")
    list(prepared.events())
    assert len(prepared.records()) == 2
    return folder / "run"


def test_a_models_own_test_images_are_answered_as_before(run: Path, nvl_here: Nvl) -> None:
    data = run.parent / "data"
    told = nvl_here("evaluate", str(run), "--on", f"npz:{data}", "--json")
    assert told.code == 0, told.err
    (row,) = json.loads(told.out)
    assert (row["part"], row["num_networks"], row["num_images"]) == ("test", 2, 24)
    assert row["accuracy_frac"] == row["own_test_frac"] > 0.9
    assert row["low_frac"] < row["accuracy_frac"] <= row["high_frac"]
    store = Store(run)
    for place in (run / "evaluations").glob("*-test-*"):
        spec = Evaluation.model_validate_json((place / "record.json").read_text()).spec
        (kept,) = store.evaluations([spec])
        own = store.predictions(spec.cell_id, "test")
        np.testing.assert_array_equal(kept.predictions.logits_NC, own.logits_NC)
        np.testing.assert_array_equal(kept.predictions.indices_N, own.indices_N)


def test_other_sizes_colours_and_labels_are_matched_and_said(
    run: Path, tmp_path: Path, nvl_here: Nvl
) -> None:
    other = _bars(tmp_path / "other", ("bottom", "elsewhere", "top"), 30, colour=True)
    told = nvl_here("evaluate", str(run), "--on", f"npz:{other}", "--part", "all")
    assert told.code == 0, told.err
    said = " ".join(told.out.split())
    assert "2 labels are shared, of 3 in the set and 3 that the models know" in said
    assert "images of 30×30 px resized to 12 px" in said
    assert "colour images made grey" in said
    assert "32 images are left out: the models do not know their labels" in said
    again = api.evaluate(run, f"npz:{other}", "all")
    (row,) = again.rows
    assert (row.num_images, row.num_left_out) == (64, 32)
    assert row.accuracy_frac > 0.9
    assert "other" in again._repr_html_()
    assert "<table>" in again._repr_html_()


def test_images_that_trained_the_models_are_said_to_be_no_test(run: Path, nvl_here: Nvl) -> None:
    data = f"npz:{run.parent / 'data'}"
    for words, is_said in ((("--part", "all"), True), (("--part", "train"), True), ((), False)):
        told = nvl_here("evaluate", str(run), "--on", data, *words)
        assert told.code == 0
        assert ("some of these images trained the models" in told.out) == is_said


def test_what_was_asked_is_not_asked_again(
    run: Path, nvl_here: Nvl, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = f"npz:{run.parent / 'data'}"
    first = nvl_here("evaluate", str(run), "--on", data, "--json")
    monkeypatch.setattr(Store, "weights", None)  # whoever asks a model needs them
    again = nvl_here("evaluate", str(run), "--on", data, "--json")
    assert (again.code, again.out) == (first.code, first.out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--on", "digits"], "class names: expected a class of top, middle, bottom, got 0, 1"),
        (["--on", "digit"], "try digits"),
        (["--on", "npz:nowhere"], "nowhere"),
        (["--on", "digits", "--part", "tets"], "expected one of train, val, test, all"),
        (["--on", "DATA", "--part", "val"], "expected images of"),
    ],
)
def test_mistakes_are_one_error(run: Path, nvl_here: Nvl, words: list[str], said: str) -> None:
    given = [f"npz:{run.parent / 'data'}" if word == "DATA" else word for word in words]
    told = nvl_here("evaluate", str(run), *given)
    assert told.code == 2
    assert said in told.err
    assert "Traceback" not in told.err


def test_a_run_without_weights_says_what_is_missing(
    run: Path, tmp_path: Path, nvl_here: Nvl
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(run, bare)
    shutil.rmtree(bare / "evaluations", ignore_errors=True)
    for file in bare.glob("cells/*/weights.safetensors"):
        file.unlink()
    told = nvl_here("evaluate", str(bare), "--on", f"npz:{run.parent / 'data'}")
    assert told.code == 2
    assert "got cells without weights" in told.err
    for file in bare.glob("cells/*/record.json"):  # as 0.1 wrote it
        record = json.loads(file.read_text())
        del record["preprocessing"]
        file.write_text(json.dumps(record))
    told = nvl_here("evaluate", str(bare), "--on", f"npz:{run.parent / 'data'}")
    assert "got cells of a version that kept too little" in told.err
