"""Peak memory above a baseline, for one process: resident on a CPU, allocated on a GPU.

The baseline is taken after a warm-up that has nothing to do with the model, so that libraries,
thread pools and kernels that any model needs are no model's cost. Each measurement has a process
of its own: what an earlier model left behind cannot be counted for a later one.
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
    """MiB above the baseline, but for `reserved_mib`; None: this device has no such number.

    What the allocator holds back is a total: it gives again what the baseline had taken and freed.
    """

    peak_mib: float | None
    reserved_mib: float | None = None
    process_mib: float | None = None


class PeakMemory:
    """Made before the model is, read after it has worked.

    On a CPU this is resident memory: the kernel's high-water mark, set back when `reset` is
    called where the kernel allows it (Linux). Elsewhere building the model counts, too, and
    `method` says so. Until it is read, large blocks lie outside the heap (glibc): what is freed
    leaves the process at once, and gaps in the heap, which differ from run to run, do not count.
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
        """Forget the peak of building the model; its weights still count as they are there."""
        _give_back()
        if _can_reset():
            _CLEAR_REFS.write_text("5")
        self._device.reset_peak()

    def read(self) -> Peak:
        """Return the peak since `reset`, above the baseline; memory is then kept as in training."""
        peak = self._read()
        # a user's own choice may forbid to keep more, but never asks for the exact way of before
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
        return Peak(above_mib if above_mib > 0 else None)  # too small to be seen is not 0


_CPU_METHOD = "resident memory: the kernel's high-water mark, set back after the model was built"
# Blocks from this size on are mapped one by one: glibc's first threshold. It then moves up to the
# second with what is freed, so that a peak depends on the order of events.
_EXACT_BYTES, _USUAL_BYTES = 128 * 2**10, 32 * 2**20
_ALL = 2**31 - 1  # mallopt takes an int
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1  # malloc.h
_OWN_CHOICES = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "LD_PRELOAD")
_CPU_METHOD_WITHOUT_RESET = (
    "resident memory: the process's high-water mark; building the model counts, too"
)


def _warm_up(device: Device) -> None:
    """Run layers forward and back: whatever any model makes the libraries allocate.

    On a GPU a first matrix product makes cuBLAS take a workspace that stays (some 32 MiB, H100).
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
    """Let the process keep the memory that a step frees, for the next step (glibc alone).

    As it is, thousands of pages go back to the system in each step and are asked for, and filled
    with zeros, again in the next: of a step at 28 px a tenth and more (docs/speed-log.md). Peaks
    were no higher for it there. Choices of the user's own in the environment stand.
    """
    if not any(name in os.environ for name in _OWN_CHOICES):
        _map_from(_USUAL_BYTES, _ALL)


def _map_from(num_bytes: int, kept_bytes: int) -> None:
    """Let glibc map blocks from a size on by themselves, and keep so much of free heap."""
    adjust = _glibc("mallopt")
    if adjust is not None:
        adjust(_M_MMAP_THRESHOLD, num_bytes)
        adjust(_M_TRIM_THRESHOLD, kept_bytes)


def _glibc(function: str) -> Any:
    """Return a function of glibc; None on other systems."""
    return getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None


def _give_back() -> None:
    """Return freed memory to the system, so that it is in no later number (glibc alone)."""
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
