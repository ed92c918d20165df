"""Choice, seeding, precision and synchronisation of devices: the only module that names "cuda"."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil
import torch

from neurovisionlab.core.errors import ResourceError, mould
from neurovisionlab.core.records import Machine
from neurovisionlab.data.budget import available_bytes
from neurovisionlab.learn.settings import num_cores, num_threads

_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Device:
    """A device and the precision of forward passes on it."""

    torch_device: torch.device
    precision: str

    def synchronize(self) -> None:
        """Wait until all work on the device has finished."""
        if self.torch_device.type == "cuda":
            torch.cuda.synchronize(self.torch_device)
        elif self.torch_device.type == "mps":
            torch.mps.synchronize()

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context for forward passes in the device's precision."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
        return torch.autocast(self.torch_device.type, dtype=kinds[self.precision])

    def scaler(self) -> torch.amp.GradScaler:
        """Return the gradient scaler, enabled for fp16 alone: small gradients leave its range."""
        return torch.amp.GradScaler(self.torch_device.type, enabled=self.precision == "fp16")

    def chance_kept(self) -> AbstractContextManager[None]:
        """Return a context that restores torch's global random state at its end."""
        return _chance_kept(self.torch_device)

    def chance_state(self) -> dict[str, torch.Tensor]:
        """Return the state of torch's global random numbers, on the host and on the device."""
        kind = self.torch_device.type
        states = {"cpu": torch.get_rng_state()}
        if kind == "cuda":
            states[kind] = torch.cuda.get_rng_state(self.torch_device)
        elif kind == "mps":
            states[kind] = torch.mps.get_rng_state()
        return states

    def take_chance_state(self, states: Mapping[str, torch.Tensor]) -> None:
        """Let torch's global random numbers go on from what `chance_state` returned."""
        kind = self.torch_device.type
        torch.set_rng_state(states["cpu"])
        if kind == "cuda":
            torch.cuda.set_rng_state(states[kind], self.torch_device)
        elif kind == "mps":
            torch.mps.set_rng_state(states[kind])

    @property
    def counts_memory(self) -> bool:
        """Return whether torch tracks memory allocations on the device."""
        return self.torch_device.type == "cuda"

    def reset_peak(self) -> None:
        """Reset the peak memory statistics, if the device has any."""
        if self.counts_memory:
            torch.cuda.reset_peak_memory_stats(self.torch_device)

    def allocated_mib(self) -> float:
        """Return the MiB allocated by torch on the device, cuBLAS's workspace included; else 0."""
        if not self.counts_memory:
            return 0.0
        return torch.cuda.memory_allocated(self.torch_device) / 2**20

    def peak_mib(self) -> tuple[float, float]:
        """Return the peaks of (allocated, reserved) MiB; only for devices that count memory."""
        allocated = torch.cuda.max_memory_allocated(self.torch_device)
        reserved = torch.cuda.max_memory_reserved(self.torch_device)
        return allocated / 2**20, reserved / 2**20

    def uuid(self) -> str | None:
        """Return a GPU's UUID in the driver's form; None for other devices."""
        if not self.counts_memory:
            return None
        return f"GPU-{torch.cuda.get_device_properties(self.torch_device).uuid}"

    def check_fits(self, num_bytes: int, what: str) -> None:
        """Refuse data larger than nine tenths of the device's free memory.

        Raises:
            ResourceError: with both sizes.
        """
        free = self._free_bytes()
        if num_bytes > 0.9 * free:
            raise ResourceError(
                mould(
                    what,
                    f"at most {0.9 * free / 2**20:,.0f} MiB on {self.torch_device}",
                    f"{num_bytes / 2**20:,.0f} MiB",
                    "[subset] train_images, or smaller images",
                )
            )

    def free_mib(self) -> float:
        """Return the free memory of the device in MiB."""
        return self._free_bytes() / 2**20

    def _free_bytes(self) -> int:
        if self.torch_device.type == "cuda":
            return int(torch.cuda.mem_get_info(self.torch_device)[0])
        return available_bytes()


