"""Models of a user's own, each odd in one way: some train and must go on doing so, some cannot."""

from __future__ import annotations

import functools
import itertools
import random
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

CALLS = 0
NUMBERS = itertools.count()
HELD: dict[str, list[int]] = {"sizes": []}
NUM_HIDDEN = 16


class Small(nn.Module):
    """Two layers; the others differ from it."""

    def __init__(self, num_classes: int, channels: int, image_px: int) -> None:
        super().__init__()
        self.first = nn.Linear(channels * image_px**2, NUM_HIDDEN)
        self.middle = nn.Linear(NUM_HIDDEN, NUM_HIDDEN)
        self.head = nn.Linear(NUM_HIDDEN, num_classes)

    def features(self, images_BCHW: Tensor) -> Tensor:
        """Return what the head sees: [B, hidden]."""
        return self.middle(functional.relu(self.first(images_BCHW.flatten(1)))).relu()

    def forward(self, images_BCHW: Tensor) -> Any:
        """Return logits."""
        return self.head(self.features(images_BCHW))


Build = Callable[..., nn.Module]


# models that train


class Tied(Small):
    """Two layers are one weight; a buffer is theirs, too."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.again = nn.Linear(NUM_HIDDEN, NUM_HIDDEN)
        self.again.weight = self.middle.weight
        self.third = self.middle
        self.register_buffer("weight_too", self.middle.weight.data)

    def features(self, images_BCHW: Tensor) -> Tensor:
        return self.third(self.again(super().features(images_BCHW)).relu())


class Views(Small):
    """Parameters that share memory without being the same: parts, transposed, spread, by data."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        whole = self.middle.weight.data
        self.part = nn.Parameter(whole[:4])
        self.turned = nn.Parameter(whole.t())
        self.same_data = nn.Parameter(whole)
        self.flat = nn.Parameter(whole.view(-1))
        self.register_buffer("spread", torch.ones(1).expand(NUM_HIDDEN, NUM_HIDDEN))
        self.register_buffer("columns", torch.rand(4, 6)[:, ::2])

    def features(self, images_BCHW: Tensor) -> Tensor:
        hidden = super().features(images_BCHW)
        moved = hidden @ self.turned + hidden @ self.same_data * self.spread[0]
        return moved + self.part.mean() + self.flat.mean() + self.columns.mean()


class Types(Small):
    """Numbers of many types, and outside of the state."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.precise = nn.Parameter(torch.ones(NUM_HIDDEN, dtype=torch.float64))
        self.coarse = nn.Parameter(torch.ones(NUM_HIDDEN, dtype=torch.bfloat16))
        self.register_buffer("turn", torch.tensor([1j, 2 - 1j], dtype=torch.complex128))
        self.register_buffer("on", torch.tensor([True, False]))
        self.register_buffer("one", torch.tensor(1))
        self.register_buffer("nothing", torch.empty(0, 3))
        self.register_buffer("nothing_too", torch.empty(0, 3))
        self.register_buffer("steps", torch.zeros(()), persistent=False)

    def features(self, images_BCHW: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
            self.turn *= 1j
        hidden = super().features(images_BCHW) * self.precise.float() * self.coarse.float()
        return hidden * (1 + self.steps / 100) * self.turn.abs().sum().float()


class Late(Small):
    """Makes a buffer in its first step, and one that is in no state."""

    def features(self, images_BCHW: Tensor) -> Tensor:
        hidden = super().features(images_BCHW)
        if not hasattr(self, "centre"):
            self.register_buffer("centre", hidden.detach().mean(0))
            self.register_buffer("mask", torch.rand(NUM_HIDDEN), persistent=False)
        return (hidden - self.centre) * self.mask


class Remembers(Small):
    """Answers by what it did before: attributes, globals, class, closures, hooks, generators."""

    drawn = 0

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.seen: list[int] = []
        self.own = torch.Generator().manual_seed(1)
        self.numpys, self.pythons = np.random.default_rng(1), random.Random(1)
        self.trace = torch.zeros(NUM_HIDDEN)
        calls = 0

        def count(module: nn.Module, given: object, hidden: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            self.last = hidden  # of the model it was written for, not of a copy
            return hidden * (1 + calls / 50)

        self.middle.register_forward_hook(count)
        self.drop = nn.Dropout(0.3)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        global CALLS  # noqa: PLW0603 - what is tried
        CALLS += 1
        type(self).drawn += 1
        self.seen.append(len(images_BCHW))
        HELD["sizes"].append(len(images_BCHW))
        hidden = self.features(images_BCHW)
        assert self.last.shape == hidden.shape
        noise = torch.rand(NUM_HIDDEN, generator=self.own) + _mask() + self.trace
        chance = self.numpys.random() + self.pythons.random() + random.random()
        chance += np.random.rand()  # noqa: NPY002
        self.trace += 0.001
        counts = CALLS + type(self).drawn + len(self.seen) + len(HELD["sizes"]) + next(NUMBERS)
        return self.head(self.drop(hidden) * (noise + chance + counts / 50))


@functools.cache
def _mask() -> Tensor:
    return torch.rand(NUM_HIDDEN)


def forget() -> None:
    """Let nothing have happened yet."""
    global CALLS, NUMBERS
    CALLS, NUMBERS, Remembers.drawn = 0, itertools.count(), 0
    HELD["sizes"].clear()
    _mask.cache_clear()
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002 - a user's code may


class Told(Small):
    """Keeps something beside its tensors, as one."""

    steps = 0

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.steps)

    def set_extra_state(self, state: Tensor) -> None:
        self.steps = int(state)

    def forward(self, images_BCHW: Tensor) -> Any:
        self.steps += self.training
        return super().forward(images_BCHW) * (1 + self.steps / 10)


def lazy(num_classes: int, channels: int, image_px: int) -> nn.Module:
    """Return layers that learn their sizes from the first image."""
    return nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(num_classes)
    )


def weight_norm(num_classes: int, channels: int, image_px: int) -> nn.Module:
    """Return a model with a parametrised weight."""
    model = Small(num_classes, channels, image_px)
    parametrizations.weight_norm(model.middle)
    parametrizations.spectral_norm(model.first)
    return model


def scripted(num_classes: int, channels: int, image_px: int) -> nn.Module:
    """Return a model whose code and weights lie outside of Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(counting(num_classes, channels, image_px))


