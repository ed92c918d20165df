"""Loading the weights of a file into a model: all must match in name, shape and kind of number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn
from torch import Tensor, nn
from torchvision import models as torchvision_models  # type: ignore[import-untyped]

from neurovisionlab.core.errors import ModelError, mould, one_line
from neurovisionlab.learn.checkpoint import State, filled
from neurovisionlab.learn.stems import first_layers, summed
from neurovisionlab.learn.weight_files import shown
from neurovisionlab.learn.weights import WeightsFile

# exceptions of the libraries for sizes, shapes or checkpoints that do not fit a model
UNSUITABLE = (
    RuntimeError,
    ValueError,
    TypeError,
    AssertionError,
    KeyError,
    AttributeError,
    NotImplementedError,
    IndexError,
    ZeroDivisionError,
)


def modern(state: State) -> State:
    """Return torchvision's older files under its current names, without auxiliary heads."""
    renamed: State = {}
    for key, tensor in state.items():
        new = key.replace("mlp.linear_1.", "mlp.0.").replace("mlp.linear_2.", "mlp.3.")
        new = re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", new)
        if not new.startswith(("aux1.", "aux2.", "AuxLogits.")):
            renamed[new] = tensor
    return renamed


def load_into(model: nn.Module, state: State, file: WeightsFile) -> None:
    """Load the weights of a file into a model: all, except a head for other classes.

    Raises:
        ModelError: names, shapes or kinds of numbers do not match, or numbers are not finite.
    """
    names = model.state_dict().keys()
    wanted = _tensors(model)
    state = filled(model, state)
    check_kinds(model, state, file)
    try:
        state = _fitted(model, state)
    except UNSUITABLE as error:
        raise unfit(file, type(model).__name__, one_line(error)) from None
    head = _head_name(model)
    if _num_rows(state.get(f"{head}.weight")) != _num_rows(wanted.get(f"{head}.weight")):
        state |= {key: tensor for key, tensor in wanted.items() if key.startswith(f"{head}.")}
    counted = {k: t for k, t in wanted.items() if not k.endswith("num_batches_tracked")}
    problems = [f"no {key}" for key in counted if key not in state]
    problems += [f"an unknown {shown(key)}" for key in state.keys() - names]
    problems += [
        f"{key} of shape {list(state[key].shape)} for {list(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in state and state[key].shape != tensor.shape
    ]
    problems = problems or list(_not_finite(state, wanted))
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise unfit(file, type(model).__name__, problems[0] + more)
    model.load_state_dict(state, strict=False)


def _tensors(model: nn.Module) -> State:
    return {key: one for key, one in model.state_dict().items() if isinstance(one, Tensor)}


def _num_rows(tensor: Tensor | None) -> int:
    return 0 if tensor is None or tensor.ndim == 0 else len(tensor)


def check_kinds(model: nn.Module, state: State, file: WeightsFile) -> None:
    """Refuse integer, boolean or complex numbers where a model has other kinds, and vice versa.

    Counters and position tables are legitimately integers: the model decides. Under names that the
    model lacks, which its loading function may rename, weights must be real numbers.

    Raises:
        ModelError: with the name of the first tensor.
    """
    wanted = _tensors(model)
    for key, tensor in state.items():
        is_weight = key.endswith((".weight", ".bias"))
        kind = _kind(wanted[key]) if key in wanted else "real" if is_weight else _kind(tensor)
        if _kind(tensor) != kind:
            got = f"{shown(key)} of {str(tensor.dtype).removeprefix('torch.')}"
            more = f" for {kind} numbers"
            raise unfit(file, type(model).__name__, got + more)


def _kind(tensor: Tensor) -> str:
    if tensor.is_complex():
        return "complex"
    return "real" if tensor.is_floating_point() else "whole"


def check_taken(model: nn.Module, state: State, file: WeightsFile) -> None:
    """Refuse values that a library loaded without a warning: other kinds, or not finite.

    Raises:
        ModelError: with the name of the first tensor.
    """
    check_kinds(model, state, file)
    wanted = _tensors(model)
    problem = next(_not_finite(wanted, {}), None)
    if problem is not None:
        raise unfit(file, type(model).__name__, problem)


def _not_finite(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield tensors with NaN, infinite or too large numbers, unless the model's own have them."""
    for key, tensor in state.items():
        like = wanted.get(key, tensor)
        if not _is_within(tensor, like) and (like is tensor or _is_within(like, like)):
            yield f"{shown(key)} with numbers that are infinite, none at all or too large"


def _is_within(tensor: Tensor, like: Tensor) -> bool:
    """Return whether all numbers are finite in `like`'s dtype."""
    if tensor.numel() == 0 or _kind(tensor) == "whole":
        return True
    real = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    low, high = torch.aminmax(real.detach())
    most = torch.finfo(like.dtype).max if _kind(like) != "whole" else float("inf")
    return bool(-most <= low) and bool(high <= most)


def _fitted(model: nn.Module, state: State) -> State:
    """Return the weights with summed channels and resampled patch and position embeddings."""
    state = dict(state)
    for layer in first_layers(model):
        key, channels = f"{layer}.weight", cast(Any, model.get_submodule(layer)).in_channels
        if key in state:
            state[key] = summed(state[key], channels)
    if isinstance(model, VisionTransformer):
        state = checkpoint_filter_fn(state, model)
    key = "encoder.pos_embedding"  # torchvision's ViT
    if isinstance(model, torchvision_models.VisionTransformer) and key in state:
        side = model.image_size // model.patch_size
        state[key] = resample_abs_pos_embed(state[key], [side, side], num_prefix_tokens=1)
    return state


def _head_name(model: nn.Module) -> str:
    """Return the name of the last layer with weights: the classifier."""
    kinds = (nn.Linear, nn.Conv2d)
    named = [name for name, module in model.named_modules() if isinstance(module, kinds)]
    return named[-1] if named else ""


def unfit(file: WeightsFile, model: str, got: str) -> ModelError:
    """Return the error for a file of another model, or a file that does not hold weights."""
    return ModelError(mould(str(file.path), f"weights of {model}", got, f"the file of {model}"))
