"""What needs a CUDA GPU: `pytest --gpu`, on a machine that has one."""

from __future__ import annotations

import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this room, so that machines without a GPU leave it out."""
    for item in items:
        if item.path.parent.name == "gpu":
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(autouse=True)
def takes_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the laboratory choose; fail, not skip, where someone asks for these without a GPU."""
    monkeypatch.delenv("NVL_DEVICE", raising=False)
    assert torch.cuda.is_available(), "pytest --gpu needs a CUDA GPU"
