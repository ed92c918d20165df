"""Folding changes how answers are computed, never what is answered, and leaves no trace."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.fold import folded, pairs_of
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.zoo import build

# model: what share of its batch normalisations follows a convolution directly
MODELS = {
    "resnet18": 1.0,
    "mobilenetv2": 1.0,
    "glyphnet": 1.0,
    "vit-tiny": 0.0,
    "torchvision:mobilenet_v2": 1.0,
    "torchvision:shufflenet_v2_x0_5": 1.0,
    "torchvision:densenet121": 0.48,  # half of them stand before a convolution instead
    "torchvision:googlenet": 1.0,
    "timm:test_resnet": 1.0,
    "timm:test_byobnet": 1.0,
    "timm:test_efficientnet": 1.0,
}


def _lived_in(model: nn.Module) -> nn.Module:
    """Give every normalisation statistics and scales as after a training."""
    draw = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            with torch.no_grad():
                module.running_mean.normal_(0, 0.3, generator=draw)
                module.running_var.uniform_(0.5, 2, generator=draw)
                module.weight.uniform_(0.5, 1.5, generator=draw)
                module.bias.normal_(0, 0.3, generator=draw)
    return model.eval()


@pytest.mark.parametrize("name", MODELS)
def test_folded_models_give_the_same_answers(name: str) -> None:
    torch.manual_seed(0)
    model = _lived_in(build(name, ModelShape(64, 3, 7), Protocol()))
    modules, weights = dict(model.named_modules()), set(model.state_dict())
    images_BCHW = torch.rand(4, 3, 64, 64)
    with torch.inference_mode():
        expected_BC = model(images_BCHW)
        with folded(model, lambda: images_BCHW):
            inside = dict(model.named_modules())
            answers_BC = model(images_BCHW)
    scale = float(expected_BC.abs().max())
    torch.testing.assert_close(answers_BC, expected_BC, rtol=1e-4, atol=1e-4 * scale)
    norms = [key for key, one in modules.items() if isinstance(one, nn.BatchNorm2d)]
    gone = [key for key in norms if not isinstance(inside[key], nn.BatchNorm2d)]
    assert len(gone) >= MODELS[name] * len(norms)
    assert bool(gone) == bool(MODELS[name])
    assert dict(model.named_modules()) == modules
    assert set(model.state_dict()) == weights


class _Odd(nn.Module):
    """A convolution and its normalisation; how they are used is for heirs to say."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the plain sequence."""
        out_BCHW: Tensor = self.norm(self.conv(x_BCHW))
        return out_BCHW


class _UsesTheAnswerTwice(_Odd):
    def forward(self, x_BCHW: Tensor) -> Tensor:
        between_BCHW = self.conv(x_BCHW)
        out_BCHW: Tensor = self.norm(between_BCHW) + between_BCHW
        return out_BCHW


class _ConvolvesTwice(_Odd):
    def forward(self, x_BCHW: Tensor) -> Tensor:
        out_BCHW: Tensor = self.norm(self.conv(self.conv(x_BCHW)))
        return out_BCHW


class _ReadsTheWeights(_Odd):
    def forward(self, x_BCHW: Tensor) -> Tensor:
        out_BCHW: Tensor = self.norm(self.conv(x_BCHW)) + self.conv.weight.sum()
        return out_BCHW


class _Branches(_Odd):
    def forward(self, x_BCHW: Tensor) -> Tensor:
        if x_BCHW.mean() > 0:
            return super().forward(x_BCHW)
        return x_BCHW


class _Watched(_Odd):
    def __init__(self) -> None:
        super().__init__()
        self.conv.register_forward_hook(lambda *_: None)


class _WithoutStatistics(_Odd):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3, track_running_stats=False)


@pytest.mark.parametrize(
    "kind",
    [
        _UsesTheAnswerTwice,
        _ConvolvesTwice,
        _ReadsTheWeights,
        _Branches,
        _Watched,
        _WithoutStatistics,
    ],
)
def test_what_would_answer_differently_is_left_alone(kind: type[_Odd]) -> None:
    model = kind().eval()
    assert pairs_of(model) == ()
    images_BCHW = torch.rand(2, 3, 8, 8)
    with folded(model, lambda: images_BCHW):
        answers_BCHW = model(images_BCHW)
    assert torch.equal(answers_BCHW, model(images_BCHW))


class _HasASecondName(_Odd):
    def __init__(self) -> None:
        super().__init__()
        self.tail = nn.Sequential(self.norm, nn.ReLU())

    def forward(self, x_BCHW: Tensor) -> Tensor:
        out_BCHW: Tensor = self.tail(self.conv(x_BCHW))
        return out_BCHW


class _ReadsAnAttribute(_Odd):
    def forward(self, x_BCHW: Tensor) -> Tensor:
        out_BCHW: Tensor = self.norm(self.conv(x_BCHW)) / self.norm.num_features
        return out_BCHW


class _ForwardIsPatched(_Odd):
    def __init__(self) -> None:
        super().__init__()
        self.forward = lambda x_BCHW: self.norm(x_BCHW) + self.conv(x_BCHW)  # type: ignore[method-assign]


@pytest.mark.parametrize("kind", [_HasASecondName, _ReadsAnAttribute, _ForwardIsPatched])
def test_what_a_trace_does_not_show_is_found_by_comparing_answers(kind: type[_Odd]) -> None:
    model = _lived_in(kind())
    before = dict(model.named_modules())
    assert len(pairs_of(model)) == 1
    images_BCHW = torch.rand(2, 3, 8, 8)
    with torch.inference_mode():
        expected_BCHW = model(images_BCHW)
        with folded(model, lambda: images_BCHW):
            assert torch.equal(model(images_BCHW), expected_BCHW)
    assert dict(model.named_modules()) == before


def test_a_failure_inside_the_block_leaves_the_model_whole() -> None:
    model = _lived_in(_Odd())
    before = dict(model.named_modules())
    assert len(pairs_of(model)) == 1
    with pytest.raises(KeyboardInterrupt), folded(model, lambda: torch.rand(2, 3, 8, 8)):
        raise KeyboardInterrupt
    assert dict(model.named_modules()) == before


def test_weights_that_changed_meanwhile_are_folded_anew() -> None:
    model = _lived_in(_Odd())
    images_BCHW = torch.rand(2, 3, 8, 8)
    for _ in range(2):
        with torch.inference_mode():
            expected_BCHW = model(images_BCHW)
            with folded(model, lambda: images_BCHW):
                torch.testing.assert_close(model(images_BCHW), expected_BCHW)
        with torch.no_grad():
            model.conv.weight.mul_(2)
            model.norm.bias.add_(1)
