"""The growth benchmark: counts against arithmetic by hand, floors, powers, the section."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from growth.ceilings import Ceilings
from growth.counts import Counts, count, floors
from growth.section import draw, exponent, section


def test_arithmetic_is_three_times_that_of_the_forward_pass() -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))
    counts = count(model, torch.rand(7, 2, 8, 8), torch.arange(7) % 5)
    macs = 7 * (4 * 6 * 6 * 9 * 1 + 4 * 6 * 6 * 5)
    assert counts.gflop == pytest.approx(3 * 2 * macs / 1e9)


def test_attention_is_counted() -> None:
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.to_logits = nn.Linear(4, 5)

        def forward(self, x_BTC: torch.Tensor) -> torch.Tensor:
            seen_BTC = nn.functional.scaled_dot_product_attention(x_BTC, x_BTC, x_BTC)
            return self.to_logits(seen_BTC.mean(1))

    counts = count(Attends(), torch.rand(7, 30, 4), torch.arange(7) % 5)
    macs = 7 * (30 * 30 * 4 + 30 * 30 * 4 + 4 * 5)
    assert counts.gflop == pytest.approx(3 * 2 * macs / 1e9)


def test_bytes_are_what_kernels_read_and_write_and_views_are_none() -> None:
    class Doubles(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x_BC: torch.Tensor) -> torch.Tensor:
            return (x_BC.view(-1) * self.weight).view_as(x_BC)

    small = count(Doubles(), torch.rand(10, 5), torch.arange(10) % 5)
    large = count(Doubles(), torch.rand(1010, 5), torch.arange(1010) % 5)
    assert small.calls == large.calls
    # 5,000 more numbers of 4 bytes, read and written at least once on each way
    assert large.gbyte - small.gbyte >= 4 * 4 * 5_000 / 1e9


def test_the_highest_floor_bounds() -> None:
    ceilings = Ceilings(matmul_gflops=50, conv_gflops=100, copy_gbs=10, call_us=5)
    least = floors(Counts(gflop=10, gbyte=2, calls=1000), ceilings)
    assert least == pytest.approx((0.1, 0.2, 0.005))
    assert least.highest == "memory"


def test_the_power_of_a_growth_is_taken_between_the_two_largest() -> None:
    rows = [{"n": 1, "s": 5.0}, {"n": 100, "s": 30.0}, {"n": 10, "s": 3.0}]
    assert exponent(rows, "n", "s") == pytest.approx(1.0)


def _step(model: str, cause: dict[str, int], step_s: float) -> dict[str, Any]:
    measured = {"step_s": step_s, "peak_mib": 100.0, "gflops": 30.0, "contention_frac": 0.01}
    return {"model": model, **cause, **measured, "bound": "arithmetic", "floor_s": step_s / 2}


def _found() -> dict[str, Any]:
    clocks = ("setup_s", "staging_s", "training_s", "evaluation_s", "saving_s")
    laps = ("prepare_s", "store_s", "read_s", "tables_s", "resume_s")
    machine = {
        "cpu": "a processor",
        "num_cores": 2,
        "num_threads": 2,
        "versions": {"torch": "2.9"},
        "load_1min": 0.5,
    }
    grown = {"before_mib": 1.0, "peak_mib": 2.0, "contention_frac": 0.02}
    ceilings = {"matmul_gflops": 50.0, "conv_gflops": 60.0, "copy_gbs": 10.0, "call_us": 4.0}
    return {
        "machine": machine,
        "begun_at": "2026-01-01T00:00:00+00:00",
        "ceilings": ceilings,
        "sizes": [_step("glyphnet", {"px": px}, px**2 / 1e4) for px in (16, 28)],
        "classes": [_step("glyphnet", {"classes": num}, 0.1) for num in (10, 1000)],
        "images": [
            {
                "images": num,
                **grown,
                **dict.fromkeys(clocks, num / 1e3),
                "bound": "arithmetic",
                "floor_s": num / 2e3,
                "bytes_mib": 0.5,
            }
            for num in (1000, 2000)
        ],
        "cells": [
            {
                "cells": num,
                **grown,
                **dict.fromkeys(laps, num / 1e3),
                "processor_s": num / 250,
                "bare_store_s": num / 2e3,
                "bare_read_s": num / 4e3,
            }
            for num in (10, 100)
        ],
    }


def test_the_section_says_what_was_measured() -> None:
    text = section(_found())
    assert "| glyphnet | 28 | 78.4 | 3.06 | 100 | 30 | 50% | arithmetic | 2.0 |" in text
    assert "power 1.00 of the images" in text
    assert "others took at most 2%" in text
    assert "| 2,000 | 2.00 | 2.00 | 2.00 | 2.00 | 2.00 | 1000 | 2.0 | 1 | 0 |" in text
    assert "| 100 | 0.10 | 0.10 | 0.10 | 0.10 | 0.10 | 2.0 | 4.0 | 80% | 1 |" in text


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw(_found(), tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
