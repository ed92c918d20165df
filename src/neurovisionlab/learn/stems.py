"""First layers: adapted to small images, to another number of channels, or reinitialised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from torch import Tensor, nn

# a max-pool after more convolutions than this belongs to a stage, not to the stem
_STEM_CONVOLUTIONS = 3


def change_stem(model: nn.Module, stem: str, keep_weights: bool = False) -> bool:
    """Adapt a convolutional stem to small images; return whether it changed anything.

    "small": the first convolution has stride 1 and the stem's max-pool is removed; "light": its
    stride is at most 2 and the max-pool is removed. ResNet's 7×7 kernel becomes 3×3 in both, as is
    usual at 28–64 px (He et al. 2016, section 4.2), unless `keep_weights` is set. Models with
    attention are left unchanged: their sizes depend on the patch embedding.
    """
    if stem == "imagenet" or _has_attention(model):
        return False
    stride = 1 if stem == "small" else 2
    net = cast(Any, model)
    is_resnet = isinstance(getattr(model, "maxpool", None), nn.MaxPool2d)
    if is_resnet and isinstance(getattr(model, "conv1", None), nn.Conv2d) and not keep_weights:
        first = net.conv1
        net.conv1 = nn.Conv2d(
            first.in_channels, first.out_channels, 3, stride=stride, padding=1, bias=False
        )
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        net.maxpool = nn.Identity()
        return True
    return _soften(model, stride)


def _soften(model: nn.Module, stride: int) -> bool:
    """Lower the stride of a strided first convolution; remove the stem's max-pool."""
    first = next((conv for _, conv in _convolutions(model)), None)
    if first is None or max(first.stride) == 1:
        return False
    pool = _stem_pool(model)
    changes = pool is not None or max(first.stride) > stride
    first.stride = tuple(min(one, stride) for one in first.stride)
    if pool is not None:
        parent, _, name = pool.rpartition(".")
        setattr(model.get_submodule(parent), name, nn.Identity())
    return changes


def _stem_pool(model: nn.Module) -> str | None:
    """Return the name of the stem's max-pool, in the order of registration; None without one."""
    num_convolutions = 0
    name: str
    for name, module in model.named_modules():
        num_convolutions += isinstance(module, nn.Conv2d)
        if isinstance(module, nn.MaxPool2d):
            return name
        if num_convolutions > _STEM_CONVOLUTIONS:
            return None
    return None


def _has_attention(model: nn.Module) -> bool:
    return any("Attention" in type(module).__name__ for module in model.modules())


def _convolutions(model: nn.Module) -> Iterator[tuple[str, nn.Conv2d]]:
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            yield name, module


def first_layers(model: nn.Module) -> list[str]:
    """Return the names of the layers that take the image: stated by timm, else the first Conv2d."""
    cfg = getattr(model, "pretrained_cfg", None) or {}
    named = cfg.get("first_conv") if isinstance(cfg, dict) else None
    if named:
        return [named] if isinstance(named, str) else list(named)
    return [name for name, _ in _convolutions(model)][:1]


def draw_anew(model: nn.Module) -> None:
    """Reinitialise weights and bias of the first layers with PyTorch's defaults."""
    for name in first_layers(model):
        cast(Any, model.get_submodule(name)).reset_parameters()


def summed(weight_OIHW: Tensor, channels: int) -> Tensor:
    """Return the weights of a first layer for `channels` input channels.

    For one channel they are summed over the input channels: the grey layer on x equals the colour
    layer on x repeated. For other numbers they are returned unchanged.

    Args:
        weight_OIHW: weights [out, in, H, W].
        channels: number of input channels.
    """
    if channels == 1 and weight_OIHW.shape[1] > 1:
        return weight_OIHW.sum(dim=1, keepdim=True)
    return weight_OIHW


def take_channels(model: nn.Module, channels: int) -> None:
    """Change the first layers of a colour model to `channels` channels, summing their weights."""
    for name in first_layers(model):
        conv = cast(nn.Conv2d, model.get_submodule(name))
        if conv.in_channels != channels:
            conv.weight = nn.Parameter(summed(conv.weight.detach(), channels))
            conv.in_channels = channels
