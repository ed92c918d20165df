"""The compact model with one thing changed at a time, for `architecture.toml`: models of our own.

Each function takes what every model of a user takes: num_classes, channels, image_px.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from neurovisionlab.learn.glyphnet import GlyphNet

Network = Callable[[int, int, int], GlyphNet]


def base(num_classes: int, channels: int, image_px: int) -> GlyphNet:
    """Return the compact model as it is."""
    return GlyphNet(num_classes, channels)


def _of_widths(*widths: int) -> Network:
    def network(num_classes: int, channels: int, image_px: int) -> GlyphNet:
        return GlyphNet(num_classes, channels, widths)

    return network


wider = _of_widths(48, 96, 192)
widest = _of_widths(64, 128, 256)


def _of_depths(*depths: int) -> Network:
    def network(num_classes: int, channels: int, image_px: int) -> GlyphNet:
        return GlyphNet(num_classes, channels, depths=depths)

    return network


deeper = _of_depths(1, 2, 2)
deeper_everywhere = _of_depths(2, 2, 2)
deepest = _of_depths(1, 3, 3)


def _replace(network: nn.Module, kind: type, by: Callable[[nn.Module], nn.Module]) -> None:
    for name, child in network.named_children():
        if isinstance(child, kind):
            setattr(network, name, by(child))
        else:
            _replace(child, kind, by)


def _with_activation(act: Callable[[], nn.Module]) -> Network:
    def network(num_classes: int, channels: int, image_px: int) -> GlyphNet:
        changed = GlyphNet(num_classes, channels)
        _replace(changed, nn.ReLU, lambda _: act())
        return changed

    return network


silu = _with_activation(lambda: nn.SiLU(inplace=True))
hardswish = _with_activation(lambda: nn.Hardswish(inplace=True))


def group_norm(num_classes: int, channels: int, image_px: int) -> GlyphNet:
    """Return it with groups of eight channels normalised within an image, not over the batch."""
    network = GlyphNet(num_classes, channels)

    def grouped(norm: nn.Module) -> nn.Module:
        assert isinstance(norm, nn.BatchNorm2d)
        new = nn.GroupNorm(norm.num_features // 8, norm.num_features)
        new.load_state_dict({"weight": norm.weight, "bias": norm.bias})
        return new

    _replace(network, nn.BatchNorm2d, grouped)
    return network


class MeanAndMax(GlyphNet):
    """The compact model that looks at mean and maximum over places."""

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__(num_classes, channels)
        self.head = nn.Linear(2 * self.head.in_features, num_classes)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits [B, num_classes]."""
        features_BCHW = self.stages(self.stem(images_BCHW))
        pooled_BC = torch.cat([features_BCHW.mean((2, 3)), features_BCHW.amax((2, 3))], dim=1)
        logits_BC: Tensor = self.head(pooled_BC)
        return logits_BC


def mean_and_max(num_classes: int, channels: int, image_px: int) -> GlyphNet:
    """Return it with both poolings."""
    return MeanAndMax(num_classes, channels)


def whole_map(num_classes: int, channels: int, image_px: int) -> GlyphNet:
    """Return it with a linear layer over all places of the last feature map, unpooled."""
    network = GlyphNet(num_classes, channels)
    side = -(-image_px // 8)
    network.head = nn.Linear(128 * side**2, num_classes)
    network.forward = lambda images: network.head(  # type: ignore[method-assign]
        network.stages(network.stem(images)).flatten(1)
    )
    return network


def pooled_stem(num_classes: int, channels: int, image_px: int) -> GlyphNet:
    """Return it with a first convolution at full size and max-pooling, instead of a stride."""
    network = GlyphNet(num_classes, channels)
    network.stem = nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )
    return network
