"""What this machine can do at most: arithmetic, copying, calls. Measured beside the models."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional

CONVS = ((64, 28), (128, 28), (128, 14), (256, 14))  # channels in and out, side in pixels


class Ceilings(NamedTuple):
    """The machine's best, with the threads that the laboratory uses.

    Attributes:
        matmul_gflops: a product of two fp32 matrices of 2,048 × 2,048.
        conv_gflops: forward and backward pass of a 3×3 convolution of 64 images, channels-last:
            9 · channels² · px² · 64 multiply-accumulates, three times; the best of `CONVS`.
        copy_gbs: bytes read and written a second while 256 MiB are copied.
        call_us: a call of torch on a single number, with its share of the backward pass.
    """

    matmul_gflops: float
    conv_gflops: float
    copy_gbs: float
    call_us: float


def measure(repeats: int = 7) -> Ceilings:
    """Measure all four; medians over repeats."""
    return Ceilings(
        _matmul(repeats),
        max(_conv(repeats, *shape) for shape in CONVS),
        _copy(repeats),
        _call(repeats),
    )


def _seconds(call: Callable[[], object], repeats: int) -> float:
    call()
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def _matmul(repeats: int, side: int = 2048) -> float:
    a, b = torch.rand(side, side), torch.rand(side, side)
    return 2 * side**3 / _seconds(lambda: a @ b, repeats) / 1e9


def _conv(repeats: int, channels: int, px: int, batch: int = 64) -> float:
    images = torch.rand(batch, channels, px, px).to(memory_format=torch.channels_last)
    images.requires_grad_()
    weight = torch.rand(channels, channels, 3, 3).to(memory_format=torch.channels_last)
    weight.requires_grad_()
    ones = torch.ones_like(functional.conv2d(images, weight, padding=1))

    def both_ways() -> None:
        functional.conv2d(images, weight, padding=1).backward(ones)

    flops = 3 * 2 * batch * px**2 * 9 * channels**2
    return flops / _seconds(both_ways, repeats) / 1e9


def _copy(repeats: int, num_bytes: int = 2**28) -> float:
    source = torch.ones(num_bytes, dtype=torch.uint8)
    target = torch.empty_like(source)
    return 2 * num_bytes / _seconds(lambda: target.copy_(source), repeats) / 1e9


def _call(repeats: int, num: int = 1000) -> float:
    start = torch.ones(1, requires_grad=True)

    def chain() -> None:
        x = start
        for _ in range(num):
            x = x * 1.0
        x.backward()

    # each link is one call on the way there and one on the way back
    return _seconds(chain, repeats) / (2 * num) * 1e6
