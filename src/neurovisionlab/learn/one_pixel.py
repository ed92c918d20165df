"""Convolutions with one output pixel, computed as matrix products.

Networks designed for 224 px reduce an image of 28 px to a single pixel before their last stages,
and squeeze-and-excitation always does. Each tap of a kernel then meets at most one pixel; for an
input of one pixel a single tap does, and the others meet padding. Here a thread reaches 34 to 48
GFLOP/s with oneDNN's convolutions, designed for images, and 90 to 103 with a matrix product, which
also skips the padding. On a GPU products were no faster (docs/speed-log.md), so the convolution is
used there.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional


class OnePixelConv2d(nn.Conv2d):
    """A convolution that is computed as a matrix product where its output is one pixel.

    Results are equal up to rounding; weights, gradients and their names are those of `Conv2d`.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name for it
        """Return [B, out, H, W] for images [B, in, H, W] (input without a batch as in torch)."""
        precision, windows = _precision(self, input), _windows(self, input)
        if precision is None or windows is None:
            return super().forward(input)
        (rows, tap_rows), (columns, tap_columns) = windows
        image_BCHW = input[:, :, rows, columns]
        taps_OCHW = self.weight[:, :, tap_rows, tap_columns]
        if self.groups == 1:
            output_BO = functional.linear(_flat(image_BCHW), _flat(taps_OCHW), self.bias)
        else:
            output_BO = _each_by_its_own(image_BCHW, taps_OCHW, self.bias).to(precision)
        return output_BO[:, :, None, None]


def use_products(model: nn.Module) -> None:
    """Let a model's convolutions use matrix products where their output is one pixel.

    Their class changes, but they stay the same objects, with their weights and hooks. Convolutions
    of other classes, from a library or a user, are left alone: they may compute something else.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and _can_be_product(module):
            module.__class__ = OnePixelConv2d


def _can_be_product(conv: nn.Conv2d) -> bool:
    """Return whether a convolution is dense or depthwise, undilated, and pads with zeros."""
    is_depthwise = conv.groups == conv.in_channels == conv.out_channels
    return (
        (conv.groups == 1 or is_depthwise)
        and conv.dilation == (1, 1)
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
    )


def _precision(conv: nn.Conv2d, input_BCHW: Tensor) -> torch.dtype | None:
    """Return the dtype of a convolution's output; None for input that it would refuse."""
    of_images, of_weights = input_BCHW.dtype, conv.weight.dtype
    # autocast ignores float64
    if torch.is_autocast_enabled("cpu") and torch.float64 not in (of_images, of_weights):
        return torch.get_autocast_dtype("cpu")
    return of_images if of_images == of_weights else None


PixelWindow = tuple[slice, slice]  # pixels of an image's side, and the taps they meet


def _windows(conv: nn.Conv2d, input_BCHW: Tensor) -> tuple[PixelWindow, PixelWindow] | None:
    """Return the overlapping ranges of image and kernel, (rows, columns).

    None if the output is not one pixel, or the input is not a batch of suitable images.
    """
    if input_BCHW.ndim != 4 or input_BCHW.shape[1] != conv.in_channels:
        return None
    rows, columns = itertools.starmap(
        _window,
        zip(input_BCHW.shape[2:], conv.kernel_size, conv.padding, conv.stride, strict=True),
    )
    return None if rows is None or columns is None else (rows, columns)


def _window(size: int, taps: int, before: int | str, stride: int) -> PixelWindow | None:
    """Return the ranges of `size` pixels and `taps` that meet, with `before` zeros on either side.

    None where the kernel fits more than one place or none, or meets zeros alone.

    >>> _window(size=2, taps=3, before=1, stride=2)
    (slice(0, 2, None), slice(1, 3, None))
    """
    assert isinstance(before, int)
    places_left = size + 2 * before - taps
    meeting = min(size, taps - before)
    if not 0 <= places_left < stride or meeting <= 0:
        return None
    return slice(0, meeting), slice(before, before + meeting)


def _flat(values: Tensor) -> Tensor:
    """Return [N, H·W·C] for [N, C, H, W]: a view for whole images in channels-last layout."""
    return values.permute(0, 2, 3, 1).flatten(1)


def _each_by_its_own(image_BCHW: Tensor, taps_C1HW: Tensor, bias_C: Tensor | None) -> Tensor:
    """Return [B, C]: each channel times its own taps, summed in float32 at least."""
    precise = torch.promote_types(image_BCHW.dtype, torch.float32)
    products_BCHW = image_BCHW.to(precise) * taps_C1HW.squeeze(1).to(precise)
    output_BC = products_BCHW.sum((2, 3))
    return output_BC if bias_C is None else output_BC + bias_C
