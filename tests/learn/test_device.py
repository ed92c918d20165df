"""Devices, seeds and what is said of the machine."""

from __future__ import annotations

import os

import psutil
import pytest
import torch

from neurovisionlab.core.errors import ResourceError
from neurovisionlab.learn.device import Device, choose, describe_machine, seed_everything

CPU = Device(torch.device("cpu"), "fp32")


@pytest.fixture(autouse=True)
def keep_threads() -> object:
    """Put the number of threads back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVL_DEVICE", "cpu")
    monkeypatch.setenv("NVL_THREADS", "2")
    assert choose().torch_device == torch.device("cpu")
    assert torch.get_num_threads() == 2
    monkeypatch.delenv("NVL_THREADS")
    choose()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert torch.get_num_threads() == cores


def test_without_a_wish_a_cpu_is_taken_where_there_is_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NVL_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose().torch_device == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose().torch_device == torch.device("cuda")


@pytest.mark.parametrize(
    "wish", ["toaster", "", "cuda", "mps", "meta", "cpu:x", "²", "cuda:99999999999", "\udcff"]
)
def test_a_device_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, wish: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setenv("NVL_DEVICE", wish)
    with pytest.raises(ResourceError, match=r"NVL_DEVICE: expected one of cpu, got .*; try cpu"):
        choose()


@pytest.mark.parametrize(
    "wish", ["0", "-1", "many", "1.5", "", "²", "1e3", " 2", "+2", "٢", "99999999", "9" * 5000]
)
def test_threads_that_cannot_be_are_said(monkeypatch: pytest.MonkeyPatch, wish: str) -> None:
    monkeypatch.setenv("NVL_THREADS", wish)
    with pytest.raises(ResourceError, match="NVL_THREADS: expected a whole number"):
        choose()


def test_a_cell_that_may_vary_may_use_faster_algorithms() -> None:
    choose(deterministic=False)
    assert not torch.backends.cudnn.deterministic
    assert torch.backends.cudnn.benchmark
    choose(deterministic=True)
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.allow_tf32


def _draws(seed: int) -> list[tuple[float, ...]]:
    chance = seed_everything(seed)
    streams = (None, chance.order, chance.noise)
    return [tuple(torch.rand(4, generator=stream).tolist()) for stream in streams]


def test_a_seed_gives_three_streams_that_repeat_and_differ() -> None:
    first = _draws(1)
    assert first == _draws(1)
    assert len({*first, *_draws(0), *_draws(2), *_draws(2**40)}) == 12


def test_one_stream_does_not_shift_another() -> None:
    chance = seed_everything(3)
    torch.rand(1000)
    torch.rand(17, generator=chance.noise)
    shifted = torch.rand(4, generator=chance.order)
    assert torch.equal(shifted, torch.rand(4, generator=seed_everything(3).order))


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_precision_is_that_of_the_forward_pass(precision: str, dtype: torch.dtype) -> None:
    device = Device(torch.device("cpu"), precision)
    with device.autocast():
        assert torch.nn.Linear(4, 4)(torch.ones(1, 4)).dtype == dtype
    assert torch.nn.Linear(4, 4)(torch.ones(1, 4)).dtype == torch.float32
    assert device.scaler().is_enabled() == (precision == "fp16")


def test_what_does_not_fit_is_refused_with_both_sizes() -> None:
    CPU.check_fits(1, "one byte")
    available = psutil.virtual_memory().available
    CPU.check_fits(int(0.5 * available), "half of it")
    with pytest.raises(ResourceError, match=r"all: expected at most [\d,]+ MiB on cpu, got [\d,]+"):
        CPU.check_fits(2 * available, "all")


def test_what_a_control_group_leaves_is_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurovisionlab.learn.device.available_bytes", lambda: 1 << 20)
    assert CPU.free_mib() == 1
    with pytest.raises(ResourceError, match="got 2 MiB"):
        CPU.check_fits(2 << 20, "all")


def test_the_machine_is_described_as_others_describe_it() -> None:
    machine = describe_machine(CPU)
    assert machine.device == "cpu"
    assert machine.num_threads == torch.get_num_threads()
    assert machine.memory_mib == psutil.virtual_memory().total // 2**20
    assert 1 <= machine.num_cores <= psutil.cpu_count()
    assert machine.versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert machine.cpu is None or machine.cpu.strip()
    assert machine.tf32 is None  # a CPU has no such thing
