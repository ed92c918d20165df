"""Choice of the fastest way to train on this machine, by trials before training; recorded.

Two choices that change no method and only the last digits of numbers: the memory layout of images,
and whether torch compiles the model. Short trainings try nothing: the gain is less than the cost of
trials. Compiling takes from a quarter of a minute to a whole minute and needs a C++ compiler, so it
is tried only with NVL_COMPILE=1.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurovisionlab.core.records import Execution, MemoryFormat
from neurovisionlab.data.batches import Batches
from neurovisionlab.learn.clock import Timer
from neurovisionlab.learn.device import Device
from neurovisionlab.learn.one_pixel import use_products
from neurovisionlab.learn.settings import wants_compiling
from neurovisionlab.learn.snapshot import left_as_it_was
from neurovisionlab.learn.train import Trainer, steps_per_epoch

# A trial is about a dozen steps: more than a hundredth of a training with fewer steps than this.
STEPS_WORTH_A_TRIAL = 1000
ROUNDS = 3
# Another way must be faster by this factor, so that noise of a busy machine does not decide: it
# also changes the last digits of results.
MARGIN = 1.1
FORMATS: dict[MemoryFormat, torch.memory_format] = {
    "channels_last": torch.channels_last,
    "contiguous": torch.contiguous_format,
}


class Settled(NamedTuple):
    """A model as it will be trained, and the way it was chosen.

    Attributes:
        forward: the model itself, or its compiled form; both share the same weights.
        execution: for the record.
    """

    forward: nn.Module
    execution: Execution


def settle(model: nn.Module, train: Batches, trainer: Trainer) -> Settled:
    """Put the model into the memory format, and possibly compiled form, that trains fastest.

    Weights, statistics and random states are left unchanged.

    Raises:
        ResourceError: NVL_COMPILE is neither 0 nor 1.
    """
    compiles = wants_compiling()
    put_into_usual_form(model, trainer.device)
    num_steps = steps_per_epoch(len(train), trainer.protocol) * trainer.protocol.epochs
    if num_steps < STEPS_WORTH_A_TRIAL:
        return Settled(model, Execution(memory_format="channels_last"))
    with left_as_it_was(model, trainer.device):
        trial = _Trial(model, train, trainer)
        step_s = trial.formats()
    usual, other = step_s["channels_last"], step_s["contiguous"]
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

    def formats(self) -> dict[MemoryFormat, float]:
        """Return {memory format: seconds per step}, tried in turn."""
        seconds: dict[MemoryFormat, list[float]] = {name: [] for name in FORMATS}
        for _ in range(1 + ROUNDS):
            for name, memory_format in FORMATS.items():
                self._model.to(memory_format=memory_format)
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
