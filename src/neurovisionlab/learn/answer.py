"""The one evaluation, for every model alike: a whole set's logits, as fast as the device has them.

A processor answers several batches of small images side by side, each on a thread of its own. One
batch after the other, its threads would meet after every layer, for work of microseconds; beside a
busy process, each of these meetings waits for the thread that comes last. What is answered is the
same to the last bit: a batch holds the same images either way.
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

# Answers a second peak at 128 to 256 images of 28 px on CPUs (docs/speed-log.md); above, what lies
# between two layers leaves the caches.
MOST_AT_ONCE = 256
PIXELS_AT_ONCE = MOST_AT_ONCE * 32**2
MOST_SIDE_BY_SIDE = 8  # each takes memory for what lies between two layers of its batch
STATELESS = {"torch", "torchvision", "timm", "neurovisionlab"}


def predict(
    model: nn.Module, batches: Batches, device: Device, clocks: Stopwatches
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return (logits_NC float32, labels_N) for every image, in the order of the set."""

    def answer(some: slice) -> Tensor:
        # both modes are a thread's own
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
        # one copy of all logits: after each batch, a copy would make the host wait for the device
        return torch.cat(logits).cpu().numpy(), batches.staged.labels_N.cpu().numpy()


def answers_at_once(batches: Batches) -> int:
    """Return the images of a batch in evaluation: many where they are small.

    Independent of what else the machine does, so that the last bit is the same again.
    """
    return max(batches.batch_size, min(MOST_AT_ONCE, PIXELS_AT_ONCE // batches.image_px**2))


def keeps_nothing(model: nn.Module) -> bool:
    """Return whether several threads may ask a model at once.

    Code of a user's own may put something down on its way and pick it up again, and so may hooks;
    the libraries' classifiers do not.
    """
    return all(
        type(module).__module__.partition(".")[0] in STATELESS
        and "forward" not in vars(module)
        and not module._forward_hooks
        and not module._forward_pre_hooks
        for module in model.modules()
    )


def batches_at_once(threads: int, num_batches: int) -> int:
    """Return how many batches are answered at once, with equally many threads each.

    The most of which at most an eighth of the threads has nothing to do: 7 with 2 threads each for
    15 threads, not 8 with one each.
    """
    most = min(threads, MOST_SIDE_BY_SIDE, num_batches)
    return next((num for num in range(most, 1, -1) if threads % num <= threads // 8), 1)


def _side_by_side(answer: Callable[[slice], Tensor], pieces: Sequence[slice]) -> list[Tensor]:
    """Return the answers in order, a few of them being computed at once."""
    threads = torch.get_num_threads()
    num = batches_at_once(threads, len(pieces))
    try:
        with ThreadPoolExecutor(
            num, initializer=torch.set_num_threads, initargs=(threads // num,)
        ) as pool:
            return list(pool.map(answer, pieces))
    finally:
        # set for a thread, and for all that are yet to begin
        torch.set_num_threads(threads)
