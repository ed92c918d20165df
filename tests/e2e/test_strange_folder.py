"""A current folder full of a stranger's Python files: none of them is run."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from e2e.conftest import NVL
from e2e.studies import write_study

MARK = "import pathlib; pathlib.Path({mark!r}).write_text(__name__)\n"


def _names(early: bool) -> set[str]:
    """Return names of modules; those that Python itself needs to begin only if `early`."""
    installed = {name for name in metadata.packages_distributions() if name.isidentifier()}
    optional = {"triton", "sentencepiece", "flash_attn", "sitecustomize", "random", "statistics"}
    library = sys.stdlib_module_names if early else ()
    return {*library, *installed, *optional} - {"neurovisionlab"}


def _fill(folder: Path, mark: Path, early: bool = True) -> None:
    """Put a file into a folder for every module that Python or an installed package has."""
    for name in _names(early):
        (folder / f"{name}.py").write_text(MARK.format(mark=str(mark)))


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"NVL_DEVICE": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _check_commands(folder: Path, nvl: list[str], early: bool) -> None:
    write_study(folder, f"npz:{folder}")
    mark = folder / "mark"
    _fill(folder, mark, early)
    for words in (["run", "study.toml"], ["report", "runs/small"]):
        done = _run([*nvl, *words], folder)
        assert done.returncode == 0, done.stderr
        assert not mark.exists(), (words, mark.read_text())


def test_no_command_runs_a_strangers_modules(tiny_npz: Path) -> None:
    _check_commands(tiny_npz, [str(NVL)], early=True)


@pytest.mark.slow
def test_neither_does_a_module_on_a_safe_path(tiny_npz: Path) -> None:
    _check_commands(tiny_npz, [sys.executable, "-P", "-m", "neurovisionlab"], early=True)


@pytest.mark.slow
def test_a_module_on_pythons_usual_path_runs_those_alone_that_python_needs_to_begin(
    tiny_npz: Path,
) -> None:
    _check_commands(tiny_npz, [sys.executable, "-m", "neurovisionlab"], early=False)


OWN = """
import helpers  # what it imports may come from there, too
from torch import nn

def net(num_classes, channels, image_px):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_px**2, num_classes))
"""


def test_a_model_of_ones_own_may_come_from_the_current_folder(tiny_npz: Path) -> None:
    mark = tiny_npz / "mark"
    _fill(tiny_npz, mark)
    (tiny_npz / "helpers.py").write_text("SCALE = 2\n")
    (tiny_npz / "mine.py").write_text(OWN)
    write_study(tiny_npz, f"npz:{tiny_npz}", 'models = ["mine:net"]')
    done = _run([str(NVL), "run", "study.toml", "--no-measure"], tiny_npz)
    assert done.returncode == 0, done.stderr
    assert not mark.exists(), mark.read_text()
