"""Models of every kind: shapes, stems, dropout; timm and torchvision are the judges."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn
from torchvision import models as torchvision_models

from neurovisionlab.core.errors import ModelError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.survey import check, facts, list_names
from neurovisionlab.learn.zoo import build

PLAIN = Protocol()


def _first_map_side(model: nn.Module, shape: ModelShape) -> int:
    """Return the side of what the first convolution gives."""
    first = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
    seen: list[int] = []
    first.register_forward_hook(lambda module, args, out: seen.append(out.shape[-1]))
    model.eval()
    with torch.no_grad():
        device = next(model.parameters()).device
        model(torch.zeros(1, shape.channels, shape.image_px, shape.image_px, device=device))
    return seen[0]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "px"),
    [
        ("timm:test_resnet", 28),
        ("timm:test_vit", 32),
        ("timm:test_efficientnet", 28),
        ("torchvision:resnet18", 28),
        ("torchvision:mobilenet_v2", 28),
        ("torchvision:vit_b_32", 64),
        ("torchvision:regnet_y_400mf", 32),
        ("torchvision:squeezenet1_1", 32),
        ("torchvision:googlenet", 32),
        ("torchvision:densenet121", 32),
        ("torchvision:swin_t", 32),
    ],
)
def test_any_library_model_takes_channels_and_classes(name: str, px: int, channels: int) -> None:
    assert check(name, ModelShape(px, channels, 7), PLAIN)


@pytest.mark.parametrize(
    ("name", "px", "said"),
    [
        ("timm:vit_tiny_patch16_224", 28, "image_px = 16 or image_px = 32"),
        ("torchvision:vit_b_16", 28, "image_px = 224"),
        ("timm:convnext_atto", 28, 'stem = "small"'),
        ("torchvision:alexnet", 28, "image_px = 224"),
    ],
)
def test_size_that_a_model_cannot_take(name: str, px: int, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        check(name, ModelShape(px, 1, 10), PLAIN)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "imagenet", "light", "small"),
    [
        ("timm:resnet18", 16, 16, 32),
        ("timm:resnet50d", 16, 16, 32),
        ("timm:mobilenetv2_100", 16, 16, 32),
        ("timm:convnext_atto", 8, 15, 29),
        ("torchvision:resnet18", 16, 16, 32),
        ("torchvision:mobilenet_v2", 16, 16, 32),
        ("torchvision:densenet121", 16, 16, 32),
        ("timm:vit_tiny_patch16_224", 2, 2, 2),
        ("torchvision:swin_t", 8, 8, 8),
    ],
)
def test_stems(name: str, imagenet: int, light: int, small: int) -> None:
    shape, sides = ModelShape(32, 3, 5), []
    for stem in ("imagenet", "light", "small"):
        with torch.device("meta"):
            model = build(name, shape, Protocol(stem=stem))
        sides.append(_first_map_side(model, shape))
    assert sides == [imagenet, light, small]


@pytest.mark.parametrize("name", ["timm:resnet18", "timm:resnet50d", "torchvision:googlenet"])
def test_light_stem_drops_the_first_pool_alone(name: str) -> None:
    def pools(stem: str) -> int:
        with torch.device("meta"):
            model = build(name, ModelShape(64, 3, 5), Protocol(stem=stem))
        return sum(isinstance(module, nn.MaxPool2d) for module in model.modules())

    assert pools("light") == pools("imagenet") - 1


def test_check_says_where_a_stem_has_no_effect() -> None:
    light = Protocol(stem="light")
    shape = ModelShape(32, 1, 5)
    assert check("timm:resnet18", shape, light)
    assert not check("timm:mobilenetv2_100", shape, light)  # has stride 2 already
    assert not check("timm:test_vit", shape, light)
    assert not check("torchvision:vgg11", shape, light)  # stride 1 already


def test_check_leaves_the_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check("torchvision:regnet_y_400mf", ModelShape(32, 1, 3), PLAIN)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    "name",
    ["mobilenetv2", "torchvision:mobilenet_v2", "torchvision:squeezenet1_1",
     "torchvision:shufflenet_v2_x0_5", "torchvision:efficientnet_b0", "timm:test_efficientnet"],
)  # fmt: skip
def test_without_dropout_training_mode_answers_alike_twice(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, ModelShape(32, 1, 5), Protocol(dropout="off")).train()
    images = torch.rand(4, 1, 32, 32)
    assert torch.equal(model(images), model(images))


def test_with_dropout_it_does_not() -> None:
    torch.manual_seed(0)
    model = build("torchvision:mobilenet_v2", ModelShape(32, 1, 5), PLAIN).train()
    images = torch.rand(4, 1, 32, 32)
    assert not torch.equal(model(images), model(images))


def test_library_models_are_the_libraries_own() -> None:
    """From one seed, three channels: the same weights as if asked for directly."""
    torch.manual_seed(1)
    ours = build("torchvision:resnet18", ModelShape(32, 3, 5), PLAIN)
    torch.manual_seed(1)
    theirs = torchvision_models.resnet18(num_classes=5)
    torch.manual_seed(1)
    timms = build("timm:test_resnet", ModelShape(32, 3, 5), PLAIN)
    torch.manual_seed(1)
    direct = timm.create_model("test_resnet", num_classes=5)
    for one, other in ((ours, theirs), (timms, direct)):
        for (name, tensor), expected in zip(
            one.state_dict().items(), other.state_dict().values(), strict=True
        ):
            assert torch.equal(tensor, expected), name


def test_facts_agree_with_published_numbers() -> None:
    """torchvision's own documentation gives parameters and GFLOPS (its word for MACs)."""
    for name in ("resnet18", "mobilenet_v2", "vit_b_16"):
        meta = torchvision_models.get_model_weights(name)["IMAGENET1K_V1"].meta
        known = facts(f"torchvision:{name}")
        assert known.num_parameters == meta["num_params"]
        assert known.num_macs is not None
        assert known.num_macs / 1e9 == pytest.approx(meta["_ops"], rel=0.01, abs=0.005)


def test_facts_of_timm_name_weights_and_licence() -> None:
    known = facts("timm:resnet18.tv_in1k")
    assert (known.image_px, known.channels, known.num_classes) == (224, 3, 1000)
    assert known.weights == "timm resnet18.tv_in1k" and known.weights_licence == "bsd-3-clause"


def test_filters() -> None:
    assert list_names("vit*") == ["vit-b16", "vit-tiny", "vit-small"]
    assert "torchvision:resnet18" in list_names("torchvision:res*")
    assert list_names("timm:resnet18.tv_in1k") == ["timm:resnet18.tv_in1k"]
    with pytest.raises(ModelError, match="resnet18"):
        list_names("resnot")
