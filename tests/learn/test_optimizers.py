"""Optimisers, judged by their papers' formulas and by torch's own."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.device import seed_everything
from neurovisionlab.learn.glyphnet import GlyphNet
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.optimizers import hidden_weights, make_optimizer
from neurovisionlab.learn.schedules import make_schedule
from neurovisionlab.learn.zoo import build


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_optimisers_by_name(name: Any, kind: type) -> None:
    made = make_optimizer(
        nn.Linear(2, 2), Protocol(optimizer=name, learning_rate=0.3, weight_decay=0.1)
    )
    assert type(made) is kind
    group = made.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.3, 0.1)
    if name == "sgd":
        assert group["momentum"] == 0.9


def _two_steps(optimizer: Any, decay: float) -> float:
    """Return a weight that began at 2 after two steps with the gradients 0.5 and 1."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    made = make_optimizer(
        layer, Protocol(optimizer=optimizer, learning_rate=0.1, weight_decay=decay)
    )
    for gradient in (0.5, 1.0):
        layer.weight.grad = torch.full((1, 1), gradient)
        made.step()
    return float(layer.weight.detach())


def test_sgd_has_momentum_and_its_decay_is_an_l2_penalty() -> None:
    first = 0.5 + 0.01 * 2.0
    weight = 2.0 - 0.1 * first
    second = 0.9 * first + 1.0 + 0.01 * weight
    assert _two_steps("sgd", 0.01) == pytest.approx(weight - 0.1 * second, rel=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_adam_follows_its_paper(optimizer: str) -> None:
    # Kingma & Ba 2015, algorithm 1; decoupled decay as in Loshchilov & Hutter 2019, algorithm 2
    weight, mean, square, decay = 2.0, 0.0, 0.0, 0.05
    for step, gradient in enumerate((0.5, 1.0), start=1):
        g = gradient + (decay * weight if optimizer == "adam" else 0.0)
        if optimizer == "adamw":
            weight -= 0.1 * decay * weight
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g * g
        hat, square_hat = mean / (1 - 0.9**step), square / (1 - 0.999**step)
        weight -= 0.1 * hat / (math.sqrt(square_hat) + 1e-8)
    assert _two_steps(optimizer, decay) == pytest.approx(weight, rel=1e-5)


def test_frozen_parameters_are_left_alone() -> None:
    model = _layers()
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    moved = make_optimizer(model, Protocol()).param_groups[0]["params"]
    assert len(moved) == 4


MUON = Protocol(optimizer="muon", learning_rate=0.02, weight_decay=0.1)


def _layers() -> nn.Sequential:
    """Return three linear layers, of which Muon is for the middle one."""
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3))


def _train(model: nn.Module, optimizers: list[Any], images: Tensor, steps: int = 5) -> None:
    labels_N = torch.arange(len(images)) % 3
    for _ in range(steps):
        functional.cross_entropy(model(images), labels_N).backward()
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad()


def test_muon_moves_hidden_weights_as_torchs_muon_and_others_as_adamw() -> None:
    seed_everything(0)
    ours, theirs = (model := _layers()), copy.deepcopy(model)
    hidden = theirs[2].weight
    others = [weight for weight in theirs.parameters() if weight is not hidden]
    judges: list[Any] = [
        torch.optim.Muon([hidden], 0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, 0.02, weight_decay=0.1),
    ]
    images = torch.randn(12, 6)
    _train(ours, [make_optimizer(ours, MUON)], images)
    _train(theirs, judges, images)
    assert torch.equal(ours[2].weight, hidden)  # the very same numbers
    for mine, judge in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, judge)


def _convolutions() -> nn.Sequential:
    convolutions = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU()]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(6 * 4 * 4, 3))


@pytest.mark.parametrize("gradient_is_channels_last", [False, True])
def test_muon_sees_a_convolution_as_the_same_matrix_in_any_memory_format(
    gradient_is_channels_last: bool,
) -> None:
    seed_everything(0)
    usual = _convolutions()
    last = copy.deepcopy(usual).to(memory_format=torch.channels_last)
    gradient = torch.randn(6, 4, 3, 3)
    usual[2].weight.grad = gradient
    last[2].weight.grad = gradient.to(
        memory_format=torch.channels_last if gradient_is_channels_last else torch.contiguous_format
    )
    before = usual[2].weight.detach().clone()
    for model in (usual, last):
        optimizer = make_optimizer(model, MUON)
        for _ in range(3):
            optimizer.step()
    # the step is made in bfloat16: sums in another order differ in its last digit
    moved_by = (usual[2].weight.detach() - before).abs().max()
    assert moved_by > 0.01
    torch.testing.assert_close(usual[2].weight, last[2].weight, rtol=0, atol=0.02 * moved_by)


