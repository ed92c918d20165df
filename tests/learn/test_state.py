"""A training that is kept and put back goes on to the same bits, wherever it stood."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.records import EpochRow, Progress
from neurovisionlab.data.augment import AUGMENTATIONS
from neurovisionlab.data.batches import Batches, Scaling, stage
from neurovisionlab.learn import train
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import choose, seed_everything
from neurovisionlab.learn.optimizers import make_optimizer
from neurovisionlab.learn.pace import put_into_usual_form
from neurovisionlab.learn.state import Trainer, Training
from neurovisionlab.learn.train import fit

NUM_CLASSES, SIDE, BATCH = 3, 10, 8


def _batches(num: int, augment: str = "character-safe") -> Batches:
    rng = np.random.default_rng(num)
    images_NHWC = rng.integers(0, 256, (num, SIDE, SIDE, 1), dtype=np.uint8)
    staged = stage(images_NHWC, np.arange(num) % NUM_CLASSES, False, torch.device("cpu"))
    return Batches(staged, BATCH, SIDE, 1, Scaling((0.5,), (0.25,)), AUGMENTATIONS[augment])


TRAIN, VAL = _batches(60), _batches(12, "none")


class _Drifting(nn.Module):
    """Draws from numpy, and remembers in buffers: one outside of its state, two made on the way."""

    trace: Tensor
    seen: Tensor
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("trace", torch.zeros(1), persistent=False)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        if self.training:
            if not hasattr(self, "seen"):
                self.register_buffer("seen", torch.zeros(1))
                self.register_buffer("mean", torch.zeros(SIDE), persistent=False)
            self.trace.add_(float(np.random.rand()))  # noqa: NPY002 - as a user's code may
            self.seen.add_(1)
            self.mean.add_(images_BCHW.mean((0, 1, 2)))
        late = 0.001 * (self.seen + self.mean) if hasattr(self, "seen") else 0
        return images_BCHW * (1 + 0.01 * self.trace + late)


def _training(seed: int = 0, **settings: Any) -> Training:
    given = {"batch_size": BATCH, "epochs": 4, "learning_rate": 0.01, "label_smoothing": 0.1}
    protocol = Protocol(**(given | settings))
    device = choose(protocol.precision)
    trainer = Trainer(protocol, device, seed_everything(seed), Stopwatches())
    np.random.seed(seed)  # noqa: NPY002
    layers = (nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, stride=2))
    head = (nn.Dropout(0.3), nn.Flatten(), nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, NUM_CLASSES))
    model = nn.Sequential(_Drifting(), *layers, *head)
    model(torch.zeros(2, 1, SIDE, SIDE))
    put_into_usual_form(model, device)
    return Training(model, trainer, len(TRAIN), NUM_CLASSES)


def _kept(training: Training) -> dict[str, Any]:
    """Return the state after a way through a file."""
    file = io.BytesIO()
    torch.save(training.state_dict(), file)
    file.seek(0)
    state: dict[str, Any] = torch.load(file, weights_only=True)
    return state


def _to(events: Iterator[EpochRow | Progress], place: tuple[int, int]) -> None:
    """Go on until so many epochs are over, and so many signs of life of the next were given."""
    epochs, signs = place
    for event in events:
        if isinstance(event, EpochRow):
            epochs -= 1
        elif epochs == 0:
            signs -= 1
        if epochs == 0 and signs == 0:
            return


def _end(training: Training) -> tuple[list[Tensor], list[tuple[float | None, ...]]]:
    """Return all numbers of the model, and the rows but for their times."""
    numbers = [*training.model.parameters(), *training.model.buffers()]
    rows = [
        (row.train_loss, row.val_loss, row.learning_rate, row.train_accuracy_frac)
        for row in training.story.rows
    ]
    return [one.detach().clone() for one in numbers], rows


@pytest.fixture(autouse=True)
def signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a sign every third batch: 8 batches an epoch, three signs."""
    monkeypatch.setattr(train, "STEPS_PER_SIGN", 3)


