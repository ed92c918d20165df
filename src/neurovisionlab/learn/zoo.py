"""From a model's name to an `nn.Module` with the right channels, classes, image and patch size."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, cast

import timm
import torch
from timm.layers.drop import DropPath
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torchvision import models as torchvision_models  # type: ignore[import-untyped]
from torchvision.ops import StochasticDepth  # type: ignore[import-untyped]

from neurovisionlab.core.errors import ModelError, mould, one_line
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.catalogue import (
    Recipe,
    kind_of,
    own_function,
    patch_side,
    recipe_of,
)
from neurovisionlab.learn.checkpoint import State, filled, once_each
from neurovisionlab.learn.glyphnet import GlyphNet
from neurovisionlab.learn.loading import (
    UNSUITABLE,
    check_kinds,
    check_taken,
    load_into,
    modern,
    unfit,
)
from neurovisionlab.learn.stems import (
    change_stem,
    draw_anew,
    take_channels,
)
from neurovisionlab.learn.weight_files import read
from neurovisionlab.learn.weights import WeightsFile, find

_MOST_CLASSES = 1 << 15  # of a published head; ImageNet's largest has 21,843


@dataclass(frozen=True)
class ModelShape:
    """What goes in and what comes out: square images [B, channels, px, px] → [B, classes]."""

    image_px: int
    channels: int
    num_classes: int


def build(name: str, shape: ModelShape, protocol: Protocol) -> nn.Module:
    """Build a model; what is not pretrained is drawn from torch's global generator.

    Raises:
        ModelError: no such model, a size it cannot take, weights that are missing or do not fit.
    """
    kind = kind_of(name)
    weights = find(name) if protocol.pretrained else None
    if kind == "table":
        model = _table_model(name, shape, weights)
    elif kind == "timm":
        model = _timm_model(name, shape, weights)
    elif kind == "torchvision":
        model = _torchvision_model(name, shape, weights)
    else:
        model = _own_model(name, shape, weights)
    keeps_first = weights is not None and protocol.stem_weights == "adapt"
    if not has_own_stem(name, protocol.stem):
        change_stem(model, protocol.stem, keeps_first)
    if weights is not None and not keeps_first:
        draw_anew(model)
    if protocol.dropout == "off":
        drop_nothing(model)
    return model


def has_own_stem(name: str, stem: str) -> bool:
    """Return whether the first layers of `name` stay as their author chose, whatever `stem` says.

    So do a user's own models, and those of the table that list no such stem.
    """
    kind = kind_of(name)
    return kind == "own" or (kind == "table" and stem not in recipe_of(name).stems)


def _table_model(name: str, shape: ModelShape, weights: WeightsFile | None) -> nn.Module:
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
    return _from_timm(recipe.timm_name or name, shape, options, _Loaded.of(weights, state))


def _small_vit(name: str, recipe: Recipe, shape: ModelShape) -> nn.Module:
    sizes: dict[str, Any] = {
        "img_size": shape.image_px,
        "patch_size": patch_side(name, shape.image_px),
        "in_chans": shape.channels,
        "num_classes": shape.num_classes,
    }
    return VisionTransformer(**sizes, drop_rate=recipe.dropout, **recipe.options)


@dataclass(frozen=True)
class _Loaded:
    """A file of weights and what was read from it."""

    file: WeightsFile
    state: State

    @classmethod
    def of(cls, file: WeightsFile | None, state: State | None) -> _Loaded | None:
        return None if file is None or state is None else cls(file, state)


def _timm_model(name: str, shape: ModelShape, weights: WeightsFile | None) -> nn.Module:
    timm_name = name.removeprefix("timm:")
    cfg = timm.get_pretrained_cfg(timm_name)
    # only models of a fixed size take one
    fixed = cfg is not None and cfg.fixed_input_size
    options: dict[str, Any] = {"img_size": shape.image_px} if fixed else {}
    state = None if weights is None else read(weights.path)
    try:
        model = _from_timm(timm_name, shape, options, _Loaded.of(weights, state))
    except (AssertionError, ValueError, ZeroDivisionError) as error:
        raise wrong_size(name, shape, error) from None
    patch_px = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    side = patch_px[0] if isinstance(patch_px, (tuple, list)) else patch_px
    if isinstance(side, int) and shape.image_px % side:
        # timm would build it, and ignore what is left of the image
        below, above = shape.image_px // side * side, -(-shape.image_px // side) * side
        near = " or ".join(f"image_px = {px}" for px in (below, above) if px)
        got = f"{shape.image_px} px"
        raise ModelError(mould(name, f"an image that {side} px patches divide", got, near))
    return model


def _from_timm(
    timm_name: str, shape: ModelShape, options: dict[str, Any], loaded: _Loaded | None
) -> nn.Module:
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


def _torchvision_model(name: str, shape: ModelShape, weights: WeightsFile | None) -> nn.Module:
    torchvision_name = name.removeprefix("torchvision:")
    options: dict[str, Any] = {}
    if torchvision_name.startswith("vit_"):
        options["image_size"] = shape.image_px
    if torchvision_name.startswith("maxvit"):
        options["input_size"] = (shape.image_px, shape.image_px)
    if torchvision_name in ("googlenet", "inception_v3"):  # their extra heads train other losses
        options |= {"aux_logits": False, "init_weights": True}
    try:
        model: nn.Module = torchvision_models.get_model(
            torchvision_name, weights=None, num_classes=shape.num_classes, **options
        )
    except NotImplementedError:  # no size is at fault: see `_trial`
        raise
    except UNSUITABLE as error:
        raise wrong_size(name, shape, error) from None
    take_channels(model, shape.channels)
    if weights is not None:
        load_into(model, modern(read(weights.path)), weights)
    return model


def _own_model(name: str, shape: ModelShape, weights: WeightsFile | None) -> nn.Module:
    function = own_function(name)
    try:
        model = function(
            num_classes=shape.num_classes, channels=shape.channels, image_px=shape.image_px
        )
    except Exception as error:  # whatever a user's function raises
        call = f"{shape.num_classes} classes, {shape.channels} channels, {shape.image_px} px"
        got = one_line(error)
        raise ModelError(mould(name, f"a model for {call}", got, "to mend the function")) from error
    if not isinstance(model, nn.Module):
        got = f"a {type(model).__name__}"
        raise ModelError(mould(name, "a torch.nn.Module returned", got, "return model"))
    _give_sizes(name, model, shape)
    if weights is not None:
        load_into(model, read(weights.path), weights)
    return model


def _give_sizes(name: str, model: nn.Module, shape: ModelShape) -> None:
    """Let layers that learn their size from their first input (nn.LazyLinear) see one."""
    if not any(is_lazy(one) for one in itertools.chain(model.parameters(), model.buffers())):
        return
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(2, shape.channels, shape.image_px, shape.image_px))
    except Exception as error:  # a user's model may raise anything
        raise wrong_size(name, shape, error) from error
    model.train(was_training)


def wrong_size(name: str, shape: ModelShape, error: Exception) -> ModelError:
    """Return the error for images that the library's own message says a model cannot take."""
    own_px = own_size(name)
    got = f"{shape.image_px} px ({one_line(error)})"
    larger = f"image_px = {own_px}" if own_px != shape.image_px else "another model"
    return ModelError(mould(name, "images of a size it can take", got, f'{larger}, stem = "small"'))


