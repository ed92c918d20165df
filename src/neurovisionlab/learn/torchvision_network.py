"""Classifiers of torchvision, built."""

from __future__ import annotations

from typing import Any

from torch import nn
from torchvision import models as torchvision_models  # type: ignore[import-untyped]

from neurovisionlab.learn.loading import UNSUITABLE, load_into, modern
from neurovisionlab.learn.model_source import ModelShape, ModelSource
from neurovisionlab.learn.stems import take_channels
from neurovisionlab.learn.weight_files import read
from neurovisionlab.learn.weights import WeightsFile


def torchvision_network(
    source: ModelSource, shape: ModelShape, weights: WeightsFile | None
) -> nn.Module:
    """Build a classifier of torchvision for images of a size.

    Raises:
        ModelError: a size that it cannot take, or weights that do not fit.
    """
    options: dict[str, Any] = {}
    if source.bare.startswith("vit_"):
        options["image_size"] = shape.image_px
    if source.bare.startswith("maxvit"):
        options["input_size"] = (shape.image_px, shape.image_px)
    if source.bare in ("googlenet", "inception_v3"):  # their extra heads train other losses
        options |= {"aux_logits": False, "init_weights": True}
    try:
        model: nn.Module = torchvision_models.get_model(
            source.bare, weights=None, num_classes=shape.num_classes, **options
        )
    except NotImplementedError:  # no size is at fault: see `survey`
        raise
    except UNSUITABLE as error:
        raise source.wrong_size(shape, error) from None
    take_channels(model, shape.channels)
    if weights is not None:
        load_into(model, modern(read(weights.path)), weights)
    return model
