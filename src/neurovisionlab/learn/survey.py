"""Facts about models without training: existence of a name, fit to images, sizes."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

import timm
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models as torchvision_models  # type: ignore[import-untyped]

from neurovisionlab.core.errors import ModelError, mould, nearest
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.catalogue import MODELS, kind_of, own_function, recipe_of
from neurovisionlab.learn.loading import UNSUITABLE
from neurovisionlab.learn.stems import change_stem
from neurovisionlab.learn.weights import published
from neurovisionlab.learn.zoo import (
    ModelShape,
    build,
    has_own_stem,
    num_parameters,
    own_size,
    wrong_size,
)


def check_name(name: str) -> None:
    """Refuse an unknown model name.

    Raises:
        ModelError: with the three most similar names.
    """
    kind = kind_of(name)
    if kind == "table":
        recipe_of(name)
    elif kind == "own":
        own_function(name)
    elif kind == "timm":
        bare = name.removeprefix("timm:")
        if not timm.is_model(bare):
            raise _unknown(name, "timm:", timm.list_models())
        arch, _, tag = bare.partition(".")
        tagged = [one for one in timm.list_pretrained() if one.startswith(f"{arch}.")]
        if tag and bare not in tagged:
            raise _unknown(name, "timm:", tagged or [arch])
    elif name.removeprefix("torchvision:") not in torchvision_names():
        raise _unknown(name, "torchvision:", torchvision_names())


def _unknown(name: str, prefix: str, known: Iterable[str]) -> ModelError:
    near = (prefix + one for one in nearest(name.removeprefix(prefix), known))
    return ModelError(mould("model", "a known name", repr(name), ", ".join(near)))


def torchvision_names() -> list[str]:
    """Return the names of torchvision's classifiers."""
    return list(torchvision_models.list_models(module=torchvision_models))


def check(name: str, shape: ModelShape, protocol: Protocol) -> bool:
    """Build the model as a cell would and check its output; return whether `stem` changed it.

    Without pretrained weights timm's and torchvision's models are built on the meta device, which
    takes no time and no memory. The caller's random state is left unchanged.

    Raises:
        ModelError: as in `build`, or for an output that is not [images, classes].
    """
    with torch.random.fork_rng(devices=[]):
        plain = protocol.model_copy(update={"stem": "imagenet", "pretrained": False})
        model = _trial(name, shape, protocol)
        changed = protocol.stem == "imagenet" or (
            not has_own_stem(name, protocol.stem)
            and change_stem(_trial(name, shape, plain), protocol.stem)
        )
    got = _answer(name, model, shape)
    expected = [2, shape.num_classes]
    if got != expected:
        remedy = "a last layer with num_classes outputs"
        raise ModelError(mould(f"{name}, answer to 2 images", str(expected), str(got), remedy))
    return changed


def _trial(name: str, shape: ModelShape, protocol: Protocol) -> nn.Module:
    if not protocol.pretrained and kind_of(name) != "own":
        try:
            with torch.device("meta"):
                return build(name, shape, protocol)
        except NotImplementedError:  # a model that computes its initial weights
            pass
    return build(name, shape, protocol)


def _answer(name: str, model: nn.Module, shape: ModelShape) -> list[int] | str:
    """Return the shape of the output for two blank images; the type of a non-tensor."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    size = (2, shape.channels, shape.image_px, shape.image_px)
    model.eval()
    try:
        with torch.no_grad():
            logits_BC = model(torch.zeros(size, device=device))
    except Exception as error:  # a user's model may raise anything
        raise wrong_size(name, shape, error) from None
    return list(logits_BC.shape) if isinstance(logits_BC, Tensor) else type(logits_BC).__name__


@dataclass(frozen=True)
class Facts:
    """The facts about a model that `nvl models` prints.

    `num_macs` counts multiply-accumulates of matrix products and convolutions for one image of
    `image_px` and `channels`; None if they cannot be counted. One MAC is two FLOPs.
    """

    name: str
    title: str
    num_parameters: int
    num_macs: int | None
    image_px: int
    channels: int
    num_classes: int
    weights: str | None
    weights_licence: str | None


def list_names(pattern: str | None) -> list[str]:
    """Return the names that match "timm:convnext*", "torchvision:*", "res*"; None: the catalogue.

    Raises:
        ModelError: no name matches.
    """
    kind = "table" if pattern is None else kind_of(pattern.replace("*", "x").replace("?", "x"))
    if pattern is None:
        return list(MODELS)
    if kind == "own":  # its existence is checked in a separate process
        return [pattern]
    prefix = "" if kind == "table" else f"{kind}:"
    bare = pattern.removeprefix(prefix)
    known = {"table": list(MODELS), "timm": timm.list_models(), "torchvision": torchvision_names()}
    found = fnmatch.filter(known[kind], bare)
    if not found and kind == "timm" and timm.is_model(bare):
        check_name(pattern)
        found = [bare]
    if not found:
        raise _unknown(pattern, prefix, known[kind])
    return [prefix + one for one in found]


def facts(name: str) -> Facts:
    """Return facts about a model; of the catalogue and users' own for 10 classes in grey.

    Their images have the side of `own_size`. Models of timm and torchvision are described as
    published: their own size, colour, 1,000 classes.

    Raises:
        ModelError: see `build`.
    """
    kind = kind_of(name)
    is_small = kind in ("table", "own")
    shape = ModelShape(own_size(name), 1 if is_small else 3, 10 if is_small else 1000)
    with torch.random.fork_rng(devices=[]):
        model = _trial(name, shape, Protocol())
    source = published(name)
    return Facts(
        name=name,
        title=recipe_of(name).title if kind == "table" else "",
        num_parameters=num_parameters(model),
        num_macs=_num_macs(model, shape),
        image_px=shape.image_px,
        channels=shape.channels,
        num_classes=shape.num_classes,
        weights=source.publisher,
        weights_licence=source.licence,
    )


def num_macs(name: str, shape: ModelShape, protocol: Protocol) -> int | None:
    """Return the multiply-accumulates for one image, for the model of a cell; None if unknown.

    Counted on torch's meta device where the model can be built there: the counter does not see a
    CPU's fused attention.
    """
    plain = protocol.model_copy(update={"pretrained": False})
    with torch.random.fork_rng(devices=[]):
        return _num_macs(_trial(name, shape, plain), shape)


def _num_macs(model: nn.Module, shape: ModelShape) -> int | None:
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    counter = FlopCounterMode(display=False)
    model.eval()
    try:
        with counter, torch.no_grad():
            model(torch.zeros(1, shape.channels, shape.image_px, shape.image_px, device=device))
    except UNSUITABLE:
        return None
    return int(counter.get_total_flops()) // 2
