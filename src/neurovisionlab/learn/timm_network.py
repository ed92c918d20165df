"""Models of timm's registry, built: fresh, or with the weights of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn

from neurovisionlab.core.errors import ModelError, mould, one_line
from neurovisionlab.learn.checkpoint import State, filled
from neurovisionlab.learn.loading import UNSUITABLE, check_kinds, check_taken, unfit
from neurovisionlab.learn.model_source import ModelShape, ModelSource
from neurovisionlab.learn.weight_files import read
from neurovisionlab.learn.weights import WeightsFile

_MOST_CLASSES = 1 << 15  # of a published head; ImageNet's largest has 21,843


@dataclass(frozen=True)
class Loaded:
    """A file of weights and what was read from it."""

    file: WeightsFile
    state: State

    @classmethod
    def of(cls, file: WeightsFile | None, state: State | None) -> Loaded | None:
        """Return both together; None where one is missing."""
        return None if file is None or state is None else cls(file, state)


def timm_network(source: ModelSource, shape: ModelShape, weights: WeightsFile | None) -> nn.Module:
    """Build a model of timm for images of a size.

    Raises:
        ModelError: a size that it cannot take, or weights that do not fit.
    """
    cfg = timm.get_pretrained_cfg(source.bare)
    # only models of a fixed size take one
    fixed = cfg is not None and cfg.fixed_input_size
    options: dict[str, Any] = {"img_size": shape.image_px} if fixed else {}
    state = None if weights is None else read(weights.path)
    try:
        model = from_timm(source.bare, shape, options, Loaded.of(weights, state))
    except (AssertionError, ValueError, ZeroDivisionError) as error:
        raise source.wrong_size(shape, error) from None
    patch_px = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    side = patch_px[0] if isinstance(patch_px, (tuple, list)) else patch_px
    if isinstance(side, int) and shape.image_px % side:
        # timm would build it, and ignore what is left of the image
        below, above = shape.image_px // side * side, -(-shape.image_px // side) * side
        near = " or ".join(f"image_px = {px}" for px in (below, above) if px)
        got = f"{shape.image_px} px"
        raise ModelError(mould(source.name, f"an image that {side} px patches divide", got, near))
    return model


def from_timm(
    timm_name: str, shape: ModelShape, options: dict[str, Any], loaded: Loaded | None
) -> nn.Module:
    """Build a model of timm's registry, with the weights of a file if there is one.

    Args:
        timm_name: its name there.
        shape: what goes in and what comes out.
        options: further arguments of `timm.create_model`.
        loaded: the weights, under timm's names.

    Raises:
        ModelError: the weights are another model's.
    """
    options = {"in_chans": shape.channels, "num_classes": shape.num_classes, **options}
    if loaded is None:
        fresh: nn.Module = timm.create_model(timm_name, **options)
        return fresh
    # As many classes as the file has, so that timm leaves out nothing silently; its own functions
    # resample patch and position embeddings and sum the first layer's channels.
    classifier = getattr(timm.get_pretrained_cfg(timm_name), "classifier", None) or ()
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    head = next((loaded.state.get(f"{name}.weight") for name in heads), None)
    num_classes = _num_rows(loaded.file, timm_name, head)
    overlay = {
        "state_dict": loaded.state,
        "num_classes": num_classes,
        "label_offset": 0,
        "custom_load": False,
    }
    options["num_classes"] = num_classes
    try:
        model = _loaded_by_timm(timm_name, overlay, options, loaded.file)
    except UNSUITABLE as error:
        raise unfit(loaded.file, timm_name, one_line(error)) from None
    check_taken(model, loaded.state, loaded.file)
    cast(Any, model).pretrained_cfg.pop("state_dict", None)  # it would be held twice
    if num_classes != shape.num_classes:
        cast(Any, model).reset_classifier(shape.num_classes)
    return model


def _num_rows(file: WeightsFile, timm_name: str, head: Tensor | None) -> int:
    """Return for how many classes the head of a file is: timm makes room for them untold."""
    if head is None:
        return 0
    if head.ndim == 0 or len(head) > _MOST_CLASSES:
        raise unfit(file, timm_name, f"a head of shape {list(head.shape)}")
    return len(head)


def _loaded_by_timm(
    timm_name: str, overlay: dict[str, Any], options: dict[str, Any], file: WeightsFile
) -> nn.Module:
    """Build a model with the weights of a file, which may name once what layers share."""
    pretrained: dict[str, Any] = {"pretrained": True, "pretrained_cfg_overlay": overlay}
    try:
        model: nn.Module = timm.create_model(timm_name, **pretrained, **options)
    except UNSUITABLE:
        with torch.random.fork_rng(devices=[]):
            fresh = timm.create_model(timm_name, **options)
            state = filled(fresh, overlay["state_dict"])
        check_kinds(fresh, state, file)
        if state.keys() == overlay["state_dict"].keys():
            raise
        overlay["state_dict"] = state
        model = timm.create_model(timm_name, **pretrained, **options)
    return model
