"""What needs a CUDA GPU: `make test-gpu`, on a machine that has one."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def takes_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the laboratory choose; fail, not skip, where someone asks for these without a GPU."""
    monkeypatch.delenv("NVL_DEVICE", raising=False)
    assert torch.cuda.is_available(), "pytest --gpu needs a CUDA GPU"