def test_muons_step_is_orthogonal() -> None:
    layers = _layers()
    before = layers[2].weight.detach().clone()
    layers[2].weight.grad = torch.randn(5, 8) @ torch.diag(0.5 ** torch.arange(8.0))
    make_optimizer(layers, MUON.model_copy(update={"weight_decay": 0.0})).step()
    moved = torch.linalg.svdvals(before - layers[2].weight.detach()) / (0.02 * 0.2 * math.sqrt(8))
    # the iteration ends near one, not at one: between about 0.5 and 1.5 (Jordan et al. 2024);
    # a step along the gradient would have singular values many times apart
    assert moved.min() > 0.3 and moved.max() < 1.6


def _names(model: nn.Module, weights: list[nn.Parameter]) -> set[str]:
    chosen = {id(weight) for weight in weights}
    return {name for name, weight in model.named_parameters() if id(weight) in chosen}


def test_muon_is_for_matrices_between_the_first_and_the_last_layer() -> None:
    glyphnet = GlyphNet(26, 1)
    names = _names(glyphnet, hidden_weights(glyphnet))
    assert "stem.0.weight" not in names and "head.weight" not in names
    assert "stages.1.shortcut.1.weight" in names
    assert all(dict(glyphnet.named_parameters())[name].ndim == 4 for name in names)
    assert len(names) == 9  # a convolution of the stem, two of each block, two shortcuts

    mobile = build("mobilenetv2", ModelShape(28, 1, 26), Protocol())
    ones_of_groups = [m.weight for m in mobile.modules() if getattr(m, "groups", 1) > 1]
    assert ones_of_groups
    assert not {id(w) for w in ones_of_groups} & {id(w) for w in hidden_weights(mobile)}

    vit = build("vit-tiny", ModelShape(28, 1, 26), Protocol())
    names = _names(vit, hidden_weights(vit))
    assert len(names) == 6 * 4  # two of attention and two of the perceptron in each of six layers
    assert not any("embed" in name or "head" in name or "norm" in name for name in names)


def test_a_shared_weight_is_moved_once_and_by_adamw_if_it_is_an_outer_one() -> None:
    layers = nn.Sequential(*(nn.Linear(4, 4) for _ in range(6)))
    layers[2].weight = layers[1].weight
    layers[3].weight = layers[5].weight
    assert _names(layers, hidden_weights(layers)) == {"1.weight", "4.weight"}
    assert len(hidden_weights(layers)) == 2


def test_frozen_weights_are_no_muons() -> None:
    layers = _layers()
    layers[2].weight.requires_grad_(False)
    assert hidden_weights(layers) == []
    before = layers[2].weight.clone()
    _train(layers, [make_optimizer(layers, MUON)], torch.randn(12, 6), steps=1)
    assert torch.equal(layers[2].weight, before)


def test_weights_without_gradient_stay() -> None:
    layers = _layers()
    before = copy.deepcopy(layers)
    layers[0].weight.grad = torch.ones_like(layers[0].weight)
    make_optimizer(layers, MUON.model_copy(update={"weight_decay": 0.0})).step()
    pairs = zip(layers.parameters(), before.parameters(), strict=True)
    changed = [not torch.equal(now, then) for now, then in pairs]
    assert changed == [True, False, False, False, False, False]


def test_a_schedule_moves_the_rates_of_both() -> None:
    layers = _layers()
    protocol = MUON.model_copy(update={"schedule": "cosine", "epochs": 1})
    optimizer = make_optimizer(layers, protocol)
    schedule = make_schedule(optimizer, protocol, steps=4)
    images = torch.randn(12, 6)
    _train(layers, [optimizer, schedule], images, steps=4)
    before = copy.deepcopy(layers)
    _train(layers, [optimizer], images, steps=1)  # at a rate of zero
    for now, then in zip(layers.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(now, then, rtol=0, atol=1e-9)


def test_a_loss_scale_is_taken_off_before_muon_steps() -> None:
    """As fp16 needs it on a GPU: scaled gradients, and steps left out where one is infinite."""
    seed_everything(0)
    scaled, plain = (model := _layers()), copy.deepcopy(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimizer, images, labels_N = make_optimizer(scaled, MUON), torch.randn(12, 6), torch.arange(12)
    scaler.scale(functional.cross_entropy(scaled(images), labels_N % 3)).backward()
    scaler.step(optimizer)
    _train(plain, [make_optimizer(plain, MUON)], images, steps=1)
    for mine, judge in zip(scaled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, judge)
    scaler.update()
    before = copy.deepcopy(scaled)
    scaled[2].weight.grad = torch.full_like(scaled[2].weight, math.inf)
    scaler.step(optimizer)
    assert torch.equal(scaled[2].weight, before[2].weight)
