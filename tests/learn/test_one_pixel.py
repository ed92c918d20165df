"""Products in place of convolutions to one pixel: torch's own convolutions are the judge."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.fold import folded
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.one_pixel import OnePixelConv2d, use_products
from neurovisionlab.learn.zoo import build


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Take note, for each call, of whether a convolution was taken or a product."""
    found: list[bool] = []
    convolve = nn.Conv2d.forward
    multiply = OnePixelConv2d.forward

    def watched(conv: OnePixelConv2d, images: Tensor) -> Tensor:
        found.append(True)
        return multiply(conv, images)

    def convolved(conv: nn.Conv2d, images: Tensor) -> Tensor:
        if isinstance(conv, OnePixelConv2d):
            found[-1] = False
        return convolve(conv, images)

    monkeypatch.setattr(OnePixelConv2d, "forward", watched)
    monkeypatch.setattr(nn.Conv2d, "forward", convolved)
    return found


def _twins(**options: Any) -> tuple[nn.Conv2d, nn.Conv2d]:
    """Return a convolution of 6 channels and one that may take products, with equal weights."""
    torch.manual_seed(0)
    usual = nn.Conv2d(6, options.pop("out", 6), **options)
    ours = copy.deepcopy(usual)
    use_products(ours)
    return usual, ours


def _answer_and_gradients(conv: nn.Conv2d, images_BCHW: Tensor) -> list[Tensor]:
    images_BCHW = images_BCHW.clone().requires_grad_()
    output = conv(images_BCHW)
    output.float().square().sum().backward()
    assert images_BCHW.grad is not None
    return [output, images_BCHW.grad, *(p.grad for p in conv.parameters() if p.grad is not None)]


# every arrangement in which the kernel fits somewhere
GEOMETRIES = [
    (side, {"kernel_size": size, "padding": before, "dilation": apart, "stride": stride})
    for side, size, before, apart, stride in itertools.product(
        (1, 2, 4), (1, 2, 3, 4, 5), (0, 1, 2), (1, 2), (1, 2, 3)
    )
    if side + 2 * before >= apart * (size - 1) + 1
]


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("side", [1, 2, 4])
def test_answers_and_gradients_are_a_convolutions(
    side: int, groups: int, taken: list[bool]
) -> None:
    for geometry in (geometry for its_side, geometry in GEOMETRIES if its_side == side):
        usual, ours = _twins(**geometry, groups=groups)
        for num in (5, 1):
            images_BCHW = torch.randn(num, 6, side, side)
            taken.clear()
            expected = _answer_and_gradients(usual, images_BCHW)
            for one, other in zip(_answer_and_gradients(ours, images_BCHW), expected, strict=True):
                torch.testing.assert_close(one, other)
            is_one_pixel = expected[0].shape[2:] == (1, 1)
            sees_something = bool(expected[1].any())  # a gradient for the images
            can_multiply = groups != 2 and geometry["dilation"] == 1
            # layers that can never multiply do not even change their class
            expected_taken = [is_one_pixel and sees_something] if can_multiply else []
            assert taken == expected_taken, geometry


def test_sides_that_differ_are_looked_at_one_by_one(taken: list[bool]) -> None:
    usual, ours = _twins(kernel_size=(4, 3), padding=(0, 1), stride=(1, 2))
    for height, width in ((4, 2), (4, 4), (5, 2), (4, 1)):
        images_BCHW = torch.randn(5, 6, height, width)
        torch.testing.assert_close(ours(images_BCHW), usual(images_BCHW))
    assert taken == [True, False, False, True]


@pytest.mark.parametrize(
    ("side", "options"),
    [
        (1, {"kernel_size": 1}),
        (1, {"kernel_size": 1, "out": 9, "bias": False}),
        (2, {"kernel_size": 1, "stride": 2}),
        (1, {"kernel_size": 3, "padding": 1}),
        (2, {"kernel_size": 3, "padding": 1, "stride": 2}),
        (4, {"kernel_size": 4}),
        (1, {"kernel_size": (3, 1), "padding": (1, 0)}),
        (2, {"kernel_size": 3, "padding": 1, "stride": 2, "groups": 6}),
        (1, {"kernel_size": 5, "padding": 2, "bias": False, "groups": 6}),
    ],
    ids=str,
)
def test_common_layers_take_products(side: int, options: dict[str, Any], taken: list[bool]) -> None:
    usual, ours = _twins(**options)
    for num, px in ((5, side), (0, side), (5, 8)):
        images_BCHW = torch.randn(num, 6, px, px)
        torch.testing.assert_close(ours(images_BCHW), usual(images_BCHW))
    assert taken == [True, True, False]


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 1, "padding_mode": "circular"},
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 1, "padding": 1},  # nine answers
        {"kernel_size": 1, "padding": 1, "stride": 3},  # one, from padding alone
        {"kernel_size": 2, "padding": 1},  # four answers
        {"kernel_size": 3, "padding": 1, "groups": 2},
        {"kernel_size": 3, "padding": 2, "dilation": 2},
        {"kernel_size": 1, "groups": 6, "out": 12},
    ],
    ids=str,
)
def test_all_other_layers_stay_convolutions(options: dict[str, Any], taken: list[bool]) -> None:
    usual, ours = _twins(**options)
    images_BCHW = torch.randn(5, 6, 1, 1)
    torch.testing.assert_close(ours(images_BCHW), usual(images_BCHW))
    assert not any(taken)


