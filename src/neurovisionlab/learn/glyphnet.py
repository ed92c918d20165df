"""A compact residual network for characters of 28 to 32 px rather than photographs of 224 px.

Differences from an ImageNet architecture, and their reasons:

- The stem of ResNet-18 reduces the image by a factor of four before any feature is recognised: 7 of
  28 pixels are left, about the width of a stroke. Here the image is halved once at the start.
- Depth: with one residual block in each of three stages the receptive field of the last feature is
  49 pixels, more than the whole character. `glyphnet-medium` has a second block in the stages with
  small feature maps: half more time, for a gain that one seed could not distinguish from chance
  (docs/speed-log.md).
- Width: 32, 64, 128 channels; doubling the width when the area is quartered keeps the arithmetic of
  the stages about equal.
"""

from __future__ import annotations

from torch import Tensor, nn


class GlyphNet(nn.Module):
    """Residual network: images [B, channels, H, W] → logits [B, num_classes]; H and W at least 8.

    Args:
        num_classes: number of classes.
        channels: 1 for grey, 3 for colour.
        widths: channels of each stage; all but the first halve the image.
        depths: residual blocks of each stage.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int,
        widths: tuple[int, ...] = (32, 64, 128),
        depths: tuple[int, ...] = (1, 1, 1),
    ) -> None:
        super().__init__()
        half = widths[0] // 2
        # a layer at full size detects edges first: it is cheap, since it has few channels, and
        # halving a map of edges loses less of a thin stroke than halving pixels
        self.stem = nn.Sequential(
            *_conv_norm_act(channels, half, 1), *_conv_norm_act(half, widths[0], 2)
        )
        blocks: list[Residual] = []
        before = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            first = Residual(before, width, stride=1 if stage == 0 else 2)
            blocks += [first, *(Residual(width, width, 1) for _ in range(depth - 1))]
            before = width
        self.stages = nn.Sequential(*blocks)
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits [B, num_classes]."""
        features_BCHW = self.stages(self.stem(images_BCHW))
        # the mean over positions makes the logits largely invariant to shifts
        logits_BC: Tensor = self.head(features_BCHW.mean(dim=(2, 3)))
        return logits_BC


class Residual(nn.Module):
    """Two 3×3 convolutions with a shortcut (He et al. 2016), initially the shortcut alone.

    The scale of the second normalisation is initialised to zero (Goyal et al. 2017), so that the
    block starts as its shortcut and tolerates a high learning rate from the first steps.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(*_conv_norm_act(channels_in, channels_out, stride))
        norm = nn.BatchNorm2d(channels_out)
        nn.init.zeros_(norm.weight)
        self.second = nn.Sequential(_conv3x3(channels_out, channels_out, 1), norm)
        self.shortcut = _shortcut(channels_in, channels_out, stride)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return [B, channels_out, H / stride, W / stride] for x [B, channels_in, H, W]."""
        out_BCHW: Tensor = self.act(self.second(self.first(x_BCHW)) + self.shortcut(x_BCHW))
        return out_BCHW


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    # averaging before the 1×1 convolution: with a stride it would discard three of four positions
    # (He, T. et al. 2019, "ResNet-D")
    return nn.Sequential(
        nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
        nn.Conv2d(channels_in, channels_out, 1, bias=False),
        nn.BatchNorm2d(channels_out),
    )


def _conv3x3(channels_in: int, channels_out: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)


def _conv_norm_act(channels_in: int, channels_out: int, stride: int) -> tuple[nn.Module, ...]:
    conv = _conv3x3(channels_in, channels_out, stride)
    return conv, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)
