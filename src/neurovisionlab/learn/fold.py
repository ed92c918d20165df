"""Batch normalisation folded into the preceding convolutions during evaluation.

With fixed statistics a normalisation is a scale and a shift per channel, which the weights of the
preceding convolution can absorb: the same output up to rounding, without a pass over every feature
map. The model's own code is unchanged: both modules of a pair are temporarily replaced.
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
    """Names of a convolution and of the normalisation that is the only user of its output."""

    conv: str
    norm: str


# searching takes as long as evaluating a few hundred small images; the pairs do not change
_known: weakref.WeakKeyDictionary[nn.Module, tuple[Pair, ...]] = weakref.WeakKeyDictionary()

TOLERANCE = 1e-3  # of the largest logit; rounding in float32 is far smaller


@contextlib.contextmanager
def folded(model: nn.Module, example: Callable[[], Tensor]) -> Iterator[None]:
    """Fold batch normalisation inside the block, and restore the model after it.

    Needs as much memory as the weights of the folded convolutions. A model that cannot be traced,
    for instance because its code branches on its input, or whose output would change, is left
    unchanged.

    Args:
        model: in evaluation mode, on any device.
        example: returns a few images [B, C, H, W] on which both forms are compared, once per model.
    """
    if model not in _known:
        pairs = pairs_of(model)
        _known[model] = pairs if pairs and _answers_alike(model, pairs, example()) else ()
    with _exchanged(model, _known[model]):
        yield


def forget(model: nn.Module) -> None:
    """Search for pairs again next time, because the model has changed."""
    _known.pop(model, None)


@torch.inference_mode()
def _answers_alike(model: nn.Module, pairs: tuple[Pair, ...], example_BCHW: Tensor) -> bool:
    """Return whether a model's logits, in float32, stay the same when these pairs are folded.

    A trace is not sufficient: code may reach a module by a second name, or read attributes that its
    replacement lacks.
    """
    expected_BC = model(example_BCHW)
    try:
        with _exchanged(model, pairs):
            answers_BC = model(example_BCHW)
    except Exception:  # the model may raise anything
        return False
    # NaN compares as different
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
    """Return the part of a normalisation other than normalising: timm's also activates."""
    if isinstance(norm, BatchNormAct2d):
        return nn.Sequential(norm.drop, norm.act)
    return nn.Identity()


class _Tracer(fx.Tracer):
    """Tracer of a forward pass down to torch's own modules and foldable modules."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is traced as a unit."""
        can_be_folded = isinstance(m, (nn.BatchNorm2d, OnePixelConv2d))
        return can_be_folded or super().is_leaf_module(m, module_qualified_name)


def pairs_of(model: nn.Module) -> tuple[Pair, ...]:
    """Return the foldable pairs: convolutions whose output goes to a single normalisation."""
    modules = dict(model.named_modules())
    if not any(isinstance(module, nn.BatchNorm2d) for module in modules.values()):
        return ()
    try:
        graph = _Tracer().trace(model)
    except Exception:  # untraceable code may raise anything
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
    """Return the calls of modules that are called once and whose weights are not read elsewhere."""
    calls = [node for node in graph.nodes if node.op == "call_module"]
    targets = [node.target for node in calls]
    read = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    return {node for node in calls if targets.count(node.target) == 1 and node.target not in read}


def _suit(conv: nn.Module, norm: nn.Module) -> bool:
    """Return whether the formula of folding applies to both modules."""
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
    """Return whether a module has hooks, which would see other numbers, or nothing."""
    return bool(module._forward_hooks or module._forward_pre_hooks)