@contextlib.contextmanager
def _chance_kept(device: torch.device) -> Iterator[None]:
    # fork_rng covers the states of the CPU and of CUDA devices
    of_mps = torch.mps.get_rng_state() if device.type == "mps" else None
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        if of_mps is not None:
            torch.mps.set_rng_state(of_mps)


_SIGNS_OF_EXHAUSTION = ("out of memory", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception reports exhausted memory, on any device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        sign in str(error).lower() for sign in _SIGNS_OF_EXHAUSTION
    )


@contextlib.contextmanager
def memory_errors_explained(device: Device, what: str) -> Iterator[None]:
    """Convert exhausted memory inside the block into one clear error, without smaller batches.

    Raises:
        ResourceError: "does not fit: needs more than … MiB".
    """
    limit_mib = device.free_mib()
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise DoesNotFitError(
            mould(
                what,
                f"at most {limit_mib:,.0f} MiB on {device.torch_device}",
                f"does not fit: needs more than {limit_mib:,.0f} MiB",
                "a smaller protocol.batch_size, image_px or model",
            ),
            limit_mib,
        ) from None


class DoesNotFitError(ResourceError):
    """Memory did not suffice; `limit_mib` is the memory that was free, in MiB."""

    def __init__(self, message: str, limit_mib: float) -> None:
        super().__init__(message, limit_mib)
        self.limit_mib = limit_mib

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0])


def choose(precision: str = "fp32", deterministic: bool = True) -> Device:
    """Return the best available device, after setting threads, determinism and denormals.

    NVL_DEVICE ("cpu", "mps", "cuda", "cuda:1") overrides the choice; NVL_THREADS sets the CPU
    threads.

    Raises:
        ResourceError: NVL_DEVICE or NVL_THREADS is invalid or not available.
    """
    torch.set_num_threads(num_threads())
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = not deterministic
    torch.set_flush_denormal(True)  # denormals are a hundred times slower on a CPU, without benefit
    return Device(wished_device(), precision)


def wished_device() -> torch.device:
    """Return the device named by NVL_DEVICE, else the best available device.

    Raises:
        ResourceError: the named device is not available.
    """
    wish = os.environ.get("NVL_DEVICE")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wish is None:
        return torch.device(next((name for name, is_there in there.items() if is_there), "cpu"))
    try:
        device = torch.device(wish)
    except (RuntimeError, ValueError):  # not a device, or not text
        device = torch.device("meta")
    is_beyond = device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    if device.type != "cpu" and (is_beyond or not there.get(device.type, False)):
        usable = ", ".join(["cpu", *(name for name, is_there in there.items() if is_there)])
        raise ResourceError(mould("NVL_DEVICE", f"one of {usable}", repr(wish), "cpu"))
    return device


@dataclass(frozen=True)
class Chance:
    """Random generators of one cell, in separate streams that do not affect each other.

    Attributes:
        order: order of the training images.
        noise: augmentation.
    """

    order: torch.Generator
    noise: torch.Generator


def seed_everything(seed: int) -> Chance:
    """Seed torch's global state (initial weights, dropout); return the other two streams.

    Three independent streams are spawned from the seed (numpy's SeedSequence).
    """
    weights, order, noise = (int(s) for s in np.random.SeedSequence(seed).generate_state(3))
    torch.manual_seed(weights)
    return Chance(torch.Generator().manual_seed(order), torch.Generator().manual_seed(noise))


def describe_machine(device: Device) -> Machine:
    """Return the machine of this process; unknown values are None."""
    kind = name = device.torch_device.type
    if kind == "cuda":
        name = torch.cuda.get_device_name(device.torch_device)
    return Machine(
        device=name,
        cpu=_cpu_name(),
        num_cores=num_cores(),
        num_threads=torch.get_num_threads(),
        memory_mib=psutil.virtual_memory().total // 2**20,
        os=platform.platform(),
        python=platform.python_version(),
        versions={library: version(library) for library in _LIBRARIES},
        load_1min=os.getloadavg()[0],
        tf32=torch.backends.cuda.matmul.allow_tf32 if kind == "cuda" else None,
    )


def _cpu_name() -> str | None:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or None