PLACES = [(0, 1), (1, 0), (2, 3)]
SETTINGS = [
    *({"optimizer": one} for one in ("adam", "adamw", "sgd", "muon")),
    *({"schedule": one} for one in ("cosine", "one-cycle", "warm-up")),
    {"precision": "bf16", "optimizer": "muon", "schedule": "one-cycle"},
    {"precision": "fp16"},
    {"keep_epoch": "best", "unaugmented_frac": 0.5},
]


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_training_goes_on_to_the_same_bits(
    settings: dict[str, Any], place: tuple[int, int]
) -> None:
    whole = _training(**settings)
    list(fit(whole, TRAIN, VAL))
    begun = _training(**settings)
    _to(fit(begun, TRAIN, VAL), place)
    state = _kept(begun)
    resumed = _training(seed=99, **settings)  # everything about it is another until it is put back
    resumed.load_state_dict(state)
    list(fit(resumed, TRAIN, VAL))
    wanted, got = _end(whole), _end(resumed)
    assert got[1] == wanted[1]
    assert len(wanted[1]) == 4
    assert all(map(torch.equal, got[0], wanted[0]))
    for training in (whole, resumed):
        training.take_tested_weights()
    assert all(map(torch.equal, _end(resumed)[0], _end(whole)[0]))
    assert resumed.story.tested_epoch == whole.story.tested_epoch


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "muon"])
def test_what_an_optimiser_remembers_is_in_its_state(optimizer: Any) -> None:
    training = _training(optimizer=optimizer)
    _to(fit(training, TRAIN, VAL), (1, 0))
    state = training.movers.optimizer.state_dict()
    remembered = state.get("inner") or [state]
    assert all(one["state"] for one in remembered)
    fresh = make_optimizer(training.model, training.trainer.protocol)
    fresh.load_state_dict(copy.deepcopy(state))
    again = fresh.state_dict().get("inner") or [fresh.state_dict()]
    for was, now in zip(remembered, again, strict=True):
        for key, values in was["state"].items():
            assert all(
                torch.equal(value, now["state"][key][name])
                for name, value in values.items()
                if isinstance(value, Tensor)
            )


@pytest.mark.parametrize("part", ["movers", "chance", "position", "sums", "model"])
def test_each_part_of_the_state_is_needed(part: str) -> None:
    settings = {"optimizer": "adamw", "schedule": "cosine"}
    whole = _training(**settings)
    list(fit(whole, TRAIN, VAL))
    begun = _training(**settings)
    _to(fit(begun, TRAIN, VAL), (1, 2))
    other = _training(seed=5, **settings)
    _to(fit(other, TRAIN, VAL), (1, 1))
    resumed = _training(**settings)
    resumed.load_state_dict(_kept(begun) | {part: _kept(other)[part]})
    list(fit(resumed, TRAIN, VAL))
    assert _end(resumed)[1] != _end(whole)[1]


def test_a_state_in_memory_begins_several_trainings() -> None:
    settings = {"optimizer": "adamw", "keep_epoch": "best"}
    whole = _training(**settings)
    list(fit(whole, TRAIN, VAL))
    begun = _training(**settings)
    _to(fit(begun, TRAIN, VAL), (2, 1))
    state = begun.state_dict()
    for seed in (3, 4):
        resumed = _training(seed=seed, **settings)
        resumed.load_state_dict(state)
        list(fit(resumed, TRAIN, VAL))
        assert _end(resumed)[1] == _end(whole)[1]
        assert all(map(torch.equal, _end(resumed)[0], _end(whole)[0]))


def test_a_training_goes_on_where_it_was_left_without_a_file() -> None:
    whole = _training()
    list(fit(whole, TRAIN, VAL))
    left = _training()  # after the other, whose random numbers are the same global ones
    for _ in range(3):
        _to(fit(left, TRAIN, VAL), (0, 2))
    list(fit(left, TRAIN, VAL))
    assert _end(left)[1] == _end(whole)[1]


def test_clocks_go_on_and_do_not_count_the_time_between(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]

    def tick() -> float:
        now_s[0] += 0.001
        return now_s[0]

    monkeypatch.setattr("time.perf_counter", tick)
    begun = _training()
    _to(fit(begun, TRAIN, VAL), (1, 1))
    state, was = _kept(begun), begun.trainer.clocks.reading()
    now_s[0] += 1000.0
    resumed = _training()
    resumed.load_state_dict(state)
    assert abs(resumed.trainer.clocks.reading().wall_s - was.wall_s) < 1
    list(fit(resumed, TRAIN, VAL))
    after = resumed.trainer.clocks.reading()
    assert was.training_s < after.training_s < after.wall_s < 10
    rows_s = sum(row.train_s for row in resumed.story.rows)
    assert rows_s == pytest.approx(after.training_s, abs=1e-6)


def test_a_training_that_diverged_is_over_when_it_comes_back() -> None:
    training = _training(optimizer="sgd", learning_rate=1e6)
    list(fit(training, TRAIN, VAL))
    assert training.story.diverged
    again = _training(optimizer="sgd", learning_rate=1e6)
    again.load_state_dict(_kept(training))
    assert again.is_over
    assert list(fit(again, TRAIN, VAL)) == []
    assert again.story.tested_epoch is None
