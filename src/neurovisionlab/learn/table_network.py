"""Models of the table, built by their recipes."""

from __future__ import annotations

from typing import Any, cast

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torchvision import models as torchvision_models  # type: ignore[import-untyped]

from neurovisionlab.learn.catalogue import Recipe, patch_side, recipe_of
from neurovisionlab.learn.checkpoint import State
from neurovisionlab.learn.glyphnet import GlyphNet
from neurovisionlab.learn.loading import load_into, modern
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.timm_network import Loaded, from_timm
from neurovisionlab.learn.weight_files import read
from neurovisionlab.learn.weights import WeightsFile


def table_network(name: str, shape: ModelShape, weights: WeightsFile | None) -> nn.Module:
    """Build the model `name` of the table.

    Raises:
        ModelError: no such name, a size that its patches do not divide, weights that do not fit.
    """
    recipe = recipe_of(name)
    if recipe.family == "timm":
        model = _published_architecture(name, recipe, shape, weights)
    else:
        if recipe.family == "vit":
            model = _small_vit(name, recipe, shape)
        else:
            model = GlyphNet(shape.num_classes, shape.channels, **recipe.options)
        if weights is not None:
            load_into(model, read(weights.path), weights)
    if recipe.head_std is not None and weights is None:
        _draw_head(model, recipe.head_std)
    return model


def _published_architecture(
    name: str, recipe: Recipe, shape: ModelShape, weights: WeightsFile | None
) -> nn.Module:
    options: dict[str, Any] = {"drop_rate": recipe.dropout, **recipe.options}
    if patch_side(name, shape.image_px) is not None:
        options["img_size"] = shape.image_px
    state = None if weights is None else _timm_layout(recipe, read(weights.path))
    return from_timm(recipe.timm_name or name, shape, options, Loaded.of(weights, state))


def _small_vit(name: str, recipe: Recipe, shape: ModelShape) -> nn.Module:
    sizes: dict[str, Any] = {
        "img_size": shape.image_px,
        "patch_size": patch_side(name, shape.image_px),
        "in_chans": shape.channels,
        "num_classes": shape.num_classes,
    }
    return VisionTransformer(**sizes, drop_rate=recipe.dropout, **recipe.options)


def _timm_layout(recipe: Recipe, state: State) -> State:
    """Return torchvision's weights under timm's names; timm's come back as they are.

    Both build the same networks from the same layers: they differ in names, and in where a ViT's
    position embedding stands.
    """
    with torch.device("meta"):
        theirs = list(torchvision_models.get_model(recipe.torchvision_name).state_dict())
        ours = list(timm.create_model(recipe.timm_name or "").state_dict())
    for keys in (theirs, ours):
        keys.sort(key=lambda key: "pos_embed" in key)  # stable: all others keep their places
    if theirs == ours or theirs[0] not in state:
        return state
    new_names = dict(zip(theirs, ours, strict=True))
    return {new_names.get(key, key): tensor for key, tensor in modern(state).items()}


def _draw_head(model: nn.Module, std: float) -> None:
    """Draw the classifier's weights anew, from a normal distribution; biases are 0."""
    head = cast(Any, model).get_classifier()
    nn.init.normal_(head.weight, std=std)
    nn.init.zeros_(head.bias)
