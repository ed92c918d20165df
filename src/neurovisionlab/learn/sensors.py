"""Sensors of the hardware: energy, a process's GPU memory, temperature, clocks.

NVML (NVIDIA's management library) for GPUs, RAPL (the Linux kernel's power capping interface) for
CPUs. A reading is None where the machine does not provide it; none is ever estimated.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurovisionlab.core.statements import Statement, state

RAPL = Path("/sys/class/powercap")


class Gpu:
    """One NVIDIA GPU, accessed through NVML.

    Args:
        handle: NVML's handle of the device.
        nvml: the module pynvml, or a fake in tests.
    """

    def __init__(self, handle: Any, nvml: Any) -> None:
        self._handle = handle
        self._nvml = nvml

    @classmethod
    def find(cls, uuid: str) -> Gpu | None:
        """Return the GPU with this UUID ("GPU-…"); None without a driver."""
        try:
            import pynvml  # type: ignore[import-untyped]

            pynvml.nvmlInit()
            return cls(pynvml.nvmlDeviceGetHandleByUUID(uuid), pynvml)
        except Exception:  # no library, no driver, or no permission
            return None

    def _read(self, function: str, *arguments: Any) -> Any:
        try:
            return getattr(self._nvml, function)(*arguments)
        except Exception:  # NVML refuses what a card or a container does not offer
            return None

    def energy_j(self) -> float | None:
        """Return the joules since the driver was loaded (Volta and newer)."""
        millijoules = self._read("nvmlDeviceGetTotalEnergyConsumption", self._handle)
        return None if millijoules is None else millijoules / 1000

    def process_mib(self) -> float | None:
        """Return the GPU memory of this process as counted by the driver, in MiB."""
        processes = self._read("nvmlDeviceGetComputeRunningProcesses", self._handle) or ()
        used = [p.usedGpuMemory for p in processes if p.pid == os.getpid()]
        return None if not used or used[0] is None else used[0] / 2**20

    def temperature_c(self) -> float | None:
        """Return the temperature of the chip in °C."""
        found = self._read("nvmlDeviceGetTemperature", self._handle, 0)  # 0: the chip's sensor
        return None if found is None else float(found)

    def clock_mhz(self) -> float | None:
        """Return the clock of the multiprocessors in MHz."""
        found = self._read("nvmlDeviceGetClockInfo", self._handle, 1)  # 1: multiprocessors
        return None if found is None else float(found)

    def driver(self) -> str | None:
        """Return the version of the driver."""
        found = self._read("nvmlSystemGetDriverVersion")
        return found.decode() if isinstance(found, bytes) else found


@dataclass(frozen=True)
class EnergyCounter:
    """A monotonic counter of joules, and its coverage; `read` is None without a counter."""

    read: Callable[[], float | None] | None
    note: Statement


def energy_counter(gpu: Gpu | None, is_cpu: bool = True, root: Path = RAPL) -> EnergyCounter:
    """Return the energy counter of the device in use, or the reason for its absence."""
    if gpu is not None:
        if gpu.energy_j() is not None:
            return EnergyCounter(gpu.energy_j, state("costs.nvml_energy"))
        return EnergyCounter(None, state("costs.no_gpu_counter"))
    if not is_cpu:
        return EnergyCounter(None, state("costs.no_nvml"))
    packages = [Package(folder) for folder in sorted(root.glob("intel-rapl:[0-9]*"))]
    packages = [package for package in packages if package.is_socket]
    if not packages:
        return EnergyCounter(None, state("costs.no_rapl"))
    if any(package.read_j() is None for package in packages):
        return EnergyCounter(None, state("costs.rapl_is_roots"))
    note = state("costs.rapl_energy", count=len(packages))
    return EnergyCounter(lambda: _sum(package.read_j() for package in packages), note)


def _sum(values: Any) -> float | None:
    found = list(values)
    return None if None in found else float(sum(found))


class Package:
    """One socket's RAPL counter. AMD's CPUs use the same name as Intel's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last_uj: int | None = None
        self._wrapped_uj = 0

    @property
    def is_socket(self) -> bool:
        """Return whether this is a whole package, not a part of it."""
        return self._folder.name.count(":") == 1

    def read_j(self) -> float | None:
        """Return joules, corrected for overflows of the kernel's counter; None if not readable."""
        now_uj = self._number("energy_uj")
        if now_uj is None:
            return None
        if self._last_uj is not None and now_uj < self._last_uj:
            self._wrapped_uj += self._number("max_energy_range_uj") or 0
        self._last_uj = now_uj
        return (self._wrapped_uj + now_uj) / 1e6

    def _number(self, name: str) -> int | None:
        try:
            return int((self._folder / name).read_text())
        except (OSError, ValueError):
            return None
