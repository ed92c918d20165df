"""Models of a user's own, built by calling the function that a study names."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from neurovisionlab.core.errors import ModelError, mould, one_line
from neurovisionlab.learn.loading import load_into
from neurovisionlab.learn.model_source import ModelShape, ModelSource
from neurovisionlab.learn.own_function import own_function
from neurovisionlab.learn.weight_files import read
from neurovisionlab.learn.weights import WeightsFile


def own_network(source: ModelSource, shape: ModelShape, weights: WeightsFile | None) -> nn.Module:
    """Call a user's function; load weights into the model that it returns.

    Raises:
        ModelError: the function fails or returns something else, or weights do not fit.
    """
    name, function = source.name, own_function(source.name)
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
    _give_sizes(source, model, shape)
    if weights is not None:
        load_into(model, read(weights.path), weights)
    return model


def _give_sizes(source: ModelSource, model: nn.Module, shape: ModelShape) -> None:
    """Let layers that learn their size from their first input (nn.LazyLinear) see one."""
    if not any(is_lazy(one) for one in itertools.chain(model.parameters(), model.buffers())):
        return
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(2, shape.channels, shape.image_px, shape.image_px))
    except Exception as error:  # a user's model may raise anything
        raise source.wrong_size(shape, error) from error
    model.train(was_training)
