"""What needs no torch does not wait for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "torchvision", "timm", "sklearn", "scipy", "altair", "pandas"}


def _loaded_after(code: str) -> set[str]:
    """Return the modules that a fresh process has loaded after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('LOADED', *sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["results", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    loaded = _loaded_after(
        f"import sys; from neurovisionlab.cli.app import main; sys.argv = ['nvl', *{words}]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code"
    )
    assert "typer" in loaded
    assert not HEAVY & loaded


@pytest.mark.parametrize(
    "module",
    [
        "neurovisionlab",
        "neurovisionlab.api",
        "neurovisionlab.lab.store",
        "neurovisionlab.lab.conduct",
        "neurovisionlab.learn.catalogue",
        "neurovisionlab.out.tables",
        "neurovisionlab.out.page.report",
        "neurovisionlab.out.screen",
    ],
)
def test_reading_studies_and_results_needs_no_torch(module: str) -> None:
    loaded = _loaded_after(f"import {module}")
    assert module in loaded
    assert not {"torch", "torchvision", "timm"} & loaded


def test_opening_a_run_waits_for_nothing_that_judges_or_draws() -> None:
    loaded = _loaded_after("from neurovisionlab import api; api.open, api.status, api.results")
    assert not HEAVY & loaded
