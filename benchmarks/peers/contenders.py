"""Who takes part, and how each is started: a fresh Python process, timed from outside."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from peers.task import Task, words_of

BENCHMARKS = Path(__file__).parents[1]
CALM_FRAC = 0.03  # of the processors, for a second: then the next contender begins
SET_BY_THE_LAB = {"GOMP_SPINCOUNT"}  # src/neurovisionlab/learn/__init__.py


@dataclass(frozen=True)
class Contender:
    """Somebody who trains.

    Attributes:
        title: in tables.
        script: module of `peers` that does the task.
        needs: module that must be installed; "train" is timm's script, from its checkout.
        tuned: see `Task`; the laboratory and the notebook know no such choice.
        only_trains: takes no part in evaluation (it would be measured twice).
    """

    title: str
    script: str
    needs: str = "torch"
    tuned: bool = False
    only_trains: bool = False

    @property
    def is_lab(self) -> bool:
        """Whether this is the laboratory."""
        return self.script.startswith("lab_")


_PEERS = {
    "torchvision": Contender("torchvision-style loop", "torchvision_loop", "torchvision"),
    "lightning": Contender("PyTorch Lightning", "lightning_trainer", "lightning"),
    "transformers": Contender("Hugging Face Trainer", "transformers_trainer", "transformers"),
    "timm": Contender("timm's train.py", "timm_script", "train"),
}
CONTENDERS: dict[str, Contender] = {
    "notebook": Contender("published notebook's loop", "notebook"),
    **_PEERS,
    **{
        f"{name}-tuned": replace(peer, title=f"{peer.title}, tuned", tuned=True)
        for name, peer in _PEERS.items()
    },
    "lab": Contender("this laboratory", "lab_api"),
    "lab-command": Contender("this laboratory, `nvl run`", "lab_command", only_trains=True),
}
LAB = "lab"


def missing(contender: Contender) -> str | None:
    """Return why a contender cannot take part; None if it can."""
    if contender.needs == "train":
        checkout = os.environ.get("TIMM_CHECKOUT")
        if not checkout:
            return "no checkout of pytorch-image-models; --timm DIR or TIMM_CHECKOUT names one"
        if not (Path(checkout) / "train.py").is_file():
            return f"no train.py in {checkout}"
        return None
    return None if importlib.util.find_spec(contender.needs) else f"no package {contender.needs}"


def environment(threads: int, cache: str) -> dict[str, str]:
    """Return the environment of a contender: as many threads for all, no accelerator, no network.

    The laboratory's cache is an empty folder, so that it begins like on a first day. How threads
    wait is for each to say: what the laboratory has set in this process is taken back.
    """
    path = os.pathsep.join([str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])])
    given = {name: value for name, value in os.environ.items() if name not in SET_BY_THE_LAB}
    return given | {
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": str(threads),
        "NVL_THREADS": str(threads),
        "NVL_DEVICE": "cpu",
        "NVL_CACHE": cache,
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
    }


def run(contender: Contender, task: Task) -> dict[str, Any]:
    """Run a contender in a process of its own; return its answer, with `wall_s` and `busy_frac`.

    `busy_frac` is the share of the processors that others used in the second before, after a wait
    for what the contender before it has left behind: the laboratory's server of processes ends a
    little after the laboratory.

    Raises:
        RuntimeError: the process failed; the end of what it wrote stands in the message.
    """
    busy_frac = _calm()
    with tempfile.TemporaryDirectory() as folder:
        task = replace(task, out=Path(folder) / "out", tuned=contender.tuned)
        task.out.mkdir()
        command = [sys.executable, "-m", f"peers.{contender.script}", *words_of(task)]
        said, wall_s = _timed(command, environment(task.threads, f"{folder}/cache"), Path(folder))
    found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    if "seconds" in found:
        seconds = found["seconds"]
        seconds["ending"] = wall_s - sum(seconds.values()) + seconds.pop("saving", 0.0)
    return {**found, "wall_s": wall_s, "busy_frac": busy_frac}


def _calm() -> float:
    """Wait until hardly anything runs, 15 s at most; return the share of the last second's time."""
    for _ in range(15):
        busy_frac = float(psutil.cpu_percent(interval=1)) / 100
        if busy_frac < CALM_FRAC:
            break
    return busy_frac


def _timed(command: list[str], env: dict[str, str], folder: Path) -> tuple[str, float]:
    """Return (standard output, seconds until the process has ended).

    Output goes to files: a pipe would also wait for whatever the process leaves running.
    """
    logs = folder / "stdout", folder / "stderr"
    with logs[0].open("w") as out, logs[1].open("w") as err:
        begun = time.perf_counter()
        env = env | {"PEERS_BEGUN": repr(time.time())}
        done = subprocess.run(command, env=env, stdout=out, stderr=err, check=False)
        wall_s = time.perf_counter() - begun
    said, complained = (log.read_text() for log in logs)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{said[-2000:]}{complained[-4000:]}")
    return said, wall_s


def in_turn(names: list[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Yield (round, name), each round beginning with another name."""
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            yield number, name
