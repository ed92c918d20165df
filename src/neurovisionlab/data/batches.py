"""Batches of a data set that is staged on the device once, as uint8.

Resizing, scaling and augmentation are tensor operations per batch: no worker processes, no copies
of images from host to device, the same code on a CPU and a GPU.

Shape suffixes: N images of a part, B of a batch, C channels, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from neurovisionlab.data.augment import Augment, moved, no_augmentation

# ITU-R BT.601, as Pillow's convert("L")
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Staged:
    """One part of a data set on the device.

    Attributes:
        images_NCHW: uint8.
        labels_N: int64, 0..C-1 for C classes.
    """

    images_NCHW: Tensor
    labels_N: Tensor

    def __len__(self) -> int:
        return len(self.labels_N)


def stage(
    images_NHWC: NDArray[np.uint8], labels_N: NDArray[np.int64], to_grey: bool, device: torch.device
) -> Staged:
    """Stage images on the device as uint8 [N, C, H, W]; with `to_grey`, RGB becomes one channel.

    Args:
        images_NHWC: images with 1 or 3 channels.
        labels_N: class numbers.
        to_grey: convert RGB to luma.
        device: device of the result.
    """
    images_NCHW = torch.from_numpy(np.ascontiguousarray(images_NHWC.transpose(0, 3, 1, 2)))
    if to_grey and images_NCHW.shape[1] == 3:
        images_NCHW = grey(images_NCHW)
    return Staged(images_NCHW.to(device), torch.from_numpy(labels_N).to(device))


def grey(images_NCHW: Tensor) -> Tensor:
    """Return the luma of RGB images uint8 [N, 3, H, W] as uint8 [N, 1, H, W]."""
    out = torch.empty_like(images_NCHW[:, :1])
    weights = torch.tensor(LUMA).view(1, 3, 1, 1)
    for first in range(0, len(images_NCHW), 4096):  # in pieces: floats need four times the memory
        piece = images_NCHW[first : first + 4096]
        out[first : first + 4096] = (piece * weights).sum(1, keepdim=True).round()
    return out


@dataclass(frozen=True)
class Scaling:
    """Conversion of uint8 to float: (byte / 255 - mean) / std per channel; 0 and 1 are "unit"."""

    mean_C: tuple[float, ...]
    std_C: tuple[float, ...]


def statistics(staged: Staged) -> Scaling:
    """Return mean and standard deviation per channel over all pixels of a part, on 0..1."""
    images = staged.images_NCHW
    num_channels = images.shape[1]
    values = torch.arange(256, dtype=torch.float64, device=images.device) / 255
    means, stds = [], []
    for channel in range(num_channels):
        counts = torch.zeros(256, dtype=torch.float64, device=images.device)
        for piece in images[:, channel].split(8192):  # exact, and of constant size
            counts += torch.bincount(piece.flatten(), minlength=256)
        shares = counts / counts.sum()
        mean = (shares * values).sum()
        means.append(float(mean))
        stds.append(max(float((shares * (values - mean) ** 2).sum().sqrt()), 1e-6))
    return Scaling(tuple(means), tuple(stds))


@dataclass(frozen=True)
class Batches:
    """A staged part and the settings of its batches.

    Attributes:
        staged: uint8 images on the device.
        batch_size: images per batch; the last batch of an epoch may be smaller.
        image_px: side of the model's square input in pixels.
        channels: 1 or 3; grey images are repeated for 3.
        scaling: constants per channel.
        augment: applied to float batches in 0..1, in training only.
    """

    staged: Staged
    batch_size: int
    image_px: int
    channels: int
    scaling: Scaling
    augment: Augment = no_augmentation

    def __len__(self) -> int:
        return len(self.staged)

    def unaugmented(self) -> Batches:
        """Return the same images without augmentation, in training as well."""
        return replace(self, augment=no_augmentation)

    def at(self, some: slice) -> Tensor:
        """Return images float32 [B, C, H, W] in the order of the data set, without augmentation."""
        return self._finish(self._floats(self.staged.images_NCHW[some]))

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (images float32 [B, C, H, W], labels int64 [B]) in order, without augmentation."""
        for first in range(0, len(self), self.batch_size):
            some = slice(first, first + self.batch_size)
            yield self.at(some), self.staged.labels_N[some]

    def shuffled(
        self, order: torch.Generator, noise: torch.Generator, first: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch in random order, augmented.

        A last batch of a single image is left out: batch normalisation cannot learn from one.

        Args:
            order: decides the order of the images, drawn once at the beginning.
            noise: decides how each image is changed, batch by batch.
            first: number of the batch to begin with, where an epoch goes on; those before it are
                left out without a draw of `noise`.
        """
        staged = self.staged
        device = staged.images_NCHW.device
        permutation = moved(torch.randperm(len(self), generator=order), device)
        for some in permutation.split(self.batch_size)[first:]:
            if len(some) == 1 and self.batch_size > 1 and len(self) > 1:
                continue
            floats = self._floats(staged.images_NCHW[some])
            yield self._finish(self.augment(floats, noise)), staged.labels_N[some]

    def _floats(self, bytes_BCHW: Tensor) -> Tensor:
        """Return float32 in 0..1 at the model's input size."""
        images = bytes_BCHW.to(torch.float32).mul_(1 / 255)
        if images.shape[-1] != self.image_px or images.shape[-2] != self.image_px:
            size = (self.image_px, self.image_px)
            images = functional.interpolate(images, size, mode="bilinear", antialias=True)
        return images

    @cached_property
    def _constants(self) -> tuple[Tensor, Tensor] | None:
        """Mean and standard deviation [1, C, 1, 1], copied to the device once; None for "unit"."""
        mean_C, std_C = self.scaling.mean_C, self.scaling.std_C
        if not any(mean_C) and all(one == 1 for one in std_C):
            return None
        place = self.staged.images_NCHW.device
        mean, std = (torch.tensor(v, device=place).view(1, -1, 1, 1) for v in (mean_C, std_C))
        return mean, std

    def _finish(self, images_BCHW: Tensor) -> Tensor:
        """Scale floats, and repeat a grey channel for models with three."""
        if self._constants is not None:
            mean, std = self._constants
            images_BCHW = (images_BCHW - mean).div_(std)  # three constants turn grey into RGB
        if images_BCHW.shape[1] != self.channels:
            images_BCHW = images_BCHW.expand(-1, self.channels, -1, -1)
        return images_BCHW
