"""Facts about models without training: existence of a name, fit to images, sizes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from neurovisionlab.core.errors import ModelError, mould
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.catalogue import MODELS
from neurovisionlab.learn.loading import UNSUITABLE
from neurovisionlab.learn.model_source import ModelShape, ModelSource
from neurovisionlab.learn.named_models import source_of
from neurovisionlab.learn.stems import change_stem
from neurovisionlab.learn.zoo import num_parameters


def identify(name: str) -> str | None:
    """Check that something stands for a name; return what identifies it beyond the name.

    Raises:
        ModelError: see `ModelSource.check`.
    """
    source = source_of(name)
    source.check()
    return source.digest()


def check(name: str, shape: ModelShape, protocol: Protocol) -> bool:
    """Build the model as a cell would and check its output; return whether `stem` changed it.

    Without pretrained weights timm's and torchvision's models are built on the meta device, which
    takes no time and no memory. The caller's random state is left unchanged.

    Raises:
        ModelError: as in `build`, or for an output that is not [images, classes].
    """
    source = source_of(name)
    with torch.random.fork_rng(devices=[]):
        plain = protocol.model_copy(update={"stem": "imagenet", "pretrained": False})
        model = built_for_size(source, shape, protocol)
        changed = protocol.stem == "imagenet" or (
            not source.has_own_stem(protocol.stem)
            and change_stem(built_for_size(source, shape, plain), protocol.stem)
        )
    got = _answer(source, model, shape)
    expected = [2, shape.num_classes]
    if got != expected:
        remedy = "a last layer with num_classes outputs"
        raise ModelError(mould(f"{name}, answer to 2 images", str(expected), str(got), remedy))
    return changed


def built_for_size(source: ModelSource, shape: ModelShape, protocol: Protocol) -> nn.Module:
    """Return a model, without memory for its weights where that is possible."""
    if not protocol.pretrained and not source.is_code:
        try:
            with torch.device("meta"):
                return source.build(shape, protocol)
        except NotImplementedError:  # a model that computes its initial weights
            pass
    return source.build(shape, protocol)


def _answer(source: ModelSource, model: nn.Module, shape: ModelShape) -> list[int] | str:
    """Return the shape of the model's answer to two blank images, or what it is instead."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    size = (2, shape.channels, shape.image_px, shape.image_px)
    model.eval()
    try:
        with torch.no_grad():
            logits_BC = model(torch.zeros(size, device=device))
    except Exception as error:  # a user's model may raise anything
        raise source.wrong_size(shape, error) from None
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
    if pattern is None:
        return list(MODELS)
    # a name of the same kind: "*" and "?" are letters of none
    return source_of(pattern.replace("*", "x").replace("?", "x")).names_like(pattern)


def facts(name: str) -> Facts:
    """Return facts about a model; of the catalogue and users' own for 10 classes in grey.

    Their images have the side of `own_size`. Models of timm and torchvision are described as
    published: their own size, colour, 1,000 classes.

    Raises:
        ModelError: see `build`.
    """
    source = source_of(name)
    shape = source.usual_shape
    with torch.random.fork_rng(devices=[]):
        model = built_for_size(source, shape, Protocol())
    weights = source.published()
    return Facts(
        name=name,
        title=source.title,
        num_parameters=num_parameters(model),
        num_macs=_num_macs(model, shape),
        image_px=shape.image_px,
        channels=shape.channels,
        num_classes=shape.num_classes,
        weights=weights.publisher,
        weights_licence=weights.licence,
    )


def num_macs(name: str, shape: ModelShape, protocol: Protocol) -> int | None:
    """Return the multiply-accumulates for one image, for the model of a cell; None if unknown.

    Counted on torch's meta device where the model can be built there: the counter does not see a
    CPU's fused attention.
    """
    plain = protocol.model_copy(update={"pretrained": False})
    with torch.random.fork_rng(devices=[]):
        return _num_macs(built_for_size(source_of(name), shape, plain), shape)


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
