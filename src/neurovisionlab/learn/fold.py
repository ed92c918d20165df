"""Batch normalisation folded into the convolutions before it, for as long as answers are asked.

With fixed statistics a normalisation is a scale and a shift for each channel, which the weights of
the convolution before it can take over: the same answers but for rounding, without a pass over
every feature map. The model's own code stays as it is and runs as it is: two modules of a pair
change places with stand-ins, and change back.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from neurovisionlab.learn.one_pixel import OnePixelConv2d


class Pair(NamedTuple):
    """Names of a convolution and of the normalisation that alone uses its answer."""

    conv: str
    norm: str


# looking for pairs takes as long as answering a few hundred small images; a model's stay the same
_known: weakref.WeakKeyDictionary[nn.Module, tuple[Pair, ...]] = weakref.WeakKeyDictionary()

TOLERANCE = 1e-3  # of the largest logit; float32's rounding stays far below


@contextlib.contextmanager
def folded(model: nn.Module, example: Callable[[], Tensor]) -> Iterator[None]:
    """Fold what can be folded inside the block, and put everything back after it.

    Takes as much memory as the folded convolutions' weights. A model that cannot be looked
    through, say because its code branches on its input, or that would answer differently, stays
    as it is.

    Args:
        model: in evaluation mode, on any device.
        example: gives a few images_BCHW on which both forms are compared, once for each model.
    """
    if model not in _known:
        pairs = pairs_of(model)
        _known[model] = pairs if pairs and _answers_alike(model, pairs, example()) else ()
    with _exchanged(model, _known[model]):
        yield


def forget(model: nn.Module) -> None:
    """Look for pairs anew the next time: the model was another when they were found."""
    _known.pop(model, None)


@torch.inference_mode()
def _answers_alike(model: nn.Module, pairs: tuple[Pair, ...], example_BCHW: Tensor) -> bool:
    """Return whether a model's answers, in float32, stay the same when these pairs are folded.

    A trace does not show all: code may reach a module by a second name, or read what the one that
    takes its place does not have.
    """
    expected_BC = model(example_BCHW)
    try:
        with _exchanged(model, pairs):
            answers_BC = model(example_BCHW)
    except Exception:  # the model's own, of any kind
        return False
    # what is not a number compares as unlike
    return bool((answers_BC - expected_BC).abs().max() <= TOLERANCE * expected_BC.abs().max())


@contextlib.contextmanager
def _exchanged(model: nn.Module, pairs: tuple[Pair, ...]) -> Iterator[None]:
    originals = {name: model.get_submodule(name) for pair in pairs for name in pair}
    try:
        for conv_name, norm_name in pairs:
            conv, norm = originals[conv_name], originals[norm_name]
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            model.set_submodule(conv_name, fuse_conv_bn_eval(conv, norm))
            model.set_submodule(norm_name, _rest_of(norm))
        yield
    finally:
        for name, module in originals.items():
            model.set_submodule(name, module)


def _rest_of(norm: nn.BatchNorm2d) -> nn.Module:
    """Return what a normalisation does beside normalising: timm's also activates."""
    if isinstance(norm, BatchNormAct2d):
        return nn.Sequential(norm.drop, norm.act)
    return nn.Identity()


class _Tracer(fx.Tracer):
    """Follows a forward pass down to torch's own modules and to all that can be folded."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is taken as it is."""
        can_be_folded = isinstance(m, (nn.BatchNorm2d, OnePixelConv2d))
        return can_be_folded or super().is_leaf_module(m, module_qualified_name)


def pairs_of(model: nn.Module) -> tuple[Pair, ...]:
    """Return what can be folded: convolutions whose answer goes to one normalisation alone."""
    modules = dict(model.named_modules())
    if not any(isinstance(module, nn.BatchNorm2d) for module in modules.values()):
        return ()
    try:
        graph = _Tracer().trace(model)
    except Exception:  # whatever code does that was not written to be followed
        return ()
    once = _called_once(graph)
    found = []
    for node in graph.nodes:
        before = node.args[0] if node.args else None
        if node not in once or not isinstance(before, fx.Node) or before not in once:
            continue
        pair = Pair(str(before.target), str(node.target))
        if len(before.users) == 1 and _suit(modules[pair.conv], modules[pair.norm]):
            found.append(pair)
    return tuple(found)


def _called_once(graph: fx.Graph) -> set[fx.Node]:
    """Return the calls of modules that are called nowhere else and whose weights none reads."""
    calls = [node for node in graph.nodes if node.op == "call_module"]
    targets = [node.target for node in calls]
    read = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    return {node for node in calls if targets.count(node.target) == 1 and node.target not in read}


def _suit(conv: nn.Module, norm: nn.Module) -> bool:
    """Return whether both are exactly what the folding's formula is for."""
    return (
        type(conv) in (nn.Conv2d, OnePixelConv2d)
        and type(norm) in (nn.BatchNorm2d, BatchNormAct2d)
        and isinstance(norm, nn.BatchNorm2d)
        and norm.running_mean is not None
        and norm.running_var is not None
        and not _is_watched(conv)
        and not _is_watched(norm)
    )


def _is_watched(module: nn.Module) -> bool:
    """Return whether hooks hang on a module: they would see other numbers, or nothing."""
    return bool(module._forward_hooks or module._forward_pre_hooks)
