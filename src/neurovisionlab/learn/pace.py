"""In which form a model is trained: the same for all, unless trials are asked for.

Two choices that change no method and only the last digits of numbers: the order of an image's
numbers in memory, and whether torch compiles the model. No stopwatch decides them unasked, or the
same study would give other digits on a busy machine: both orders are tried only where
NVL_TRY_FORMATS=1 says so, compiling only where NVL_COMPILE=1 does, and neither before short
trainings, which have less to win than a trial costs. What was chosen is recorded, and a model that
comes back takes it from there (`restored_form`).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurovisionlab.core.records import Execution, MemoryFormat
from neurovisionlab.data.batches import Batches
from neurovisionlab.learn.clock import Timer
from neurovisionlab.learn.device import Device
from neurovisionlab.learn.one_pixel import use_products
from neurovisionlab.learn.schedules import steps_per_epoch
from neurovisionlab.learn.settings import wants_compiling, wants_trials
from neurovisionlab.learn.snapshot import left_as_it_was
from neurovisionlab.learn.state import Trainer

# A trial is about a dozen steps: more than a hundredth of a training with fewer steps than this.
STEPS_WORTH_A_TRIAL = 1000
ROUNDS = 3
# The usual choice is left only for one that is faster by this factor: noise is to decide nothing.
MARGIN = 1.1
FORMATS: dict[MemoryFormat, torch.memory_format] = {
    "channels_last": torch.channels_last,
    "contiguous": torch.contiguous_format,
}


USUAL = Execution(memory_format="channels_last")


class Settled(NamedTuple):
    """A model as it will be trained, and the way it was chosen.

    Attributes:
        forward: the model itself, or its compiled form; both share the same weights.
        execution: for the record.
    """

    forward: nn.Module
    execution: Execution


def settle(model: nn.Module, train: Batches, trainer: Trainer) -> Settled:
    """Put the model into the usual form, or, where trials are asked for, into the fastest.

    Weights, statistics and random states are left unchanged.

    Raises:
        ResourceError: NVL_COMPILE or NVL_TRY_FORMATS is neither 0 nor 1.
    """
    compiles, tries = wants_compiling(), wants_trials()
    put_into_usual_form(model, trainer.device)
    num_steps = steps_per_epoch(len(train), trainer.protocol) * trainer.protocol.epochs
    if num_steps < STEPS_WORTH_A_TRIAL or not (compiles or tries):
        return Settled(model, USUAL)
    formats: tuple[MemoryFormat, ...] = tuple(FORMATS) if tries else ("channels_last",)
    with left_as_it_was(model, trainer.device):
        trial = _Trial(model, train, trainer)
        step_s = trial.formats(formats)
    usual, other = step_s["channels_last"], step_s.get("contiguous", math.inf)
    chosen: MemoryFormat = "contiguous" if other * MARGIN < usual else "channels_last"
    model.to(memory_format=FORMATS[chosen])
    compiled = None
    if compiles:
        with left_as_it_was(model, trainer.device):
            compiled = trial.compiled()
    tried: dict[str, float] = {str(name): seconds for name, seconds in step_s.items()}
    if compiled is not None:
        tried["compiled"] = compiled.step_s
    takes = compiled is not None and compiled.step_s * MARGIN < step_s[chosen]
    execution = Execution(
        memory_format=chosen,
        compiled=takes,
        tried_step_s=tried,
        compile_s=None if compiled is None else compiled.compile_s,
    )
    return Settled(compiled.forward if compiled and takes else model, execution)


def put_into_usual_form(model: nn.Module, device: Device) -> None:
    """Prepare a model, in place, as every cell does, without a trial.

    Channels last; on a CPU, convolutions with one output pixel become matrix products.
    """
    model.to(memory_format=torch.channels_last)
    if device.torch_device.type == "cpu":
        use_products(model)


def restored_form(model: nn.Module, device: Device, execution: Execution) -> None:
    """Put a model, in place, into the form in which it was trained; compiling is not repeated."""
    put_into_usual_form(model, device)
    model.to(memory_format=FORMATS[execution.memory_format])


class _Compiled(NamedTuple):
    forward: nn.Module
    step_s: float
    compile_s: float


class _Trial:
    """Training steps on one batch that change no weight."""

    def __init__(self, model: nn.Module, train: Batches, trainer: Trainer) -> None:
        self._model, self._trainer = model.train(), trainer
        self._images_BCHW, self._labels_B = next(train.in_order())
        self._num_last = len(train) % trainer.protocol.batch_size

    def formats(self, names: Sequence[MemoryFormat]) -> dict[MemoryFormat, float]:
        """Return the seconds of a step in each of these memory formats, tried in turn."""
        seconds: dict[MemoryFormat, list[float]] = {name: [] for name in names}
        for _ in range(1 + ROUNDS):
            for name in names:
                self._model.to(memory_format=FORMATS[name])
                seconds[name].append(self._seconds(self._model))
        return {name: statistics.median(values[1:]) for name, values in seconds.items()}

    def compiled(self) -> _Compiled | None:
        """Return the compiled model with its seconds per step; None if compiling fails."""
        # random numbers, for instance of dropout, stay those of the uncompiled model
        options: dict[str, bool | int | str | Callable[..., None]] = {"fallback_random": True}
        forward = torch.compile(self._model, options=options)
        assert isinstance(forward, nn.Module)
        timer = Timer()
        try:
            self._seconds(forward)
            if self._num_last > 1:  # an epoch's last batch is smaller: compile for it, too
                self._seconds(forward, self._num_last)
        except Exception:  # no compiler, or code that torch cannot compile: it raises many kinds
            return None
        compile_s = timer.seconds()
        step_s = statistics.median(self._seconds(forward) for _ in range(ROUNDS))
        return _Compiled(forward, step_s, compile_s)

    def _seconds(self, forward: Callable[[Tensor], Tensor], num: int | None = None) -> float:
        device = self._trainer.device
        device.synchronize()
        timer = Timer()
        with device.autocast():
            logits_BC = forward(self._images_BCHW[:num])
            functional.cross_entropy(logits_BC, self._labels_B[:num]).backward()
        for parameter in self._model.parameters():
            parameter.grad = None
        device.synchronize()
        return timer.seconds()
