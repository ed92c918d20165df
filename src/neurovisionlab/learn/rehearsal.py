"""Rehearsal of a cell on a few images before it trains.

Errors that would occur after hours occur here, in seconds, with a clear message: a training step
and an evaluation for each batch size, saving and loading of weights and record. Afterwards all
state is restored: see `snapshot`.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from neurovisionlab.core.errors import ModelError, NvlError, mould, one_line
from neurovisionlab.core.records import CellRecord, check_readable
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.batches import Batches, Staged
from neurovisionlab.learn.answer import answers_at_once, keeps_nothing, predict
from neurovisionlab.learn.checkpoint import Built, from_bytes, put_back, to_bytes
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import Chance, is_out_of_memory
from neurovisionlab.learn.named_models import source_of
from neurovisionlab.learn.parts import Parts
from neurovisionlab.learn.schedules import steps_per_epoch
from neurovisionlab.learn.snapshot import left_as_it_was
from neurovisionlab.learn.state import Movers, Trainer, make_movers, new_sums
from neurovisionlab.learn.train import run_epoch

Batch = tuple[Tensor, Tensor]


def rehearse(
    model: nn.Module,
    cell: CellSpec,
    parts: Parts,
    trainer: Trainer,
    record: Callable[[], CellRecord],
) -> None:
    """Rehearse the steps of a cell; the model and all random states are restored.

    Test images are not used: validation images stand in for them.

    Args:
        model: on the device, in its form of training.
        cell: the cell of the model.
        parts: its images.
        trainer: its clocks and random generators are not touched.
        record: returns the cell's record as far as it is known now.

    Raises:
        ModelError: the model cannot be trained, evaluated, or stored.
        SpecError: the record could not be read back.
    """
    _check_trainable(cell.model, model)
    order, noise = (_copy_of(one) for one in (trainer.chance.order, trainer.chance.noise))
    apart = replace(trainer, chance=Chance(order, noise), clocks=Stopwatches())
    attempt = _Attempt(model, cell, parts, apart)
    with left_as_it_was(model, trainer.device) as snapshot:
        built = Built.of(model)
        attempt.learn_and_answer()
        check_readable(record())
        with explained(cell.model, "keeping its weights", source_of(cell.model).remedy):
            if cell.protocol.keep_epoch == "best":
                put_back(model, copy.deepcopy(model.state_dict()))
            if cell.protocol.keep_weights != "none":
                content = to_bytes(model, built=built)
                snapshot.restore()
                from_bytes(model, content)
        trainer.device.synchronize()


def _copy_of(generator: torch.Generator) -> torch.Generator:
    return torch.Generator(generator.device).set_state(generator.get_state())


def _check_trainable(name: str, model: nn.Module) -> None:
    parameters = list(model.parameters())
    if not any(one.requires_grad for one in parameters):
        got = f"none: all {len(parameters)} are frozen" if parameters else "a model without any"
        remedy = "requires_grad_() on what is to learn" if parameters else "an nn.Linear as head"
        raise ModelError(mould(name, "parameters to train", got, remedy))
    for key, one in _trained(model).items():
        if not one.dtype.is_floating_point:  # fused optimiser steps accept no other kinds
            remedy = "two parameters, for real and imaginary parts"
            raise ModelError(mould(name, "real parameters", f"{key} of {one.dtype}", remedy))


class _Attempt:
    """Training steps and evaluations of a cell, each batch size once."""

    def __init__(self, model: nn.Module, cell: CellSpec, parts: Parts, trainer: Trainer) -> None:
        self._model, self._cell, self._parts, self._trainer = model, cell, parts, trainer
        self._name = cell.model
        # libraries' networks treat all batches alike; users' code may do anything
        self._is_own = not keeps_nothing(model)

    def learn_and_answer(self) -> None:
        """Train, evaluate, train again, in the order of a cell."""
        protocol, train = self._trainer.protocol, self._parts.train
        what = f'optimizer = "{protocol.optimizer}"'
        with explained(self._name, what, "another protocol.optimizer"):
            steps = steps_per_epoch(len(train), protocol)
            movers = make_movers(self._model, self._trainer, steps)
        images_BCHW, labels_B = next(self._batches())
        self._step(movers, (images_BCHW, labels_B))
        for num in self._answer_sizes():
            self._answer(num)
        rest = len(train) % len(labels_B)
        if rest > 1:  # an epoch's last batch; a batch of one image is left out
            self._step(movers, (images_BCHW[:rest], labels_B[:rest]))
        elif self._is_own:  # code may have stored what an evaluation cannot share with a step
            self._step(movers, (images_BCHW, labels_B))

    def _batches(self) -> Iterator[Batch]:
        chance = self._trainer.chance
        return self._parts.train.shuffled(chance.order, chance.noise)

    def _step(self, movers: Movers, batch: Batch) -> None:
        num = len(batch[1])
        model = Checked(self._model, self._name, self._cell.num_classes)
        before = _trained(self._model)
        with step_explained(self._name, num, _remedy_of_one(num, len(self._parts.train))):
            sums = new_sums(self._trainer.device)
            for _ in run_epoch(model, iter([batch]), self._trainer, movers, sums):
                pass
        _check_same(self._name, before, _trained(self._model))

    def _answer_sizes(self) -> list[int]:
        """Return the batch sizes of evaluation, the largest first.

        For libraries' networks a batch of the training size and a single image represent all.
        """
        val, sizes = self._parts.val, [len(asked) for asked in self._parts.evaluated.values()]
        full = answers_at_once(val)
        largest = min(full, max(sizes))
        rests = {size % full for size in sizes} - {0, largest}
        if self._is_own:
            return [largest, *sorted(rests)]
        return [min(largest, val.batch_size), *sorted(rests & {1})]

    def _answer(self, num: int) -> None:
        some = _some(self._parts.val, num)
        what = f"answer to {num:,} images"
        with explained(self._name, what, source_of(self._name).remedy):
            logits_NC, _ = predict(self._model, some, self._trainer.device, Stopwatches())
        expected = [num, self._cell.num_classes]
        if list(logits_NC.shape) != expected:
            got = str(list(logits_NC.shape))
            remedy = "a forward that keeps the first dimension of a batch of one, too"
            raise ModelError(mould(f"{self._name}, {what}", str(expected), got, remedy))


def _some(batches: Batches, num: int) -> Batches:
    """Return `num` images of a data set, repeating the first ones if it has fewer."""
    where = torch.arange(num, device=batches.staged.labels_N.device) % len(batches)
    images, labels = batches.staged.images_NCHW[where], batches.staged.labels_N[where]
    return replace(batches, staged=Staged(images, labels))


class Checked(nn.Module):
    """A model whose output in training is validated before use."""

    def __init__(self, model: nn.Module, name: str, num_classes: int) -> None:
        super().__init__()
        self._model, self._name, self._num_classes = model, name, num_classes

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return the logits [B, C] of images [B, C, H, W].

        Raises:
            ModelError: the model returned something else.
        """
        answer = self._model(images_BCHW)
        expected = [len(images_BCHW), self._num_classes]
        found = _why_no_logits(answer, expected, images_BCHW.device)
        if found is not None:
            what = f"{self._name}, answer in training mode to {expected[0]} images"
            raise ModelError(mould(what, f"logits {expected}", *found))
        logits_BC: Tensor = answer
        return logits_BC


