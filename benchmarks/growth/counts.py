"""What a training step does, counted: arithmetic, bytes and calls."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from growth.ceilings import Ceilings


class Counts(NamedTuple):
    """One step: forward and backward pass and the optimiser's call.

    Attributes:
        gflop: 10⁹ floating-point operations of matrix products and convolutions: three times those
            of the forward pass, since the backward pass makes two products for each of its ones
            (torch's own count of it takes grouped convolutions for whole ones).
        gbyte: 10⁹ bytes that calls read and write, as if no cache kept any between two calls.
        calls: of torch's kernels; views are none.
    """

    gflop: float
    gbyte: float
    calls: int


class _Ledger(TorchDispatchMode):
    """Counts the bytes that go into and come out of every kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = self.calls = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        """Run a kernel and take note."""
        found = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [x for x in tree_leaves((args, kwargs, found)) if isinstance(x, Tensor)]
            self.num_bytes += sum(x.numel() * x.element_size() for x in tensors)
            self.calls += 1
        return found


def count(model: nn.Module, images_BCHW: Tensor, labels_B: Tensor) -> Counts:
    """Count one step of training with Adam."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-12, fused=True)

    def step() -> None:
        functional.cross_entropy(model(images_BCHW), labels_B).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step()  # the optimiser makes its state in the first
    # a CPU's fused attention is invisible to the counter; written out, it is two matrix products
    with FlopCounterMode(display=False) as flops, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        model(images_BCHW)
    with _Ledger() as ledger:
        step()
    return Counts(3 * flops.get_total_flops() / 1e9, ledger.num_bytes / 1e9, ledger.calls)


class Floors(NamedTuple):
    """Seconds that a step would take at the machine's best if only this bound it.

    Below arithmetic and calls it cannot fall. Memory's is what the traffic takes where no cache
    keeps a byte, so caches can get below it.
    """

    arithmetic: float
    memory: float
    calls: float

    @property
    def highest(self) -> str:
        """The name of what bounds the step most."""
        return max(self._fields, key=lambda name: float(getattr(self, name)))


def floors(counts: Counts, ceilings: Ceilings) -> Floors:
    """Return the seconds that a step takes at the machine's best.

    Arithmetic is held against the better of matrix product and convolution.
    """
    gflops = max(ceilings.matmul_gflops, ceilings.conv_gflops)
    return Floors(
        arithmetic=counts.gflop / gflops,
        memory=counts.gbyte / ceilings.copy_gbs,
        calls=counts.calls * ceilings.call_us / 1e6,
    )
