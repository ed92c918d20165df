"""The command line as people use it: a process of its own, or this one where that is as good."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from neurovisionlab.cli.app import main

NVL = Path(sys.executable).with_name("nvl")


@dataclass(frozen=True)
class Answer:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Nvl = Callable[..., Answer]


@pytest.fixture
def nvl(tmp_path: Path) -> Nvl:
    """Return a function that runs `nvl` in a process, in a temporary folder."""

    def run(*words: str, cwd: Path | None = None) -> Answer:
        command = [str(NVL), *words]
        environment = os.environ | {"NVL_DEVICE": "cpu"}
        done = subprocess.run(
            command,
            cwd=cwd or tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def nvl_here(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Nvl:
    """Return a function that runs `nvl` in this process, whose server of cells' processes stays.

    A process of one's own imports torch twice, for itself and for its cells: it is for what is
    said about processes.
    """

    def run(*words: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["nvl", *words])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        told = capfd.readouterr()
        return Answer(code, told.out, told.err)

    return run
