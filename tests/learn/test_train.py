"""The training loop, judged by closed forms and by torch's own functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.records import EpochRow, Progress
from neurovisionlab.data.batches import Batches, Scaling, stage
from neurovisionlab.learn.answer import predict
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import choose, seed_everything
from neurovisionlab.learn.optimizers import make_optimizer
from neurovisionlab.learn.schedules import has_diverged, make_schedule, steps_per_epoch
from neurovisionlab.learn.state import Trainer, Training
from neurovisionlab.learn.train import STEPS_PER_SIGN, fit


def _batches(folder: Path, part: str, batch_size: int) -> Batches:
    with np.load(folder / f"{part}.npz") as arrays:
        images_NHWC, labels_N = arrays["images"][..., None], arrays["labels"]
    staged = stage(images_NHWC, labels_N, to_grey=False, device=torch.device("cpu"))
    return Batches(staged, batch_size, image_px=12, channels=1, scaling=Scaling((0.5,), (0.25,)))


def _trainer(protocol: Protocol, seed: int = 0) -> Trainer:
    return Trainer(protocol, choose(), seed_everything(seed), Stopwatches())


def _linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(144, 3))


def _dropping() -> nn.Module:
    layers = (nn.Flatten(), nn.Linear(144, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))
    return nn.Sequential(*layers)


def _rows(
    folder: Path, make: Callable[[], nn.Module] = _linear, seed: int = 0, **settings: Any
) -> list[EpochRow]:
    protocol = Protocol(**({"batch_size": 16, "epochs": 3} | settings))
    trainer = _trainer(protocol, seed)
    model = make()
    train, val = (_batches(folder, part, protocol.batch_size) for part in ("train", "test"))
    said = fit(Training(model, trainer, len(train), 3), train, val)
    return [row for row in said if isinstance(row, EpochRow)]


def test_a_row_for_each_epoch_and_the_loss_falls(tiny_npz: Path) -> None:
    rows = _rows(tiny_npz, epochs=6, learning_rate=0.01)
    assert [row.epoch for row in rows] == [1, 2, 3, 4, 5, 6]
    losses = [row.train_loss for row in rows]
    assert losses[-1] < 0.5 * losses[0]
    assert rows[-1].val_loss < 0.5 * math.log(3)
    assert rows[-1].val_accuracy_frac == 1.0
    assert all(row.train_s > 0 and row.eval_s > 0 for row in rows)


def test_signs_of_life_count_the_images_of_an_epoch(tiny_npz: Path) -> None:
    protocol = Protocol(batch_size=1, epochs=2)
    train, val = _batches(tiny_npz, "train", 1), _batches(tiny_npz, "test", 1)
    said = list(fit(Training(_linear(), _trainer(protocol), len(train), 3), train, val))
    signs = [one for one in said if isinstance(one, Progress)]
    assert STEPS_PER_SIGN < len(train) < 2 * STEPS_PER_SIGN
    seen = [(one.epoch, one.num_images) for one in signs]
    assert seen == [(epoch, n) for epoch in (1, 2) for n in (STEPS_PER_SIGN, len(train))]
    assert {one.num_images_total for one in signs} == {len(train)}


def test_the_row_of_an_epoch_is_what_torch_says_of_the_model(tiny_npz: Path) -> None:
    train, val = _batches(tiny_npz, "train", 72), _batches(tiny_npz, "test", 7)
    model = _dropping()
    trainer = _trainer(Protocol(batch_size=72, epochs=1, learning_rate=0.01))
    said = fit(Training(model, trainer, len(train), 3), train, val)
    row = next(one for one in said if isinstance(one, EpochRow))
    model.eval()
    images_BCHW = torch.cat([images for images, _ in val.in_order()])
    labels_B = val.staged.labels_N
    with torch.no_grad():
        logits_BC = model(images_BCHW)
    assert row.val_loss == pytest.approx(float(functional.cross_entropy(logits_BC, labels_B)))
    hits = (logits_BC.argmax(1) == labels_B).float().mean()
    assert row.val_accuracy_frac == pytest.approx(float(hits))
    logits_NC, labels_N = predict(model, val, trainer.device, trainer.clocks)
    assert logits_NC.dtype == np.float32
    np.testing.assert_allclose(logits_NC, logits_BC.numpy(), atol=1e-5)
    np.testing.assert_array_equal(labels_N, labels_B.numpy())


def test_the_last_epochs_see_images_as_they_are(tiny_npz: Path) -> None:
    changed = 0

    def count(images_BCHW: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        nonlocal changed
        changed += len(images_BCHW)
        return images_BCHW

    protocol = Protocol(batch_size=16, epochs=4, augmentation="gentle", unaugmented_frac=0.25)
    train = replace(_batches(tiny_npz, "train", 16), augment=count)
    said = fit(
        Training(_linear(), _trainer(protocol), len(train), 3),
        train,
        _batches(tiny_npz, "test", 16),
    )
    after = [changed for one in said if isinstance(one, EpochRow)]
    assert after == [len(train), 2 * len(train), 3 * len(train), 3 * len(train)]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_label_smoothing_enters_the_training_loss_alone(tiny_npz: Path, smoothing: float) -> None:
    torch.manual_seed(3)
    model = _linear()
    train, val = _batches(tiny_npz, "train", 72), _batches(tiny_npz, "test", 72)
    images_BCHW, labels_B = next(train.in_order())
    with torch.no_grad():
        log_probs_BC = functional.log_softmax(model(images_BCHW), dim=1)
        val_loss = functional.cross_entropy(model(next(val.in_order())[0]), val.staged.labels_N)
    truth = -log_probs_BC[torch.arange(72), labels_B].mean()
    expected = (1 - smoothing) * truth + smoothing * -log_probs_BC.mean()
    protocol = Protocol(
        batch_size=72, epochs=1, learning_rate=1e-12, label_smoothing=smoothing, optimizer="sgd"
    )
    said = fit(Training(model, _trainer(protocol), len(train), 3), train, val)
    row = next(r for r in said if isinstance(r, EpochRow))
    assert row.train_loss == pytest.approx(float(expected), rel=1e-5)
    assert row.val_loss == pytest.approx(float(val_loss), rel=1e-5)


def _expected_rate(schedule: str, step: int, total: int, top: float) -> float:
    """Return the closed form of each schedule."""

    def cosine(start: float, end: float, share: float) -> float:
        return end + (start - end) * (1 + math.cos(math.pi * share)) / 2

    if schedule == "cosine":
        return cosine(top, 0.0, step / total)
    if schedule == "one-cycle":  # from a 25th up over 30 %, then down to a 10,000th of the start
        peak = 0.3 * (total + 1) - 1
        if step <= peak:
            return cosine(top / 25, top, step / peak)
        return cosine(top, top / 25e4, (step - peak) / (total - peak))
    if schedule == "warm-up":
        return top * min(1.0, (step + 1) / round(0.05 * total))
    return top


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle", "warm-up"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "muon"])
def test_learning_rates_follow_their_closed_form(schedule: Any, optimizer: Any) -> None:
    protocol = Protocol(schedule=schedule, epochs=4, learning_rate=0.02, optimizer=optimizer)
    moved = make_optimizer(nn.Linear(2, 2), protocol)
    scheduler = make_schedule(moved, protocol, steps=25)
    rates = []
    for _ in range(100):
        rates.append(moved.param_groups[0]["lr"])
        moved.step()
        scheduler.step()  # once more than there are batches left: must not complain
    expected = [_expected_rate(schedule, step, 100, 0.02) for step in range(100)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=1e-9)
    assert max(rates) == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle", "warm-up"])
@pytest.mark.parametrize("epochs", [1, 2])
def test_every_schedule_survives_the_shortest_training(
    tiny_npz: Path, schedule: str, epochs: int
) -> None:
    rows = _rows(tiny_npz, epochs=epochs, batch_size=72, schedule=schedule)
    assert len(rows) == epochs
    assert all(0 < row.learning_rate <= 1e-3 * 1.000001 for row in rows)


def test_rows_tell_the_rate_at_the_start_of_their_epoch(tiny_npz: Path) -> None:
    rows = _rows(tiny_npz, schedule="cosine", epochs=4, learning_rate=0.01)
    expected = [0.01 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(4)]
    assert [row.learning_rate for row in rows] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("num_images", "batch_size", "steps"),
    [(64, 16, 4), (70, 16, 5), (65, 16, 4), (66, 16, 5), (3, 16, 1), (1, 16, 1), (5, 1, 5)],
)
def test_steps_are_counted_as_batches_are_cut(num_images: int, batch_size: int, steps: int) -> None:
    protocol = Protocol(batch_size=batch_size)
    assert steps_per_epoch(num_images, protocol) == steps
    images_NHWC = np.zeros((num_images, 8, 8, 1), np.uint8)
    staged = stage(images_NHWC, np.zeros(num_images, np.int64), False, torch.device("cpu"))
    batches = Batches(staged, batch_size, 8, 1, Scaling((0.0,), (1.0,)))
    chance = seed_everything(0)
    assert len(list(batches.shuffled(chance.order, chance.noise))) == steps


def _row(train_loss: float | None, val_loss: float | None) -> EpochRow:
    return EpochRow(
        epoch=1,
        learning_rate=0.1,
        train_loss=train_loss,
        train_accuracy_frac=0.1,
        val_loss=val_loss,
        val_accuracy_frac=0.1,
        train_s=1,
        eval_s=1,
    )


@pytest.mark.parametrize(
    ("train_loss", "val_loss", "num_classes", "expected"),
    [
        (None, 1.0, 26, True),
        (1.0, None, 26, True),
        (math.log(26), math.log(26), 26, False),
        (9.9 * math.log(26), 1.0, 26, False),
        (10.1 * math.log(26), 1.0, 26, True),
        (1.0, 1e6, 26, False),  # statistics that lag behind
        (0.0, 0.0, 2, False),
        (6.9, 1.0, 1, False),  # one class: ln 1 would be a limit of nothing
        (7.0, 1.0, 1, True),
    ],
)
def test_what_counts_as_diverged(
    train_loss: float | None, val_loss: float | None, num_classes: int, expected: bool
) -> None:
    assert has_diverged(_row(train_loss, val_loss), num_classes) is expected


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_null_in_its_row(tiny_npz: Path, poison: float) -> None:
    def poisoned() -> nn.Module:
        model = _linear()
        nn.init.constant_(model[1].bias[:1], poison)  # type: ignore[index]
        return model

    row = _rows(tiny_npz, poisoned, epochs=1)[0]
    assert row.train_loss is None
    assert row.val_loss is None
    assert has_diverged(row, 3)


def _numbers(rows: list[EpochRow]) -> list[tuple[float | None, ...]]:
    """Return all of the rows but their times."""
    return [(r.train_loss, r.train_accuracy_frac, r.val_loss, r.val_accuracy_frac) for r in rows]


def test_one_seed_gives_one_training_bit_for_bit(tiny_npz: Path) -> None:
    first, again = (_rows(tiny_npz, _dropping, seed=7) for _ in range(2))
    assert _numbers(first) == _numbers(again)
    assert _numbers(first) != _numbers(_rows(tiny_npz, _dropping, seed=8))


def test_what_was_trained_before_changes_nothing(tiny_npz: Path) -> None:
    alone = _rows(tiny_npz, _dropping, seed=7)
    _rows(tiny_npz, _linear, seed=7, epochs=1)
    torch.rand(5)
    np.random.default_rng().random()
    assert _numbers(_rows(tiny_npz, _dropping, seed=7)) == _numbers(alone)


def test_a_models_own_chance_does_not_shift_the_order_of_images(tiny_npz: Path) -> None:
    """Dropout draws from one stream, the order from another: models see the same batches."""
    orders = []
    for make in (_linear, _dropping):
        chance = seed_everything(5)
        model = make()
        train = _batches(tiny_npz, "train", 16)
        labels = []
        for images_BCHW, labels_B in train.shuffled(chance.order, chance.noise):
            model(images_BCHW)
            labels.append(labels_B)
        orders.append(torch.cat(labels))
    assert torch.equal(*orders)


def test_the_training_clock_stands_still_while_the_caller_thinks(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [0.0]

    def tick() -> float:
        now_s[0] += 0.001
        return now_s[0]

    monkeypatch.setattr("time.perf_counter", tick)
    clocks = Stopwatches()
    protocol = Protocol(batch_size=16, epochs=3)
    trainer = Trainer(protocol, choose(), seed_everything(0), clocks)
    train, val = _batches(tiny_npz, "train", 16), _batches(tiny_npz, "test", 16)
    for _ in fit(Training(_linear(), trainer, len(train), 3), train, val):
        now_s[0] += 1000.0
    assert 0 < clocks.seconds("training") < 1
    assert 0 < clocks.seconds("evaluation") < 1


class _NoTruthValue(nn.Module):
    """What torch.compile returns refuses to say whether it is true."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = model

    def __bool__(self) -> bool:
        raise TypeError("no truth value")

    def forward(self, images_BCHW: Tensor) -> Tensor:
        logits_BC: Tensor = self._model(images_BCHW)
        return logits_BC


def test_another_form_of_a_model_trains_its_weights(tiny_npz: Path) -> None:
    trainer, model = _trainer(Protocol(batch_size=16, epochs=2)), _linear()
    before = [parameter.clone() for parameter in model.parameters()]
    train = _batches(tiny_npz, "train", 16)
    said = list(fit(Training(model, trainer, len(train), 3, _NoTruthValue(model)), train, train))
    assert len([one for one in said if isinstance(one, EpochRow)]) == 2
    assert not any(map(torch.equal, before, model.parameters()))