def _why_no_logits(
    answer: object, expected: list[int], device: torch.device
) -> tuple[str, str] | None:
    """Return (actual output, remedy); None for valid logits with a gradient."""
    if not isinstance(answer, Tensor):
        num = f" of {len(answer)}" if isinstance(answer, tuple | list) else ""
        return f"a {type(answer).__name__}{num}", "to return logits alone, in training mode, too"
    told = (
        (list(answer.shape) == expected, list(answer.shape), "a last layer of num_classes outputs"),
        (answer.dtype.is_floating_point, answer.dtype, "floating-point logits"),
        (answer.device == device, f"them on {answer.device}", f"to leave them on {device}"),
        (answer.requires_grad, "numbers without a gradient", "no detach(), no_grad() or numpy()"),
    )
    return next(((str(got), remedy) for is_right, got, remedy in told if not is_right), None)


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: one for name, one in model.named_parameters() if one.requires_grad}


def _check_same(name: str, before: dict[str, nn.Parameter], after: dict[str, nn.Parameter]) -> None:
    """Refuse parameters created by a forward pass: the optimiser would not see them."""
    new = [key for key, one in after.items() if before.get(key) is not one]
    if new:
        got = f"{new[0]}, made by forward: it would never be trained"
        remedy = "to make it before the model is returned, or nn.LazyLinear"
        raise ModelError(mould(name, "parameters that stay the same objects", got, remedy))


def _remedy_of_one(num: int, num_train: int) -> str | None:
    """Return the remedy for a model that cannot train on one image; None for larger batches."""
    if num > 1:
        return None
    return "protocol.batch_size = 2 or more" if num_train > 1 else "more images to train on"


@contextlib.contextmanager
def step_explained(name: str, num: int, remedy_of_one: str | None) -> Iterator[None]:
    """Convert errors of a training step on `num` images into one clear error.

    Raises:
        ModelError: for all errors except exhausted memory, which is raised unchanged.
    """
    what = f"a training step of {num:,} {'image' if num == 1 else 'images'}"
    try:
        with explained(name, what, source_of(name).remedy):
            yield
    except ModelError as error:
        cause = str(error.__cause__)
        if remedy_of_one is None or not cause.startswith("Expected more than 1 "):
            raise
        expected = "several images a batch: it normalises over them"
        raise ModelError(mould(f"{name}, {what}", expected, "one", remedy_of_one)) from error


@contextlib.contextmanager
def explained(name: str, what: str, remedy: str) -> Iterator[None]:
    """Convert errors of a model inside the block into one clear error.

    Raises:
        ModelError: for all errors except exhausted memory and `NvlError`, which are raised
            unchanged.
    """
    try:
        yield
    except NvlError:
        raise
    except Exception as error:  # a model may raise anything
        if is_out_of_memory(error):
            raise
        got = one_line(error)
        raise ModelError(mould(f"{name}, {what}", "no error", got, remedy)) from error
