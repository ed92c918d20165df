"""Peak memory of a process above a baseline: resident on a CPU, allocated on a GPU.

The baseline is taken after a warm-up independent of the model, so that libraries, thread pools and
kernels needed by any model are not counted. Each measurement has its own process, so that leftovers
of an earlier model are not counted either.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch
from torch.nn import functional

from neurovisionlab.learn.device import Device
from neurovisionlab.learn.sensors import Gpu

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


class Peak(NamedTuple):
    """Peaks in MiB above the baseline, except `reserved_mib`; None if the device has none.

    Memory reserved by the allocator is a total: it may reuse memory that the baseline freed.
    """

    peak_mib: float | None
    reserved_mib: float | None = None
    process_mib: float | None = None


class PeakMemory:
    """Peak memory since `reset`; construct before the model, read after its work.

    On a CPU this is resident memory: the kernel's high-water mark, cleared by `reset` where the
    kernel allows it (Linux). Elsewhere building the model also counts, as `method` says. Until
    `read`, large blocks are allocated outside of the heap (glibc): freed memory leaves the process
    at once, and gaps in the heap, which vary between runs, do not count.
    """

    def __init__(self, device: Device, gpu: Gpu | None = None) -> None:
        self._device, self._gpu = device, gpu
        _map_from(_EXACT_BYTES, 2 * _EXACT_BYTES)
        _warm_up(device)
        _give_back()
        self.method = _CPU_METHOD if _can_reset() else _CPU_METHOD_WITHOUT_RESET
        if device.counts_memory:
            self.method = "allocator's peak, and the driver's count of the process"
        elif device.torch_device.type != "cpu":
            self.method = "not measurable on this device"
        self._baseline_mib = _resident_mib()
        self._allocated_mib = device.allocated_mib()
        self._gpu_baseline_mib = gpu.process_mib() if gpu else None
        device.reset_peak()

    def reset(self) -> None:
        """Forget the peak of building the model; its weights still count."""
        _give_back()
        if _can_reset():
            _CLEAR_REFS.write_text("5")
        self._device.reset_peak()

    def read(self) -> Peak:
        """Return the peak since `reset` above the baseline; set the allocator as in training."""
        peak = self._read()
        # a user's setting may prevent keeping more memory, but never requires the exact mode
        _map_from(_USUAL_BYTES, 2 * _USUAL_BYTES)
        keep_freed()
        return peak

    def _read(self) -> Peak:
        if self._device.counts_memory:
            peak_mib, reserved_mib = self._device.peak_mib()
            process_mib = self._gpu.process_mib() if self._gpu else None
            if process_mib is not None:
                process_mib -= self._gpu_baseline_mib or 0
            return Peak(peak_mib - self._allocated_mib, reserved_mib, process_mib)
        if self._device.torch_device.type != "cpu":
            return Peak(None)
        above_mib = _high_water_mib() - self._baseline_mib
        return Peak(above_mib if above_mib > 0 else None)  # too small to be measured is not 0


_CPU_METHOD = "resident memory: the kernel's high-water mark, set back after the model was built"
# Blocks of at least this size are mapped separately: glibc's initial threshold. By default it
# rises, up to the second value, with freed blocks, so that a peak depends on the order of events.
_EXACT_BYTES, _USUAL_BYTES = 128 * 2**10, 32 * 2**20
_ALL = 2**31 - 1  # mallopt takes an int
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1  # malloc.h
_OWN_CHOICES = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "LD_PRELOAD")
_CPU_METHOD_WITHOUT_RESET = (
    "resident memory: the process's high-water mark; building the model counts, too"
)


def _warm_up(device: Device) -> None:
    """Run layers forward and backward, so that libraries allocate their common buffers.

    On a GPU a first matrix product makes cuBLAS allocate a permanent workspace (some 32 MiB, H100).
    """
    layer = torch.nn.Conv2d(8, 8, 3, padding=1).to(device.torch_device)
    head = torch.nn.Linear(8, 8).to(device.torch_device)
    images_BCHW = torch.rand(8, 8, 32, 32, device=device.torch_device)
    images_BCHW = images_BCHW.contiguous(memory_format=torch.channels_last)
    for _ in range(2):
        with device.autocast():
            features_BCHW = functional.batch_norm(layer(images_BCHW), None, None, training=True)
            logits_BC = head(features_BCHW.mean(dim=(2, 3)))
        logits_BC.float().square().mean().backward()
    device.synchronize()


def keep_freed() -> None:
    """Keep memory freed by a step for the next step (glibc only).

    By default thousands of pages are returned to the system in each step, and requested and zeroed
    again in the next: a tenth or more of a step at 28 px (docs/speed-log.md). Peaks were no higher
    there. Settings in the user's environment take precedence.
    """
    if not any(name in os.environ for name in _OWN_CHOICES):
        _map_from(_USUAL_BYTES, _ALL)


def _map_from(num_bytes: int, kept_bytes: int) -> None:
    """Set glibc's threshold for mapping blocks separately, and the free heap that it keeps."""
    adjust = _glibc("mallopt")
    if adjust is not None:
        adjust(_M_MMAP_THRESHOLD, num_bytes)
        adjust(_M_TRIM_THRESHOLD, kept_bytes)


def _glibc(function: str) -> Any:
    """Return a function of glibc; None on other systems."""
    return getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None


def _give_back() -> None:
    """Return freed memory to the system, so that later measurements exclude it (glibc only)."""
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _can_reset() -> bool:
    return _CLEAR_REFS.exists() and _STATUS.exists()


def _resident_mib() -> float:
    return float(psutil.Process().memory_info().rss / 2**20)


def _high_water_mib() -> float:
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