def test_an_image_without_a_batch_is_answered_as_by_torch() -> None:
    usual, ours = _twins(kernel_size=1)
    image_CHW = torch.randn(6, 1, 1)
    torch.testing.assert_close(ours(image_CHW), usual(image_CHW))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize("of_images", ["float32", "autocast"])
def test_autocast_gives_a_convolutions_precision(
    dtype: torch.dtype, groups: int, of_images: str, taken: list[bool]
) -> None:
    usual, ours = _twins(kernel_size=3, padding=1, stride=2, groups=groups)
    images_BCHW = torch.randn(5, 6, 2, 2).to(dtype if of_images == "autocast" else torch.float32)
    with torch.autocast("cpu", dtype):
        expected = _answer_and_gradients(usual, images_BCHW)
        found = _answer_and_gradients(ours, images_BCHW)
    assert found[0].dtype == expected[0].dtype == dtype
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(
            one, other, rtol=2e-2, atol=2e-2 * float(other.detach().abs().max())
        )
    assert taken == [True]


@pytest.mark.parametrize("groups", [1, 6])
def test_what_a_convolution_refuses_is_refused(groups: int) -> None:
    for conv in _twins(kernel_size=1, groups=groups):
        for images in (torch.randn(5, 1, 1, 1), torch.randn(5, 6, 1, 1).double()):
            with pytest.raises(RuntimeError):
                conv(images)


@pytest.mark.parametrize("groups", [1, 6])
def test_autocast_leaves_doubles_alone(groups: int) -> None:
    usual, ours = (conv.double() for conv in _twins(kernel_size=1, groups=groups))
    images_BCHW = torch.randn(5, 6, 1, 1).double()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(ours(images_BCHW), usual(images_BCHW))


def test_compiled_it_answers_and_learns_the_same() -> None:
    layers = [nn.Conv2d(6, 6, 3, 2, 1), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 3, 1, 1, groups=6)]
    usual = nn.Sequential(*layers)
    ours = copy.deepcopy(usual)
    use_products(ours)
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True)
    images_BCHW = torch.randn(5, 6, 2, 2)
    expected, found = usual(images_BCHW), compiled(images_BCHW)
    torch.testing.assert_close(found, expected)
    (expected.square().sum() + found.square().sum()).backward()
    for one, other in zip(ours.parameters(), usual.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


class _OwnConv(nn.Conv2d):
    """A user's, which does something else."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name for it
        """Return twice what torch's returns."""
        return 2 * super().forward(input)


def test_a_models_own_kind_of_convolution_is_left_alone() -> None:
    model = nn.Sequential(_OwnConv(6, 6, 1), nn.Conv2d(6, 6, 1))
    hook_saw: list[int] = []
    model[1].register_forward_hook(lambda *_: hook_saw.append(1))
    use_products(model)
    assert [type(module) for module in model] == [_OwnConv, OnePixelConv2d]
    model(torch.randn(2, 6, 1, 1))
    assert hook_saw == [1]


MODELS = [
    "resnet18",
    "mobilenetv2",
    "glyphnet",
    "torchvision:mobilenet_v3_small",
    "timm:test_efficientnet",
    "timm:test_byobnet",
]


@pytest.mark.parametrize("name", MODELS)
def test_whole_models_answer_and_learn_alike(name: str, taken: list[bool]) -> None:
    torch.manual_seed(0)
    usual = build(name, ModelShape(32, 1, 7), Protocol(stem="imagenet"))
    ours = copy.deepcopy(usual)
    use_products(ours)
    assert list(ours.state_dict()) == list(usual.state_dict())
    images_BCHW = torch.rand(16, 1, 32, 32)
    # normalised by fixed statistics: those of a dozen single pixels would make much of rounding
    for model in (usual, ours):
        model.eval()(images_BCHW).logsumexp(1).sum().backward()
    assert any(taken) == (name != "glyphnet")  # whose images end at several pixels
    for one, other in zip(ours.parameters(), usual.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        scale = 1e-5 * float(other.grad.abs().max())
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=scale + 1e-7)
    with torch.inference_mode(), folded(ours, lambda: images_BCHW[:2]):
        folds = [m for m in ours.modules() if isinstance(m, nn.BatchNorm2d)]
        torch.testing.assert_close(ours(images_BCHW), usual(images_BCHW), rtol=1e-3, atol=1e-4)
    assert not folds
