"""The table of models, readable without torch: names, what they are, which sizes they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from neurovisionlab.core.errors import ModelError, mould, nearest

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Recipe:
    """How a model of the catalogue is built.

    Attributes:
        title: description in one line, with its paper.
        family: builder: timm's registry, timm's VisionTransformer class, or this package's
            GlyphNet.
        timm_name: name in timm's registry, for the family "timm".
        options: passed to the builder.
        patch_px: side of a transformer's patch in pixels; 0 for the largest side from 4 to 8 that
            divides the image; None for networks without patches.
        dropout: rate of the classifier, as in the architecture's original training.
        head_std: standard deviation of the classifier's initial weights; None keeps timm's.
        stems: the protocol's values of `stem` that change this model.
        torchvision_name, weights_file: source of its published ImageNet weights.
        revision: incremented when the network behind the name changes. From 2 on it is part of the
            identity of cells, which separates results of different networks.
    """

    title: str
    timm_name: str | None = None
    family: Literal["timm", "vit", "glyphnet"] = "timm"
    options: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    patch_px: int | None = None
    dropout: float = 0.0
    head_std: float | None = None
    stems: tuple[str, ...] = ()
    torchvision_name: str | None = None
    weights_file: str | None = None
    revision: int = 1


# pretrained, the first three start from torchvision's IMAGENET1K_V1, as in the published study
MODELS: dict[str, Recipe] = {
    "resnet18": Recipe(
        "ResNet-18 (He et al. 2016)",
        "resnet18",
        stems=("small", "light"),
        torchvision_name="resnet18",
        weights_file="resnet18-f37072fd.pth",
    ),
    # dropout 0.2 and a head with standard deviation 0.01 are torchvision's, used in the published
    # study; timm's head (uniform up to 1/√classes over 1,280 inputs) starts at twice the loss of
    # guessing
    "mobilenetv2": Recipe(
        "MobileNetV2 1.0 (Sandler et al. 2018)",
        "mobilenetv2_100",
        dropout=0.2,
        head_std=0.01,
        stems=("small",),
        torchvision_name="mobilenet_v2",
        weights_file="mobilenet_v2-b0353104.pth",
    ),
    "vit-b16": Recipe(
        "ViT-B/16 (Dosovitskiy et al. 2021)",
        "vit_base_patch16_224",
        patch_px=16,
        torchvision_name="vit_b_16",
        weights_file="vit_b_16-c867db91.pth",
    ),
    "vit-tiny": Recipe(
        "small-image ViT: 6 layers, width 192, about 1.8 M parameters",
        family="vit",
        options={"embed_dim": 192, "depth": 6, "num_heads": 3, "mlp_ratio": 2},
        patch_px=0,
    ),
    "vit-small": Recipe(
        "small-image ViT: 8 layers, width 384, about 9.5 M parameters",
        family="vit",
        options={"embed_dim": 384, "depth": 8, "num_heads": 6, "mlp_ratio": 2},
        patch_px=0,
    ),
    "glyphnet-small": Recipe(
        "residual network for characters: 3 stages, widths 16 to 64, about 0.08 M parameters",
        family="glyphnet",
        options={"widths": (16, 32, 64)},
    ),
    "glyphnet": Recipe(
        "residual network for characters: 3 stages, widths 32 to 128, about 0.3 M parameters",
        family="glyphnet",
        options={"widths": (32, 64, 128)},
    ),
    "glyphnet-medium": Recipe(
        "residual network for characters: 5 blocks, widths 32 to 128, about 0.7 M parameters",
        family="glyphnet",
        options={"widths": (32, 64, 128), "depths": (1, 2, 2)},
        revision=2,  # revision 1 was 48, 96, 192 with one block per stage
    ),
    "glyphnet-large": Recipe(
        "residual network for characters: 3 stages, widths 64 to 256, about 1.3 M parameters",
        family="glyphnet",
        options={"widths": (64, 128, 256)},
    ),
}


def recipe_of(name: str) -> Recipe:
    """Return the recipe of a model of the catalogue.

    Raises:
        ModelError: the name is unknown; the three most similar names are given.
    """
    if name not in MODELS:
        near = ", ".join(nearest(name, MODELS))
        raise ModelError(mould("model", "a known name", repr(name), near))
    return MODELS[name]


def patch_side(name: str, image_px: int) -> int | None:
    """Return the side of the model's patches in pixels; None for networks without patches.

    Raises:
        ModelError: the patch does not divide the image (a ViT would ignore the rest of it); the
            nearest valid sizes are given.
    """
    fixed = recipe_of(name).patch_px
    if fixed is None:
        return None
    side = _fitting_patch(fixed, image_px)
    if side is None:
        below = next((px for px in range(image_px, 0, -1) if _fitting_patch(fixed, px)), None)
        above = next(px for px in range(image_px, 4096) if _fitting_patch(fixed, px))
        near = " or ".join(f"image_px = {px}" for px in (below, above) if px is not None)
        patch = f"{fixed} px patches" if fixed else "patches of 4 to 8 px, at least 4 a side"
        raise ModelError(mould(f"{name}", f"an image that {patch} divide", f"{image_px} px", near))
    return side


def _fitting_patch(fixed: int, image_px: int) -> int | None:
    sides = (fixed,) if fixed else tuple(side for side in range(8, 3, -1) if image_px // side >= 4)
    return next((side for side in sides if image_px % side == 0), None)
