"""One cell from start to end, on images a model can learn."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss

from lab.fakes import tiny_cells
from neurovisionlab.core.errors import DataError, ModelError
from neurovisionlab.core.metrics import score
from neurovisionlab.core.predictions import CellResult
from neurovisionlab.core.records import CellRecord, EpochRow, Progress
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.batches import Batches
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.sources import load
from neurovisionlab.data.splits import split
from neurovisionlab.learn import run
from neurovisionlab.learn.answer import predict
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import choose, seed_everything
from neurovisionlab.learn.named_models import source_of
from neurovisionlab.learn.outcome import split_id
from neurovisionlab.learn.run import run_cell, shape_of, stage_parts
from neurovisionlab.learn.state import Training
from neurovisionlab.learn.zoo import build


def _ignore(_: EpochRow | Progress) -> None:
    pass


def _run(
    folder: Path, model: str = "vit-tiny", watch: Any = _ignore, **protocol: Any
) -> CellResult:
    (cell,), home = tiny_cells(folder, (model,), **protocol)
    return run_cell(cell, watch, home)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[CellSpec, DataHome, CellResult]:
    """Return one cell, trained once for all tests that only look at it."""
    folder = tmp_path_factory.mktemp("bars")
    rng = np.random.default_rng(0)
    for part, per_class in (("train", 24), ("test", 8)):
        labels_N = np.repeat(np.arange(3), per_class)
        images_NHW = rng.integers(0, 60, (len(labels_N), 12, 12), dtype=np.uint8)
        for image, label in zip(images_NHW, labels_N, strict=True):
            image[4 * label : 4 * label + 3] += 180
        np.savez(folder / f"{part}.npz", images=images_NHW, labels=labels_N)
    settings = {"keep_weights": "all", "epochs": 8, "learning_rate": 1e-4, "batch_size": 8}
    (cell,), home = tiny_cells(folder, **settings)
    return cell, home, run_cell(cell, _ignore, home)


def test_the_record_says_what_happened(
    trained: tuple[CellSpec, DataHome, CellResult],
) -> None:
    cell, _, result = trained
    record = result.record
    assert (record.cell_id, record.cell, record.status) == (cell.cell_id, cell, "done")
    assert [row.epoch for row in record.epochs] == list(range(1, 9))
    assert (record.tested_epoch, record.diverged_epoch) == (8, None)
    assert (record.num_train, record.num_val, record.num_test) == (61, 11, 24)
    assert record.test_scores is not None
    assert record.test_scores.accuracy_frac > 0.9  # bars are easy
    assert record.resources.num_parameters == pytest.approx(1.8e6, rel=0.1)
    assert record.resources.weights_mib == pytest.approx(1.8e6 * 4 / 2**20, rel=0.1)
    assert record.machine.num_threads == 1
    assert CellRecord.model_validate_json(record.model_dump_json()) == record


def test_the_parts_of_the_clock_add_up(trained: tuple[CellSpec, DataHome, CellResult]) -> None:
    resources = trained[2].record.resources
    parts = resources.clocks.model_dump()
    wall_s = parts.pop("wall_s")
    assert all(seconds > 0 for seconds in parts.values())
    assert sum(parts.values()) == pytest.approx(wall_s, rel=0.02, abs=0.2)
    assert sum(parts.values()) <= wall_s
    rows = trained[2].record.epochs
    assert resources.train_time_s == parts["training_s"]
    assert resources.train_time_s == pytest.approx(sum(row.train_s for row in rows), abs=1e-6)
    assert resources.train_images_per_s == pytest.approx(8 * 61 / resources.train_time_s)


def test_predictions_are_those_of_the_split(
    trained: tuple[CellSpec, DataHome, CellResult],
) -> None:
    cell, home, result = trained
    images = load(cell.data_ref, home)
    indices = split(images, cell)
    assert result.record.split_id == split_id(indices)
    assert set(result.predictions) == {"val", "test"}
    for part in ("val", "test"):
        told, where_N = result.predictions[part], getattr(indices, f"{part}_N")
        np.testing.assert_array_equal(told.indices_N, where_N)
        np.testing.assert_array_equal(told.labels_N, images.labels_N[where_N])
        assert told.logits_NC.shape == (len(where_N), 3)
        assert told.logits_NC.dtype == np.float32
    np.testing.assert_array_equal(indices.test_N, images.part("test"))


def test_scores_are_views_of_the_stored_logits(
    trained: tuple[CellSpec, DataHome, CellResult],
) -> None:
    result = trained[2]
    for part, stored in (
        ("val", result.record.val_scores),
        ("test", result.record.test_scores),
    ):
        told = result.predictions[part]  # type: ignore[index]
        assert score(told.logits_NC, told.labels_N) == stored
        assert stored is not None
        guess_N = told.logits_NC.argmax(axis=1)
        assert stored.accuracy_frac == pytest.approx(accuracy_score(told.labels_N, guess_N))
        f1 = f1_score(told.labels_N, guess_N, average="macro")
        assert stored.macro_f1_frac == pytest.approx(f1)
        logits = told.logits_NC.astype(float)
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert stored.nll == pytest.approx(log_loss(told.labels_N, probs), rel=1e-6)
    last = result.record.epochs[-1]
    assert result.record.val_scores.nll == pytest.approx(last.val_loss, rel=1e-4)


def test_weights_give_the_same_predictions_in_a_fresh_model(
    trained: tuple[CellSpec, DataHome, CellResult],
) -> None:
    cell, home, result = trained
    assert result.weights is not None
    tensors = safetensors.torch.load(result.weights)
    model = build(cell.model, shape_of(cell), cell.protocol)
    model.load_state_dict(tensors)
    device = choose()
    images = load(cell.data_ref, home)
    parts = stage_parts(images, split(images, cell), cell, device)
    logits_NC, labels_N = predict(model, parts.evaluated["test"], device, Stopwatches())
    np.testing.assert_allclose(logits_NC, result.predictions["test"].logits_NC, atol=1e-4)
    np.testing.assert_array_equal(labels_N, result.predictions["test"].labels_N)


def _with_val_accuracies(monkeypatch: pytest.MonkeyPatch, wanted: tuple[float, ...]) -> None:
    """Let validation accuracy be as wanted, so that it is known which epoch is the best."""
    real = Training.end_epoch

    def end_epoch(training: Training, row: EpochRow) -> None:
        real(training, row.model_copy(update={"val_accuracy_frac": wanted[row.epoch - 1]}))

    monkeypatch.setattr(Training, "end_epoch", end_epoch)


@pytest.mark.parametrize(
    ("keep_epoch", "accuracies", "tested"),
    [
        ("last", (0.9, 0.1, 0.1), 3),
        ("best", (0.9, 0.1, 0.1), 1),
        ("best", (0.1, 0.9, 0.9), 2),  # of equals, the first
        ("best", (0.1, 0.2, 0.9), 3),
    ],
)
def test_the_tested_weights_are_those_of_the_kept_epoch(
    tiny_npz: Path,
    monkeypatch: pytest.MonkeyPatch,
    keep_epoch: str,
    accuracies: tuple[float, ...],
    tested: int,
) -> None:
    _with_val_accuracies(monkeypatch, accuracies)
    record = _run(tiny_npz, "mobilenetv2", keep_epoch=keep_epoch, epochs=3).record
    assert record.tested_epoch == tested
    losses = [row.val_loss for row in record.epochs]
    assert len(set(losses)) == 3
    # the loss of that epoch comes back from the weights that were tested: running statistics, too
    assert record.val_scores.nll == pytest.approx(losses[tested - 1], rel=1e-4)


def test_best_epoch_scores_are_the_best_of_all_rows(tiny_npz: Path) -> None:
    settings = {"learning_rate": 0.01, "optimizer": "sgd", "epochs": 4}
    record = _run(tiny_npz, keep_epoch="best", **settings).record
    assert record.val_scores is not None
    best = max(row.val_accuracy_frac for row in record.epochs)
    assert record.val_scores.accuracy_frac == pytest.approx(best)


@pytest.mark.parametrize("model", ["vit-tiny", "mobilenetv2"])
def test_a_cell_that_diverges_has_no_scores(tiny_npz: Path, model: str) -> None:
    seen: list[Any] = []
    settings = {"optimizer": "sgd", "learning_rate": 1e6, "epochs": 5, "keep_weights": "all"}
    result = _run(tiny_npz, model, watch=seen.append, **settings)
    record = result.record
    assert record.status == "diverged"
    assert record.diverged_epoch == record.epochs[-1].epoch
    assert len(record.epochs) < 5
    assert (record.val_scores, record.test_scores, record.tested_epoch) == (None, None, None)
    assert result.predictions == {}
    assert result.weights is None
    assert CellRecord.model_validate_json(record.model_dump_json()) == record
    assert [row for row in seen if isinstance(row, EpochRow)] == list(record.epochs)


def test_data_that_changed_since_the_plan_are_refused(tiny_npz: Path) -> None:
    (cell,), home = tiny_cells(tiny_npz)
    with np.load(tiny_npz / "test.npz") as arrays:
        content = dict(arrays)
    content["images"][0, 0, 0] ^= 1  # one bit
    np.savez(tiny_npz / "test.npz", **content)
    with pytest.raises(DataError, match="changed since the run began"):
        run_cell(cell, _ignore, home)


def test_code_of_ones_own_that_changed_since_the_plan_is_refused(
    tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "nets_that_change.py"
    code.write_text(
        "from torch import nn\n\n"
        "def net(num_classes, channels, image_px):\n"
        "    size = channels * image_px**2\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(size, num_classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    name = "nets_that_change:net"
    (cell,), home = tiny_cells(tiny_npz, (name,))
    cell = cell.model_copy(update={"model_digest": source_of(name).digest()})
    assert run_cell(cell, _ignore, home).record.weights_source is None
    code.write_text(code.read_text() + "# better now\n")
    with pytest.raises(ModelError, match=r"expected code of digest .* changed since the run began"):
        run_cell(cell, _ignore, home)


def test_pretrained_weights_are_named_in_the_record_and_refused_when_they_change(
    tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVL_WEIGHTS", str(tmp_path))
    (cell,), home = tiny_cells(tiny_npz, ("vit-tiny",), pretrained=True)
    plain = cell.protocol.model_copy(update={"pretrained": False})
    file = tmp_path / "vit-tiny.safetensors"
    for seed in (0, 1):
        seed_everything(seed)
        safetensors.torch.save_file(build("vit-tiny", shape_of(cell), plain).state_dict(), file)
        if seed == 0:
            cell = cell.model_copy(update={"model_digest": source_of("vit-tiny").weights().digest})
            source = run_cell(cell, _ignore, home).record.weights_source
            assert source == source_of("vit-tiny").weights().origin
    with pytest.raises(ModelError, match="expected weights of digest"):
        run_cell(cell, _ignore, home)


def test_no_weights_where_none_are_kept(tiny_npz: Path) -> None:
    assert _run(tiny_npz, epochs=1, keep_weights="none").weights is None
    assert _run(tiny_npz, epochs=1, keep_weights="best").weights is not None


class _Spied(Batches):
    """Batches that write down when they are read."""

    log: list[str]

    def at(self, some: slice) -> torch.Tensor:
        """Return as ever, and take note."""
        self.log.append(f"test images read from {some.start}")
        return super().at(some)

    def shuffled(self, *_: Any) -> Iterator[Any]:
        """Refuse: nobody trains on test images."""
        raise AssertionError("test images were asked for as training images")


def test_test_images_are_read_once_and_after_all_training(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    real = run.stage_parts

    def stage_and_spy(*args: Any) -> run.Parts:
        parts = real(*args)
        test = parts.evaluated["test"]
        fields = {name: getattr(test, name) for name in Batches.__dataclass_fields__}
        spied = _Spied(**fields)
        object.__setattr__(spied, "log", log)
        return parts._replace(evaluated={**parts.evaluated, "test": spied})

    monkeypatch.setattr(run, "stage_parts", stage_and_spy)

    def watch(row: EpochRow | Progress) -> None:
        if isinstance(row, EpochRow):
            log.append(f"epoch {row.epoch}")

    _run(tiny_npz, watch=watch, epochs=2, keep_epoch="best")
    assert log == ["epoch 1", "epoch 2", "test images read from 0"]


def _numbers(record: CellRecord) -> list[tuple[float | None, ...]]:
    return [(row.train_loss, row.val_loss, row.val_accuracy_frac) for row in record.epochs]


def test_other_test_images_leave_training_as_it_was(tiny_npz: Path) -> None:
    settings = {"keep_epoch": "best", "scaling": "standardize", "keep_weights": "all"}
    before = _run(tiny_npz, **settings)
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (12, 12, 12), dtype=np.uint8)
    np.savez(tiny_npz / "test.npz", images=noise, labels=np.repeat(np.arange(3), 4))
    after = _run(tiny_npz, **settings)
    assert _numbers(after.record) == _numbers(before.record)
    assert after.record.test_scores != before.record.test_scores
    was, now = (safetensors.torch.load(one.weights or b"") for one in (before, after))
    assert all(was[name].equal(now[name]) for name in was)


def test_a_cell_keeps_the_memory_that_a_step_frees(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("neurovisionlab.learn.run.keep_freed", lambda: asked.append(True))
    _run(tiny_npz, epochs=1)
    assert asked


def test_models_share_no_chance(tiny_npz: Path) -> None:
    """A cell gives the same numbers alone as after another one in the same process."""
    settings = {"augmentation": "character-safe", "epochs": 2}
    alone = _run(tiny_npz, "vit-tiny", **settings)
    _run(tiny_npz, "mobilenetv2", **settings)
    after = _run(tiny_npz, "vit-tiny", **settings)
    assert _numbers(after.record) == _numbers(alone.record)
    for part in ("val", "test"):
        was, now = (one.predictions[part].logits_NC for one in (alone, after))
        np.testing.assert_array_equal(was, now)


def test_the_seed_moves_training_but_never_the_split(tiny_npz: Path) -> None:
    (cell,), home = tiny_cells(tiny_npz, epochs=1)
    other = cell.model_copy(update={"seed": 1})
    moved = cell.model_copy(update={"protocol": cell.protocol.model_copy(update={"split_seed": 1})})
    once = functools.partial(run_cell, watch=_ignore, home=home)
    first, second, third = once(cell), once(other), once(moved)
    assert first.record.split_id == second.record.split_id != third.record.split_id
    assert _numbers(first.record) != _numbers(second.record)


def test_colour_images_train_as_grey_and_as_colour(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part, num in (("train", 24), ("test", 9)):
        images = rng.integers(0, 256, (num, 12, 12, 3), dtype=np.uint8)
        np.savez(tmp_path / f"{part}.npz", images=images, labels=np.arange(num) % 3)
    counts = {}
    for color in ("grey", "rgb", "native"):
        result = _run(tmp_path, epochs=1, color=color)
        counts[color] = result.record.resources.num_parameters
        assert result.record.cell.channels == (1 if color == "grey" else 3)
    # a 4 px patch of three colours has 32 inputs more than a grey one, for each of 192 outputs
    assert counts["rgb"] - counts["grey"] == 2 * 4 * 4 * 192
    assert counts["native"] == counts["rgb"]
