"""Fixtures for all rooms. Stricter than production: no network, one thread, a cache of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import disks
import limits
import nets

ROOT = Path(__file__).parents[1]

# before torch is imported anywhere: tests share the machine
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("NVL_THREADS", "1")
# what is pinned here is what a CPU says, also on a machine with a GPU; the room gpu takes it away
os.environ["NVL_DEVICE"] = "cpu"

# left out unless asked for, by the option of that name; then nothing else is run
KINDS = ("slow", "gpu")

# {marker: whether what it needs is here}; else its tests are left out, not skipped
NEEDS = {"cgroup": limits.can_limit, "loopdevice": disks.can_mount, "netns": nets.can_cut}

# set in CI, where everything that a test may want is installed
SKIPPING_FORBIDDEN = os.environ.get("NVL_FORBID_SKIPS") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turn a skip into a failure where CI has everything."""
    report = yield
    if SKIPPING_FORBIDDEN and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where skipping is forbidden: {report.longrepr}"
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --slow and --gpu."""
    parser.addoption("--slow", action="store_true", help="run the long tests, and only those")
    parser.addoption("--gpu", action="store_true", help="run what needs a CUDA GPU, and only that")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose long, GPU or all other tests; those left out are deselected, not skipped."""
    wanted = {kind for kind in KINDS if config.getoption(f"--{kind}")}
    if len(wanted) > 1:
        raise pytest.UsageError("expected --slow or --gpu, got both; try one after the other")
    chosen = [item for item in items if {k for k in KINDS if item.get_closest_marker(k)} == wanted]
    chosen = [item for item in chosen if _has_all(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def _has_all(item: pytest.Item) -> bool:
    return all(is_here() for need, is_here in NEEDS.items() if item.get_closest_marker(need))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test session-wide its own cache, away from the user's."""
    cache = tmp_path_factory.getbasetemp() / "nvl-cache"
    monkeypatch.setenv("NVL_CACHE", str(cache))
    return cache


@pytest.fixture(autouse=True)
def denormals_back() -> Iterator[None]:
    """Undo what `device.choose` sets for a cell's own process: Hypothesis needs small floats."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture
def real_data() -> Path:
    """Return the folder of real images, or skip."""
    folder = Path(os.environ.get("NVL_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "EMNIST" / "raw").is_dir():
        pytest.skip(f"no real images in {folder}: set NVL_DATA to a folder with EMNIST/raw")
    return folder


@pytest.fixture
def tiny_npz(tmp_path: Path) -> Path:
    """Return a folder with an npz set a model can learn."""
    write_tiny_npz(tmp_path)
    return tmp_path


def write_tiny_npz(folder: Path) -> None:
    """Write an npz set of 3 classes of 12 px: a bar at the top, in the middle, at the bottom."""
    rng = np.random.default_rng(0)
    for part, per_class in (("train", 24), ("test", 8)):
        labels = np.repeat(np.arange(3), per_class)
        images = rng.integers(0, 60, (len(labels), 12, 12), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 * label : 4 * label + 3] += 180
        np.savez(folder / f"{part}.npz", images=images, labels=labels)
