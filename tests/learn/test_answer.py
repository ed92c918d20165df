"""The evaluation: the same answers from one thread and from several, in batches of fixed size."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.data.batches import Batches, Scaling, stage
from neurovisionlab.learn.answer import (
    MOST_AT_ONCE,
    answers_at_once,
    batches_at_once,
    keeps_nothing,
    predict,
)
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import choose
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.pace import put_into_usual_form
from neurovisionlab.learn.zoo import build

NUM = 2 * MOST_AT_ONCE + 11


def _batches(num: int = NUM, image_px: int = 28, batch_size: int = 64) -> Batches:
    rng = np.random.default_rng(0)
    images_NHWC = rng.integers(0, 256, (num, 28, 28, 1), dtype=np.uint8)
    labels_N = rng.integers(0, 5, num)
    staged = stage(images_NHWC, labels_N, to_grey=False, device=torch.device("cpu"))
    return Batches(staged, batch_size, image_px, channels=1, scaling=Scaling((0.5,), (0.25,)))


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Let `choose` give torch three threads."""
    before = torch.get_num_threads()
    monkeypatch.setenv("NVL_THREADS", "3")
    yield 3
    torch.set_num_threads(before)


class _Watching(nn.Module):
    """Answers the mean and the number of each image's batch, and knows who asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int, bool]] = []

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return [B, 2]."""
        settings = torch.get_num_threads(), len(images_BCHW), torch.is_inference_mode_enabled()
        self.asked.append((threading.get_ident(), *settings))
        means_B = images_BCHW.mean((1, 2, 3))
        return torch.stack([means_B, torch.full_like(means_B, len(images_BCHW))], dim=1)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["glyphnet", "mobilenetv2", "vit-tiny"])
def test_several_threads_answer_to_the_last_bit_what_one_does(
    name: str, precision: str, threads: int
) -> None:
    torch.manual_seed(0)
    image_px = 28 if precision == "fp32" else 16  # few processors count in bf16 themselves
    batches = _batches(image_px=image_px)
    model = build(name, ModelShape(image_px, 1, 5), Protocol())
    device = choose(precision)
    put_into_usual_form(model, device)
    many_NC, labels_N = predict(model, batches, device, Stopwatches())
    torch.set_num_threads(1)
    one_NC, _ = predict(model, batches, device, Stopwatches())
    np.testing.assert_array_equal(many_NC, one_NC)
    np.testing.assert_array_equal(labels_N, batches.staged.labels_N)
    assert len(np.unique(one_NC.round(4), axis=0)) > NUM / 2  # the images do differ


def test_a_models_own_code_is_asked_by_one_thread(threads: int) -> None:
    model = _Watching()
    assert not keeps_nothing(model)
    logits_NC, _ = predict(model, _batches(), choose(), Stopwatches())
    assert {asked[:2] for asked in model.asked} == {(threading.get_ident(), threads)}
    assert [asked[2:] for asked in model.asked] == [(256, True), (256, True), (11, True)]
    np.testing.assert_array_equal(logits_NC[:, 1], [256] * 512 + [11] * 11)


def test_threads_share_the_processor_and_give_it_back(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurovisionlab.learn.answer.STATELESS", {_Watching.__module__[:5]})
    monkeypatch.setattr(_Watching, "__module__", _Watching.__module__[:5])
    model, batches = _Watching(), _batches()
    logits_NC, _ = predict(model, batches, choose(), Stopwatches())
    assert {asked[1] for asked in model.asked} == {1}
    assert all(asked[3] for asked in model.asked)
    assert threading.get_ident() not in {asked[0] for asked in model.asked}
    means_N = batches.at(slice(None)).mean((1, 2, 3)).numpy()
    np.testing.assert_allclose(logits_NC[:, 0], means_N, rtol=1e-5, atol=1e-6)
    later: list[int] = []
    begun = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    begun.start()
    begun.join()
    assert [torch.get_num_threads(), *later] == [threads, threads]


@pytest.mark.parametrize(
    ("threads", "num_batches", "num"),
    [(1, 9, 1), (2, 9, 2), (2, 1, 1), (3, 2, 1), (4, 9, 4), (7, 9, 7), (8, 3, 2), (8, 9, 8)]
    + [(9, 9, 8), (11, 9, 5), (15, 9, 7), (16, 9, 8), (64, 9, 8)],
)
def test_few_threads_have_nothing_to_do(threads: int, num_batches: int, num: int) -> None:
    assert batches_at_once(threads, num_batches) == num


def test_a_failure_on_a_thread_is_heard(threads: int) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(5, 2))
    assert keeps_nothing(model)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        predict(model, _batches(), choose(), Stopwatches())
    assert torch.get_num_threads() == threads


def test_models_that_something_hangs_on_are_asked_by_one_thread() -> None:
    watched, patched = nn.Sequential(nn.Flatten()), nn.Sequential(nn.Flatten())
    assert keeps_nothing(watched)
    watched[0].register_forward_hook(lambda *_: None)
    patched[0].forward = lambda x: x  # type: ignore[method-assign, assignment]
    assert not keeps_nothing(watched)
    assert not keeps_nothing(patched)


@pytest.mark.parametrize(
    ("batch_size", "image_px", "expected"),
    [(64, 28, 256), (512, 28, 512), (64, 64, 64), (16, 64, 64), (32, 224, 32), (1, 1024, 1)],
)
def test_small_images_are_answered_many_at_once(
    batch_size: int, image_px: int, expected: int
) -> None:
    assert answers_at_once(_batches(3, image_px, batch_size)) == expected


def test_large_images_are_answered_in_turn(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurovisionlab.learn.answer._side_by_side", None)
    model = nn.Sequential(nn.Flatten(), nn.Linear(96 * 96, 2))
    logits_NC, _ = predict(model, _batches(70, image_px=96), choose(), Stopwatches())
    assert logits_NC.shape == (70, 2)
