"""Augmentations that preserve characters. They never flip: ƨ is not s, b is not d."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Augment = Callable[[Tensor, torch.Generator], Tensor]

# Strengths at which all letters stay legible; shift and elastic are shares of the side.
MAX_SHIFT = 0.08
MAX_ROTATION_DEG = 12.0
MAX_LOG_SCALE = 0.15
ELASTIC_SIGMA = 0.035  # standard deviation of the displacement at the control points
ELASTIC_POINTS = 4  # control points along a side; few, so that strokes bend and do not tear


def no_augmentation(images_BCHW: Tensor, noise: torch.Generator) -> Tensor:
    """Return the batch [B, C, H, W] unchanged."""
    return images_BCHW


def character_safe(images_BCHW: Tensor, noise: torch.Generator, strength: float = 1.0) -> Tensor:
    """Shift, rotate, scale and bend each image slightly, with a single resampling.

    Args:
        images_BCHW: float, of any range; positions outside repeat the border.
        noise: a CPU generator; the same state gives the same change on every device.
        strength: factor of the strengths above.

    Returns:
        The changed images [B, C, H, W], of the same dtype and device.
    """
    grid = _affine_grid(images_BCHW, noise, strength)
    grid = grid + _elastic_offsets(images_BCHW, noise, strength)
    return functional.grid_sample(
        images_BCHW, grid, mode="bilinear", padding_mode="border", align_corners=False
    )


def moved(numbers: Tensor, device: torch.device) -> Tensor:
    """Copy a host tensor to a device without waiting for the copy.

    This requires pinned memory. Apple's devices share the host's memory, and torch does not pin
    memory for them.
    """
    if device.type in ("cpu", "mps"):
        return numbers.to(device)
    return numbers.pin_memory().to(device, non_blocking=True)


def _uniform(num: int, columns: int, noise: torch.Generator) -> Tensor:
    return torch.rand(num, columns, generator=noise) * 2 - 1


def _affine_grid(images_BCHW: Tensor, noise: torch.Generator, strength: float) -> Tensor:
    """Return sampling positions [B, H, W, 2] in -1..1: a random similarity for each image."""
    draws = _uniform(len(images_BCHW), 5, noise) * strength
    angle = draws[:, 0] * math.radians(MAX_ROTATION_DEG)
    scale_x, scale_y = (torch.exp(draws[:, i] * MAX_LOG_SCALE) for i in (1, 2))
    shift = draws[:, 3:5] * (2 * MAX_SHIFT)  # the grid has a width of 2
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([cos * scale_x, -sin * scale_y, shift[:, 0]], dim=1),
        torch.stack([sin * scale_x, cos * scale_y, shift[:, 1]], dim=1),
    ]
    theta = moved(torch.stack(rows, dim=1), images_BCHW.device)
    return functional.affine_grid(theta, list(images_BCHW.shape), align_corners=False)


def _elastic_offsets(images_BCHW: Tensor, noise: torch.Generator, strength: float) -> Tensor:
    """Return smooth random displacements [B, H, W, 2] (Simard et al. 2003, by control points)."""
    num, (height, width) = len(images_BCHW), images_BCHW.shape[-2:]
    coarse = torch.randn(num, 2, ELASTIC_POINTS, ELASTIC_POINTS, generator=noise)
    coarse = moved(coarse * (2 * ELASTIC_SIGMA * strength), images_BCHW.device)
    fine = functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    return fine.permute(0, 2, 3, 1)


def gentle(images_BCHW: Tensor, noise: torch.Generator) -> Tensor:
    """Change images [B, C, H, W] like `character_safe`, at half of its strength."""
    return character_safe(images_BCHW, noise, strength=0.5)


AUGMENTATIONS: dict[str, Augment] = {
    "none": no_augmentation,
    "character-safe": character_safe,
    "gentle": gentle,
}
