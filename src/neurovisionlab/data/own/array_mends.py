"""Diagnosis of arrays that are not uint8 [N, H, W, 1 or 3], and numpy code that converts them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from neurovisionlab.data.npz import Header

Ends = Callable[[], tuple[Any, Any]]


def mend_of(images: Header, ends: Ends, num_labels: int) -> tuple[str, str]:
    """Return (description of an array, numpy expression over `images` that converts it).

    Args:
        images: header of an array of any dtype.
        ends: returns its smallest and its largest number; only called if it has any.
        num_labels: expected number of images, which identifies their axis.
    """
    kinds = [_value_mend(images, ends), _layout_mend(images.shape, num_labels)]
    said = [what for what, _ in kinds if what]
    got = ", ".join([f"{images.dtype} {list(images.shape)}", *said])
    call = "".join(code for _, code in kinds)
    return got, f"images{call}" if call.startswith((".", "[")) else call


def _value_mend(images: Header, ends: Ends) -> tuple[str, str]:
    """Return a description of the values and the code that converts them to uint8; "" for uint8."""
    kind = images.dtype.kind
    if images.dtype == np.uint8:
        return "", ""
    if kind == "b":
        return "true and false", "(images * numpy.uint8(255))"
    if kind not in "iuf" or 0 in images.shape:
        return "", '.astype("uint8")' if kind in "iuf" else ""
    low, high = ends()
    if not np.isfinite(low) or not np.isfinite(high):
        return "not all finite", "numpy.nan_to_num(images)"
    said = f"from {low:.4g} to {high:.4g}" if kind == "f" else f"from {low} to {high}"
    return said, _float_mend(low, high) if kind == "f" else _int_mend(int(low), int(high))


def _float_mend(low: float, high: float) -> str:
    if low >= 0 and high <= 1:
        return '(images * 255).round().astype("uint8")'
    if low >= -1 and high <= 1:
        return '((images + 1) * 127.5).round().astype("uint8")'
    if low >= 0 and high <= 255:
        return '.round().astype("uint8")'
    span = high - low or 1.0
    return f'((images - {low:.9g}) / {span:.9g} * 255).clip(0, 255).round().astype("uint8")'


def _int_mend(low: int, high: int) -> str:
    if low >= 0 and high <= 255:
        return '.astype("uint8")'
    if low >= 0:  # 10, 12 or 16 bits: the upper eight of those in use
        return f'(images >> {high.bit_length() - 8}).astype("uint8")'
    if low >= -128 and high <= 127:
        return '(images.astype("int16") + 128).astype("uint8")'
    return f'((images - {low}.0) / {high - low or 1} * 255).round().astype("uint8")'


def _layout_mend(shape: tuple[int, ...], num_labels: int) -> tuple[str, str]:
    """Return a description of the axes and the code that reorders them; "" if they are right."""
    if len(shape) == 2:
        return _flat_mend(shape[1])
    if len(shape) not in (3, 4):
        return f"{len(shape)}-dimensional", ""
    if is_turned(shape, num_labels):
        return _last_mend(shape)
    return _channel_mend(shape) if len(shape) == 4 else ("", "")


def _channel_mend(shape: tuple[int, ...]) -> tuple[str, str]:
    if _is_channels_first(shape):
        more = "" if shape[1] in (1, 3) else _fewer_channels(shape[1])
        return "channels first", f".transpose(0, 2, 3, 1){more}"
    if shape[3] not in (1, 3):
        what = {2: "grey and alpha", 4: "red, green, blue and alpha"}
        return what.get(shape[3], f"{shape[3]} channels"), _fewer_channels(shape[3])
    return "", ""


def _flat_mend(num_values: int) -> tuple[str, str]:
    for channels, axes in ((1, ""), (3, ", 3")):
        side = math.isqrt(num_values // channels)
        if side and side * side * channels == num_values:
            return "images in rows", f".reshape(-1, {side}, {side}{axes})"
    return "images in rows", ".reshape(-1, HEIGHT, WIDTH)"


def is_turned(shape: tuple[int, ...], num_labels: int) -> bool:
    """Return whether the last axis, not the first, counts the images, as stored by MATLAB."""
    if num_labels in (1, 3) or len(shape) not in (3, 4):  # these may be channels
        return False
    return shape[0] != num_labels and shape[-1] == num_labels


def _last_mend(shape: tuple[int, ...]) -> tuple[str, str]:
    if len(shape) == 3:
        return "images last", ".transpose(2, 0, 1)"
    if shape[2] in (1, 3):
        return "images last", ".transpose(3, 0, 1, 2)"
    if shape[0] in (1, 3):
        return "channels first, images last", ".transpose(3, 1, 2, 0)"
    return "images last", f".transpose(3, 0, 1, 2){_fewer_channels(shape[2])}"


def _is_channels_first(shape: tuple[int, ...]) -> bool:
    """Return whether axis 1 is channels: few, while the last axis is long or makes a square."""
    _, first, height, last = shape
    if last in (1, 3) or first not in (1, 2, 3, 4):
        return False
    return last > 4 or height == last


def _fewer_channels(channels: int) -> str:
    return "[..., :3]" if channels > 2 else "[..., :1]"
