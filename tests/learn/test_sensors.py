"""What the hardware says, from a made-up driver and a made-up kernel: unknown is None, never 0."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from neurovisionlab.learn.sensors import Gpu, Package, energy_counter
from neurovisionlab.out.said import note_text


class FakeNvml:
    """A driver that answers some questions and refuses the others, as NVML does."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def __getattr__(self, function: str) -> Any:
        """Return a function of the driver."""

        def answer(*_: Any) -> Any:
            if function not in self._answers:
                raise RuntimeError("NVML_ERROR_NOT_SUPPORTED")
            return self._answers[function]

        return answer


def test_a_gpu_tells_in_our_units() -> None:
    mine = SimpleNamespace(pid=os.getpid(), usedGpuMemory=512 * 2**20)
    other = SimpleNamespace(pid=1, usedGpuMemory=9 * 2**30)
    gpu = Gpu(
        None,
        FakeNvml(
            nvmlDeviceGetTotalEnergyConsumption=12_345,
            nvmlDeviceGetComputeRunningProcesses=[other, mine],
            nvmlDeviceGetTemperature=61,
            nvmlDeviceGetClockInfo=1980,
            nvmlSystemGetDriverVersion=b"575.51",
        ),
    )
    assert gpu.energy_j() == 12.345
    assert gpu.process_mib() == 512
    assert (gpu.temperature_c(), gpu.clock_mhz(), gpu.driver()) == (61.0, 1980.0, "575.51")
    counter = energy_counter(gpu)
    assert counter.read is not None
    assert counter.read() == 12.345


def test_what_a_gpu_refuses_is_unknown_and_never_zero() -> None:
    gpu = Gpu(None, FakeNvml())
    assert gpu.energy_j() is None
    assert gpu.process_mib() is None
    assert (gpu.temperature_c(), gpu.clock_mhz(), gpu.driver()) == (None, None, None)
    counter = energy_counter(gpu)
    assert counter.read is None
    assert note_text(counter.note) == "not measurable: this GPU has no energy counter"


def test_a_process_the_driver_cannot_size_is_unknown() -> None:
    mine = SimpleNamespace(pid=os.getpid(), usedGpuMemory=None)  # as in some containers
    assert Gpu(None, FakeNvml(nvmlDeviceGetComputeRunningProcesses=[mine])).process_mib() is None


def _package(root: Path, name: str, energy_uj: int | str) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "energy_uj").write_text(str(energy_uj))
    (folder / "max_energy_range_uj").write_text("1000000000")
    return folder


def test_rapl_adds_packages_and_leaves_their_parts_out(tmp_path: Path) -> None:
    _package(tmp_path, "intel-rapl:0", 3_000_000)
    _package(tmp_path, "intel-rapl:1", 4_000_000)
    _package(tmp_path, "intel-rapl:0:0", 99_000_000)  # a part of package 0
    counter = energy_counter(None, root=tmp_path)
    assert counter.read is not None
    assert counter.read() == 7.0
    assert "2 processor package(s)" in note_text(counter.note)


def test_rapl_counts_on_where_the_kernel_begins_anew(tmp_path: Path) -> None:
    folder = _package(tmp_path, "intel-rapl:0", 999_000_000)
    package = Package(folder)
    assert package.read_j() == 999.0
    (folder / "energy_uj").write_text("2000000")
    assert package.read_j() == 1002.0


def test_energy_that_nobody_counts_says_why(tmp_path: Path) -> None:
    nothing = energy_counter(None, root=tmp_path)
    assert (nothing.read, note_text(nothing.note)) == (
        None,
        "not measurable: the system offers no RAPL counter",
    )
    _package(tmp_path, "intel-rapl:0", "")  # what an unreadable counter gives
    forbidden = energy_counter(None, root=tmp_path)
    assert forbidden.read is None
    assert "root alone" in note_text(forbidden.note)


def test_a_gpu_without_a_driver_is_not_taken_for_its_processor(tmp_path: Path) -> None:
    _package(tmp_path, "intel-rapl:0", 3_000_000)
    counter = energy_counter(None, is_cpu=False, root=tmp_path)
    assert counter.read is None
    assert note_text(counter.note) == "not measurable: NVML does not see this device"
