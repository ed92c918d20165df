"""From a model's name to an `nn.Module` with the right channels, classes, image and patch size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import timm
from timm.layers.drop import DropPath
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from neurovisionlab.core.errors import ModelError, mould
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.catalogue import Recipe, patch_side, recipe_of


@dataclass(frozen=True)
class Shape:
    """What goes in and what comes out: square images [B, channels, px, px] → [B, classes]."""

    image_px: int
    channels: int
    num_classes: int


def build(name: str, shape: Shape, protocol: Protocol) -> nn.Module:
    """Build a model with fresh weights drawn from torch's global generator.

    Raises:
        ModelError: no such model, or an image size its patches do not divide.
    """
    recipe = recipe_of(name)
    patch_px = patch_side(name, shape.image_px)
    if protocol.pretrained:
        raise ModelError(mould("protocol.pretrained", "false", "true", "pretrained = false"))
    model = _from_timm(recipe, shape, patch_px)
    if recipe.head_std is not None:
        _draw_head(model, recipe.head_std)
    change_stem(model, protocol.stem)
    if protocol.dropout == "off":
        drop_nothing(model)
    return model


def _from_timm(recipe: Recipe, shape: Shape, patch_px: int | None) -> nn.Module:
    options: dict[str, Any] = {
        "in_chans": shape.channels,
        "num_classes": shape.num_classes,
        "drop_rate": recipe.dropout,
        **recipe.options,
    }
    if patch_px is not None:
        options["img_size"] = shape.image_px
    if recipe.timm_name is None:
        return VisionTransformer(patch_size=patch_px or 1, **options)
    model: nn.Module = timm.create_model(recipe.timm_name, **options)
    return model


def _draw_head(model: nn.Module, std: float) -> None:
    """Draw the classifier's weights anew, from a normal distribution; biases are 0."""
    head = cast(Any, model).get_classifier()
    nn.init.normal_(head.weight, std=std)
    nn.init.zeros_(head.bias)


def change_stem(model: nn.Module, stem: str) -> bool:
    """Make a convolutional stem gentler to small images; return whether it changed anything.

    "small": the first convolution has stride 1 and ResNet's max-pool goes; "light": the stride
    stays, the max-pool goes. ResNet's 7×7 kernel becomes 3×3 in both, as is usual at 28–64 px
    (He et al. 2016, section 4.2). A transformer's patch embedding is left alone.
    """
    if stem == "imagenet":
        return False
    stride = 1 if stem == "small" else 2
    net = cast(Any, model)
    if isinstance(getattr(model, "maxpool", None), nn.MaxPool2d):
        first = net.conv1
        net.conv1 = nn.Conv2d(
            first.in_channels, first.out_channels, 3, stride=stride, padding=1, bias=False
        )
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        net.maxpool = nn.Identity()
        return True
    first = getattr(model, "conv_stem", None)
    if isinstance(first, nn.Conv2d) and first.stride != (stride, stride):
        first.stride = (stride, stride)
        return True
    return False


def drop_nothing(model: nn.Module) -> None:
    """Set every dropout and stochastic depth of the model to zero."""
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
        if isinstance(module, DropPath):
            cast(Any, module).drop_prob = 0.0
        if isinstance(getattr(module, "drop_rate", None), float):  # timm's functional dropout
            cast(Any, module).drop_rate = 0.0


def num_parameters(model: nn.Module) -> int:
    """Return how many trainable numbers the model has."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
