"""Evaluation: the logits of a whole data set, computed in the same way for every model.

On a CPU several batches of small images are evaluated concurrently, each on its own threads. One
batch at a time, its threads would synchronise after every layer, for microseconds of work; beside a
busy process, each synchronisation waits for the slowest thread. Results are bitwise identical: a
batch holds the same images either way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurovisionlab.data.batches import Batches
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import Device
from neurovisionlab.learn.fold import folded

# Throughput peaks at 128 to 256 images of 28 px on CPUs (docs/speed-log.md); larger activations
# exceed the caches.
MOST_AT_ONCE = 256
PIXELS_AT_ONCE = MOST_AT_ONCE * 32**2
MOST_SIDE_BY_SIDE = 8  # each takes memory for its activations
STATELESS = {"torch", "torchvision", "timm", "neurovisionlab"}


def predict(
    model: nn.Module, batches: Batches, device: Device, clocks: Stopwatches
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the logits and labels of all images, in the order of the data set.

    Returns:
        (logits float32 [N, C], labels int64 [N]).
    """

    def answer(some: slice) -> Tensor:
        # both modes are per thread
        with torch.inference_mode(), device.autocast():
            logits_BC: Tensor = model(batches.at(some)).float()
        return logits_BC

    size = answers_at_once(batches)
    pieces = [slice(first, first + size) for first in range(0, len(batches), size)]
    with clocks.on("evaluation"), folded(model.eval(), lambda: batches.at(slice(2))):
        is_small = size * batches.image_px**2 <= PIXELS_AT_ONCE
        if is_small and device.torch_device.type == "cpu" and keeps_nothing(model):
            logits = _side_by_side(answer, pieces)
        else:
            logits = [answer(some) for some in pieces]
        # one copy of all logits: a copy after each batch would make the host wait for the device
        return torch.cat(logits).cpu().numpy(), batches.staged.labels_N.cpu().numpy()


def answers_at_once(batches: Batches) -> int:
    """Return the batch size of evaluation: large for small images.

    It does not depend on the load of the machine, so that results stay bitwise identical.
    """
    return max(batches.batch_size, min(MOST_AT_ONCE, PIXELS_AT_ONCE // batches.image_px**2))


def keeps_nothing(model: nn.Module) -> bool:
    """Return whether several threads may evaluate a model concurrently.

    Users' code may store state during a forward pass, and so may hooks; the libraries' classifiers
    do not.
    """
    return all(
        type(module).__module__.partition(".")[0] in STATELESS
        and "forward" not in vars(module)
        and not module._forward_hooks
        and not module._forward_pre_hooks
        for module in model.modules()
    )


def batches_at_once(threads: int, num_batches: int) -> int:
    """Return the number of batches to evaluate concurrently, with equally many threads each.

    The largest number for which at most an eighth of the threads is idle: for 15 threads 7 batches
    with 2 threads each, not 8 with one each.
    """
    most = min(threads, MOST_SIDE_BY_SIDE, num_batches)
    return next((num for num in range(most, 1, -1) if threads % num <= threads // 8), 1)


def _side_by_side(answer: Callable[[slice], Tensor], pieces: Sequence[slice]) -> list[Tensor]:
    """Return the logits of all batches in order, evaluating several batches concurrently."""
    threads = torch.get_num_threads()
    num = batches_at_once(threads, len(pieces))
    try:
        with ThreadPoolExecutor(
            num, initializer=torch.set_num_threads, initargs=(threads // num,)
        ) as pool:
            return list(pool.map(answer, pieces))
    finally:
        # the number applies to this thread and to threads started later
        torch.set_num_threads(threads)