def old_weight_norm(num_classes: int, channels: int, image_px: int) -> nn.Module:
    """Return a model that cannot be copied: a weight is the result of a computation."""
    model = Small(num_classes, channels, image_px)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn.utils.weight_norm(model.middle)
    return model


def counting(num_classes: int, channels: int, image_px: int) -> nn.Module:
    """Return dropout, and normalisations that count their batches."""
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5),
        nn.Flatten(), nn.Linear(4 * (image_px - 2) ** 2, num_classes),
    )  # fmt: skip


# models that cannot be trained or kept


class Tuple(Small):
    """Returns its features, too, while it trains."""

    def forward(self, images_BCHW: Tensor) -> Any:
        hidden = self.features(images_BCHW)
        return (self.head(hidden), hidden) if self.training else self.head(hidden)


class Dict(Small):
    """Returns a dictionary while it trains."""

    def forward(self, images_BCHW: Tensor) -> Any:
        logits = super().forward(images_BCHW)
        return {"logits": logits} if self.training else logits


class Wide(Small):
    """Has other classes while it trains."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        logits = super().forward(images_BCHW)
        return torch.cat([logits, logits], 1) if self.training else logits


class Squeezed(Small):
    """Loses the first dimension of a batch of one."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return super().forward(images_BCHW).squeeze()


class Whole(Small):
    """Answers in whole numbers while it trains."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        logits = super().forward(images_BCHW)
        return logits.long() if self.training else logits


class Detached(Small):
    """Answers without a gradient."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return super().forward(images_BCHW).detach()


class Makes(Small):
    """Makes a layer in its first forward pass, after the optimiser has looked."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        if not hasattr(self, "late"):
            self.late = nn.Linear(NUM_HIDDEN, NUM_HIDDEN)
        return self.head(self.late(self.features(images_BCHW)))


class Raises(Small):
    """Cannot answer more than two images at once."""

    def forward(self, images_BCHW: Tensor) -> Any:
        if not self.training and len(images_BCHW) > 2:
            raise ValueError("too many")
        return super().forward(images_BCHW)


class SharesInference(Small):
    """Keeps for a step what an answer made without gradients in mind."""

    def forward(self, images_BCHW: Tensor) -> Any:
        if not self.training:
            self.kept = self.middle.weight * 2
        kept = getattr(self, "kept", self.middle.weight)
        return self.head((self.features(images_BCHW) * self.head.weight.sum()) @ kept)


def frozen(num_classes: int, channels: int, image_px: int) -> nn.Module:
    """Return a model without anything to train."""
    return Small(num_classes, channels, image_px).requires_grad_(False)


class Pool(nn.Module):
    """Answers without parameters."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(images_BCHW[:, :1], (1, self.num_classes)).flatten(1)


def without(num_classes: int, channels: int, image_px: int) -> nn.Module:
    """Return a model without parameters."""
    return Pool(num_classes)


class Complex(Small):
    """Has complex parameters."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.turn = nn.Parameter(torch.ones(NUM_HIDDEN, dtype=torch.complex64))

    def features(self, images_BCHW: Tensor) -> Tensor:
        return super().features(images_BCHW) * self.turn.abs()


class Extra(Small):
    """Keeps text beside its tensors."""

    def get_extra_state(self) -> Any:
        return {"words": "of its own"}

    def set_extra_state(self, state: Any) -> None:
        pass


class Quantised(Small):
    """Has a buffer that no file of weights can hold."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        sparse = torch.eye(3).to_sparse()
        self.register_buffer("sparse", sparse)


class Projected(Small):
    """Looks at images through numbers that it drew, which no file of weights has."""

    look: Tensor

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.register_buffer("look", torch.rand(NUM_HIDDEN), persistent=False)

    def features(self, images_BCHW: Tensor) -> Tensor:
        return super().features(images_BCHW) * self.look


class OnlyGets(Small):
    """Gives extra state and takes none."""

    def get_extra_state(self) -> Tensor:
        return torch.tensor(1)


MODELS: Mapping[str, type[Small]] = {
    one.__name__.lower(): one for one in Small.__subclasses__() if one.__module__ == __name__
}


def __getattr__(name: str) -> Build:
    """Return the function that builds a model, by its class's name in small letters."""
    if name not in MODELS:
        raise AttributeError(name)

    def build(num_classes: int, channels: int, image_px: int) -> nn.Module:
        return MODELS[name](num_classes, channels, image_px)

    return build
