"""The table of models, readable without torch: names, what they are, which sizes they take.

Four kinds of names:

    NAME                        of the table below
    timm:NAME                   any model of timm, with or without a tag
    torchvision:NAME            any classifier of torchvision.models
    package.module:function     a function of the user's own
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal

from neurovisionlab.core.errors import ModelError, mould, nearest, one_line
from neurovisionlab.learn.current_folder import make_findable

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Recipe:
    """How a model of the table is built.

    Attributes:
        title: one line for lists, with its paper.
        family: who builds it: timm's registry, timm's VisionTransformer class, or our GlyphNet.
        timm_name: name in timm's registry, for the family "timm".
        options: passed to the builder.
        patch_px: side of a transformer's patch; 0 where the largest from 4 to 8 is taken that
            divides the image; None for networks that take any size.
        dropout: of the classifier, as the architecture's authors trained it.
        head_std: standard deviation of the classifier's first weights; None keeps timm's.
        stems: the protocol's values of `stem` that change this model.
        torchvision_name, weights_file: whose published ImageNet weights it starts from.
        revision: one higher each time the network behind the name changes. It enters the identity
            of cells from 2 on, so that results of another network never count as this one's.
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


# pretrained, the first three start from torchvision's IMAGENET1K_V1, as the published study did
MODELS: dict[str, Recipe] = {
    "resnet18": Recipe(
        "ResNet-18 (He et al. 2016)",
        "resnet18",
        stems=("small", "light"),
        torchvision_name="resnet18",
        weights_file="resnet18-f37072fd.pth",
    ),
    # dropout 0.2 and a head drawn with 0.01 are torchvision's, which the published study used;
    # timm's head (uniform up to 1/√classes over 1,280 inputs) starts at twice the loss of guessing
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
        revision=2,  # the first was 48, 96, 192 with one block a stage
    ),
    "glyphnet-large": Recipe(
        "residual network for characters: 3 stages, widths 64 to 256, about 1.3 M parameters",
        family="glyphnet",
        options={"widths": (64, 128, 256)},
    ),
}


ModelKind = Literal["table", "timm", "torchvision", "own"]
_OWN_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def kind_of(name: str) -> ModelKind:
    """Return which of the four kinds of names this is.

    >>> [kind_of(name) for name in ("resnet18", "timm:convnext_atto", "my_models:tiny")]
    ['table', 'timm', 'own']

    Raises:
        ModelError: a colon in a name that is none of the four.
    """
    if ":" not in name:
        return "table"
    if name.startswith("timm:"):
        return "timm"
    if name.startswith("torchvision:"):
        return "torchvision"
    if not _OWN_NAME.fullmatch(name):
        kinds = "timm:NAME, torchvision:NAME or package.module:function"
        raise ModelError(mould("model", kinds, repr(name), "my_models:tiny_net"))
    return "own"


def recipe_of(name: str) -> Recipe:
    """Return how the model `name` of the table is built.

    Raises:
        ModelError: no such name; the three nearest are named.
    """
    if name not in MODELS:
        near = ", ".join(nearest(name, MODELS))
        raise ModelError(mould("model", "a known name", repr(name), near))
    return MODELS[name]


def patch_side(name: str, image_px: int) -> int | None:
    """Return the side of the patches `name` cuts an image into, in pixels; None for networks.

    Raises:
        ModelError: the patch does not divide the image (a ViT would ignore the rest of it); the
            nearest sizes that work are named.
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


ModelFunction = Callable[..., Any]


def own_function(name: str) -> ModelFunction:
    """Import the function that "package.module:function" names.

    The module is looked for where Python looks, then in the current folder.

    Raises:
        ModelError: no such module or function, the module does not import, or the function
            cannot be called with num_classes, channels and image_px.
    """
    module_name, function_name = name.split(":")
    module = _own_module(name, module_name)
    function: ModelFunction | None = getattr(module, function_name, None)
    if not callable(function):
        there = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        near = ", ".join(nearest(function_name, there)) or f"to write {function_name}"
        raise ModelError(mould(name, "a function of that name", "none", near))
    try:
        inspect.signature(function).bind(num_classes=10, channels=1, image_px=28)
    except (TypeError, ValueError) as error:
        expected = "a function of num_classes, channels, image_px"
        remedy = f"def {function_name}(num_classes, channels, image_px)"
        raise ModelError(mould(name, expected, one_line(error), remedy)) from None
    return function


def _own_module(name: str, module_name: str) -> ModuleType:
    make_findable(name)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            remedy = "to run where it lies, or set PYTHONPATH"
            got = f"no module {error.name!r} here or on Python's path"
            raise ModelError(mould(name, f"a module {module_name}", got, remedy)) from None
        got = one_line(error)
        raise ModelError(
            mould(name, "a module that imports", got, f"to install {error.name}")
        ) from None
    except Exception as error:  # whatever a user's file raises while it is read
        remedy = f"`python -c 'import {module_name}'`"
        raise ModelError(mould(name, "a module that imports", one_line(error), remedy)) from error


def digest_of(name: str) -> str | None:
    """Return what identifies a model beyond its name; None where the name says all.

    That is the digest of a user's code, and the revision of a model of the table.

    Raises:
        ModelError: no such model of the table, or see `own_function`.
    """
    kind = kind_of(name)
    if kind == "own":
        return _own_digest(name)
    revision = recipe_of(name).revision if kind == "table" else 1
    return f"revision {revision}" if revision > 1 else None


def _own_digest(name: str) -> str:
    """Return SHA-256 (hex) over the source of the module a user's function is named in.

    What that module imports is not covered, but for the file that defines the function.

    Raises:
        ModelError: see `own_function`.
    """
    function = own_function(name)
    module = sys.modules[name.partition(":")[0]]
    files = {inspect.getsourcefile(module), inspect.getsourcefile(inspect.unwrap(function))}
    sha = hashlib.sha256()
    for file in sorted(os.fspath(file) for file in files if file):
        sha.update(Path(file).read_bytes())
    return sha.hexdigest()
