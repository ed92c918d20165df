"""A user's own models may do anything: what they do is said, and takes nobody along."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.conftest import Nvl
from e2e.studies import write_study

HEAD = """
import os, signal, sys, time
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes, channels, image_px):
        super().__init__()
        self.head = nn.Linear(channels * image_px**2, num_classes)

    def forward(self, images):
        {forward}
        return self.head(images.flatten(1))

def net(num_classes, channels, image_px):
    return Net(num_classes, channels, image_px)
"""
SEGFAULT = "os.kill(os.getpid(), signal.SIGSEGV)"
# what is done, and what is said of it
FORWARDS = {
    "exit": ("os._exit(0)", "expected a model that answers, got its process ended with exit code"),
    "sys": ("sys.exit(0)", "exit code 0, without a result"),
    "crash": (SEGFAULT, "ended by SIGSEGV"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL, signal 9 (out of memory?)"),
    "hang": ("time.sleep(600)", "expected an answer within 5 s, got none; try to mend it, or"),
    "raise": ("raise RuntimeError('not today')", "not today"),
}


@pytest.mark.parametrize("what", FORWARDS)
def test_a_model_that_misbehaves_when_it_is_checked_is_one_error(
    nvl_here: Nvl, tiny_npz: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    forward, said = FORWARDS[what]
    monkeypatch.chdir(tiny_npz)
    monkeypatch.syspath_prepend(str(tiny_npz))
    if what == "hang":
        monkeypatch.setenv("NVL_CHECK_S", "5")
    (tiny_npz / f"own_{what}.py").write_text(HEAD.format(forward=forward))
    model = f"own_{what}:net"
    study = write_study(tiny_npz, f"npz:{tiny_npz}", f'models = ["{model}"]')
    commands = [["run", str(study)]]
    if what == "exit":
        commands.append(["measure", "--model", model])
    for words in commands:
        answer = nvl_here(*words)
        assert answer.code == 2, answer
        assert f"error: {model}: expected " in answer.err
        assert said in answer.err
        assert "Traceback" not in answer.err
    assert not (tiny_npz / "runs" / "small" / "cells").exists()


@pytest.mark.parametrize("line", ["os._exit(0)", "sys.exit('bye')", SEGFAULT])
def test_a_module_that_ends_the_process_is_one_error(
    nvl_here: Nvl, tiny_npz: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    name = f"ends_{abs(hash(line)) % 1000}"
    monkeypatch.chdir(tiny_npz)
    monkeypatch.syspath_prepend(str(tiny_npz))
    (tiny_npz / f"{name}.py").write_text(f"import os, signal, sys\n{line}\n")
    study = write_study(tiny_npz, f"npz:{tiny_npz}", f'models = ["{name}:net"]')
    for words in (["run", str(study)], ["models", f"{name}:net"]):
        answer = nvl_here(*words)
        assert answer.code == 2
        assert f"error: {name}:net: expected a model that answers" in answer.err


IN_TRAINING = """if self.training and torch.is_grad_enabled():
            {what}"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (SEGFAULT, "Crashed"),
        ("os.abort()", "Crashed"),
        ("os._exit(0)", "Exited"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "Killed"),
        ("raise MemoryError", ""),  # whatever the rehearsal calls it
    ],
)
def test_a_cell_that_dies_in_training_costs_itself_alone(
    nvl: Nvl, tiny_npz: Path, what: str, kind: str
) -> None:
    (tiny_npz / "dies.py").write_text(HEAD.format(forward=IN_TRAINING.format(what=what)))
    write_study(tiny_npz, f"npz:{tiny_npz}", 'models = ["dies:net", "vit-tiny"]')
    answer = nvl("run", "study.toml", "--no-measure", cwd=tiny_npz)
    assert answer.code == 1, answer
    assert f"failed: {kind}" in answer.out
    assert "1 cells failed" in answer.out
    assert "✓" in answer.out
    assert "Traceback" not in answer.err
    assert len(list((tiny_npz / "runs" / "small" / "cells").iterdir())) == 1
