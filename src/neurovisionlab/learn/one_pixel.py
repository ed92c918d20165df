"""Convolutions of images of one pixel, as the products of matrices that they are.

Networks made for 224 px have shrunk an image of 28 px to a single pixel before their last stages,
and squeeze-and-excitation does so everywhere. A kernel then meets the pixel with one tap; the
others meet padding. oneDNN's convolutions, made for images, run there at 35 to 48 GFLOP/s where a
product of matrices runs at 90 to 100, and compute with all nine taps of a 3×3 kernel
(docs/speed-log.md). GPUs have kernels of their own for this and keep the convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class OnePixelConv2d(nn.Conv2d):
    """A convolution that multiplies by the one tap that matters where an image is one pixel.

    The same numbers but for rounding; weights, gradients and their names are those of `Conv2d`.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name for it
        """Return [B, out, H, W] for images [B, in, H, W] (a batch; one without it as in torch)."""
        tap = _only_tap(self) if input.ndim == 4 and input.shape[2:] == (1, 1) else None
        if tap is None:
            return super().forward(input)
        weight = self.weight[:, :, tap[0], tap[1]]
        if self.groups == 1:
            output = functional.linear(input.flatten(1), weight, self.bias)
        else:
            output = _scaled(input.flatten(1), weight.flatten(), self.bias)
        return output[:, :, None, None]


def use_products(model: nn.Module) -> None:
    """Let a model's own convolutions multiply where an image is one pixel.

    They change their class and stay the same objects, with their weights and hooks. Convolutions
    of another class, a library's or a user's own, are left alone: they may compute otherwise.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and module.groups in (1, module.out_channels):
            module.__class__ = OnePixelConv2d


def _only_tap(conv: nn.Conv2d) -> tuple[int, int] | None:
    """Return (row, column) of the tap that meets the pixel.

    None where there is not exactly one answer of one pixel that has such a tap, or where padding
    is not zeros.
    """
    is_depthwise = conv.groups == conv.in_channels == conv.out_channels
    if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        return None
    if conv.groups > 1 and not is_depthwise:
        return None
    row, column = (
        _tap(size, before, apart, stride)
        for size, before, apart, stride in zip(
            conv.kernel_size, conv.padding, conv.dilation, conv.stride, strict=True
        )
    )
    return None if row is None or column is None else (row, column)


def _tap(size: int, before: int, apart: int, stride: int) -> int | None:
    """Return which of `size` taps, `apart` pixels apart, meets a pixel after `before` zeros.

    >>> _tap(size=3, before=1, apart=1, stride=2), _tap(size=1, before=0, apart=1, stride=1)
    (1, 0)
    """
    tap, between = divmod(before, apart)
    spare = 2 * before - apart * (size - 1)  # places to which the kernel can still move
    return tap if between == 0 and tap < size and 0 <= spare < stride else None


def _scaled(input_BC: Tensor, weight_C: Tensor, bias_C: Tensor | None) -> Tensor:
    """Return each channel by its own weight, in the precision that a convolution would have."""
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        input_BC, weight_C = input_BC.to(dtype), weight_C.to(dtype)
        bias_C = None if bias_C is None else bias_C.to(dtype)
    output_BC = input_BC * weight_C
    return output_BC if bias_C is None else output_BC + bias_C