def own_size(name: str) -> int:
    """Return the image side a model was made for, in pixels; 28 where none is known."""
    kind = kind_of(name)
    if kind == "timm":
        cfg = timm.get_pretrained_cfg(name.removeprefix("timm:"))
        return int(cfg.input_size[-1]) if cfg is not None else 224
    if kind == "torchvision":
        weights: Any = torchvision_models.get_model_weights(name.removeprefix("torchvision:"))
        return int(weights["DEFAULT"].transforms().crop_size[0])
    return 224 if kind == "table" and recipe_of(name).patch_px else 28


def _draw_head(model: nn.Module, std: float) -> None:
    """Draw the classifier's weights anew, from a normal distribution; biases are 0."""
    head = cast(Any, model).get_classifier()
    nn.init.normal_(head.weight, std=std)
    nn.init.zeros_(head.bias)


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


def weights_mib(model: nn.Module) -> float:
    """Return the size of a file of the model's weights and buffers, in MiB; shared ones once."""
    tensors = (one for one in model.state_dict().values() if isinstance(one, Tensor))
    num_bytes = sum(t.numel() * t.element_size() for t in once_each(tensors))
    return float(num_bytes) / 2**20


def num_parameters(model: nn.Module) -> int:
    """Return how many trainable numbers the model has; shared ones count once."""
    return sum(p.numel() for p in once_each(p for p in model.parameters() if p.requires_grad))
