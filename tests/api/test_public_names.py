"""What `api` says that it has is there, and only what is asked for is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from neurovisionlab import api


def test_every_public_name_is_there() -> None:
    assert set(api._MODULE_OF) == set(api.__all__)
    assert dir(api) == sorted(api.__all__)
    for name in api.__all__:
        assert getattr(api, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'verdict'"):
        api.verdict  # noqa: B018


def test_a_command_loads_what_it_needs() -> None:
    code = "import sys; from neurovisionlab import api; api.open; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "neurovisionlab.api.opened" in loaded
    others = {"running", "datasets", "measuring", "judging", "evaluating"}
    assert not {f"neurovisionlab.api.{one}" for one in others} & loaded
