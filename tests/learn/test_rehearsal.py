"""Whatever a cell will do is done once before it trains, and leaves no trace."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lab.fakes import tiny_cells
from learn import odd_models
from neurovisionlab.core.errors import ModelError, ResourceError, SpecError
from neurovisionlab.core.predictions import CellResult
from neurovisionlab.core.records import EpochRow
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.home import DataHome
from neurovisionlab.learn import rehearsal, run
from neurovisionlab.learn.named_models import source_of
from neurovisionlab.learn.run import run_cell


def own(name: str) -> str:
    """Return the name in a study of one of the odd models."""
    return f"learn.odd_models:{name}"


def _run(folder: Path, model: str, **protocol: Any) -> CellResult:
    settings = {"keep_weights": "all", "epochs": 2, "batch_size": 16} | protocol
    cell, home = _cell(folder, model, **settings)
    return run_cell(cell, lambda _: None, home)


def _cell(folder: Path, model: str, **protocol: Any) -> tuple[CellSpec, DataHome]:
    (cell,), home = tiny_cells(folder, (model,), **protocol)
    return cell.changed(model_digest=source_of(model).digest()), home


def _never_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: Any) -> None:
        raise AssertionError("it was trained")

    monkeypatch.setattr(run, "fit", fit)


FAILING = {
    # model: (settings, what is said)
    own("tuple"): ({}, r"logits \[16, 3\], got a tuple of 2; try to return logits alone"),
    own("dict"): ({}, r"logits \[16, 3\], got a dict; try"),
    own("wide"): ({}, r"logits \[16, 3\], got \[16, 6\]; try a last layer"),
    own("whole"): ({}, r"got torch.int64; try floating-point logits"),
    own("detached"): ({}, r"got numbers without a gradient; try no detach\(\)"),
    own("makes"): ({}, r"got late.weight, made by forward: it would never be trained"),
    own("raises"): ({}, r"answer to 24 images: expected no error, got ValueError: too many"),
    own("sharesinference"): ({}, r"a training step of .* got RuntimeError: Inference tensors"),
    own("frozen"): ({}, r"parameters to train, got none: all 6 are frozen; try requires_grad_"),
    own("without"): ({}, r"parameters to train, got a model without any"),
    own("complex"): ({}, r"real parameters, got turn of torch.complex64; try two parameters"),
    own("extra"): ({}, r'_extra_state, part of .*got a dict; try .*keep_weights = "none"'),
    own("quantised"): ({}, r"sparse, part of the state of Quantised: .* torch.sparse_coo"),
    own("onlygets"): ({}, r"_extra_state, which it lacks; try .* set_extra_state"),
    "mobilenetv2": ({"batch_size": 1}, r"several images .* got one; try protocol.batch_size = 2"),
}


@pytest.mark.parametrize("model", FAILING)
def test_what_would_fail_after_training_fails_before_it(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    _never_trains(monkeypatch)
    settings, said = FAILING[model]
    with pytest.raises(ModelError, match=said) as caught:
        _run(tiny_npz, model, **settings)
    text = str(caught.value)
    assert model in text or "part of the state" in text or "set_extra_state" in text
    assert text.count("; try ") == 1 and "\n" not in text


def test_a_remedy_that_is_named_helps(tiny_npz: Path) -> None:
    assert _run(tiny_npz, "mobilenetv2", batch_size=2, epochs=1).record.status == "done"
    for name in ("extra", "quantised", "onlygets"):
        assert _run(tiny_npz, own(name), keep_weights="none").weights is None


def test_a_batch_of_one_in_evaluation_is_tried(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _never_trains(monkeypatch)
    with np.load(tiny_npz / "test.npz") as arrays:
        images, labels = arrays["images"], arrays["labels"]
    many = np.arange(257) % 24  # a batch of 256, and one of a single image
    np.savez(tiny_npz / "test.npz", images=images[many], labels=labels[many])
    cell, home = _cell(tiny_npz, own("squeezed"))
    with pytest.raises(ModelError, match=r"answer to 1 images: expected \[1, 3\], got \[3\]"):
        run_cell(cell, lambda _: None, home)


def test_exhausted_memory_is_said_before_training(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _never_trains(monkeypatch)

    def exhausted(*_: Any) -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(rehearsal, "run_epoch", exhausted)
    with pytest.raises(ResourceError, match=r"does not fit: needs more than .*batch_size"):
        _run(tiny_npz, "vit-tiny")


def test_a_record_that_could_not_be_read_again_is_refused_before_training(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _never_trains(monkeypatch)
    (cell,), home = tiny_cells(tiny_npz, ("glyphnet-small",))
    tiny = cell.model_copy(update={"protocol": cell.protocol.model_copy(update={"image_px": 6})})
    with pytest.raises(
        SpecError, match=r"a cell.protocol.image_px.* that can be read again, got 6"
    ):
        run_cell(tiny, lambda _: None, home)
    torn = cell.model_copy(update={"variant": "\ud800"})
    with pytest.raises(SpecError, match="a record that can be written"):
        run_cell(torn, lambda _: None, home)


def _next_numbers() -> tuple[float, ...]:
    return torch.rand(1).item(), np.random.rand(), random.random()  # noqa: NPY002


def _numbers(result: CellResult) -> list[tuple[float | None, ...]]:
    return [(row.train_loss, row.val_loss, row.learning_rate) for row in result.record.epochs]


ALIKE = [
    ("vit-tiny", {"optimizer": "adamw", "learning_rate": 1e-3}),
    ("mobilenetv2", {"augmentation": "character-safe", "keep_epoch": "best"}),
    ("glyphnet-small", {"precision": "bf16"}),
    ("glyphnet-small", {"precision": "fp16", "schedule": "one-cycle"}),
    (own("counting"), {"keep_epoch": "best"}),
    (own("remembers"), {"keep_weights": "none"}),
    (own("tied"), {"optimizer": "muon"}),
    (own("views"), {"keep_epoch": "best"}),
    (own("types"), {}),
    (own("late"), {}),
    (own("told"), {}),
    (own("lazy"), {}),
    (own("weight_norm"), {"optimizer": "sgd"}),
    (own("old_weight_norm"), {}),
    (own("scripted"), {}),
]


@pytest.mark.parametrize(("model", "settings"), ALIKE, ids=lambda it: str(it).split(":")[-1])
def test_a_rehearsal_changes_no_bit(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch, model: str, settings: dict[str, Any]
) -> None:
    odd_models.forget()
    rehearsed = _run(tiny_npz, model, **settings)
    after = _next_numbers()
    monkeypatch.setattr(run, "rehearse", lambda *_: None)
    odd_models.forget()
    alone = _run(tiny_npz, model, **settings)
    assert rehearsed.record.status == "done"
    assert _numbers(rehearsed) == _numbers(alone)
    assert rehearsed.weights == alone.weights
    for part in ("val", "test"):
        ours, theirs = (one.predictions[part].logits_NC for one in (rehearsed, alone))
        np.testing.assert_array_equal(ours, theirs)
    assert after == _next_numbers()


def test_numbers_of_what_remembers_tell_whether_it_was_tried(tiny_npz: Path) -> None:
    """The judge of the test above: without `forget`, the same model gives other numbers."""
    odd_models.forget()
    first = _run(tiny_npz, own("remembers"), keep_weights="none")
    again = _run(tiny_npz, own("remembers"), keep_weights="none")
    assert _numbers(first) != _numbers(again)


def test_a_rehearsal_costs_no_training_time_and_looks_at_no_test_image(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks: list[Any] = []
    real = run.rehearse

    def watched(model: Any, cell: Any, parts: Any, trainer: Any, record_of: Any) -> None:
        before = {
            name: trainer.clocks.seconds(name) for name in ("setup", "training", "evaluation")
        }
        num_test = len(parts.evaluated["test"])
        evaluated = {**parts.evaluated, "test": range(num_test)}  # a length, nothing to look at
        blind = parts._replace(evaluated=evaluated)
        real(model, cell, blind, trainer, record_of)
        clocks.append((before, trainer.clocks))

    monkeypatch.setattr(run, "rehearse", watched)
    _run(tiny_npz, "glyphnet-small", epochs=1)
    ((before, _),) = clocks
    assert before["setup"] > 0
    assert before["training"] == before["evaluation"] == 0
    record = _run(tiny_npz, "glyphnet-small", epochs=1).record
    rows = record.epochs
    assert record.resources.train_time_s == pytest.approx(sum(row.train_s for row in rows))


def test_one_that_diverges_at_once_is_an_outcome(tiny_npz: Path) -> None:
    settings = {"optimizer": "sgd", "learning_rate": 1e30}
    assert _run(tiny_npz, own("counting"), **settings).record.status == "diverged"


def test_scores_that_are_no_numbers_do_not_lose_the_cell(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss may be finite though the answer to a test image is not."""
    real = run.predict

    def predict(*args: Any, **options: Any) -> Any:
        logits_NC, labels_N = real(*args, **options)
        logits_NC[0, 0] = -np.inf
        return logits_NC, labels_N

    monkeypatch.setattr(run, "predict", predict)
    result = _run(tiny_npz, own("counting"))
    assert (result.record.status, result.record.diverged_epoch) == ("diverged", 2)
    assert result.predictions == {} and result.weights is None
    assert isinstance(result.record.epochs[0], EpochRow)
