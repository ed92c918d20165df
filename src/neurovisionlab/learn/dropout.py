"""Dropout of every kind, switched off."""

from __future__ import annotations

from typing import Any, cast

from timm.layers.drop import DropPath
from torch import nn
from torchvision.ops import StochasticDepth  # type: ignore[import-untyped]


def drop_nothing(model: nn.Module) -> None:
    """Set every dropout and stochastic depth of the model to zero."""
    for module in model.modules():
        if isinstance(module, (nn.modules.dropout._DropoutNd, StochasticDepth)):
            cast(Any, module).p = 0.0
        if isinstance(module, DropPath):
            cast(Any, module).drop_prob = 0.0
        # functional dropout: timm's, torch's attention, torchvision's DenseNet and Swin
        for field in ("drop_rate", "dropout", "attention_dropout"):
            if isinstance(getattr(module, field, None), float):
                setattr(module, field, 0.0)
