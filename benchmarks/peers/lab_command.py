"""This laboratory as its users call it: `nvl run`, which also audits images and writes a report."""

from __future__ import annotations

import sys

from neurovisionlab.cli.app import main as nvl
from neurovisionlab.lab.store import Store
from peers.lab_api import MODEL, phases_of
from peers.task import LEARNING_RATE, MEAN, STD, Phases, Task, answer, parse


def toml_of(task: Task) -> str:
    """Return the task as a user would write it."""
    return f"""
name = "peers"
datasets = ["npz:{task.data.absolute()}"]
models = ["{MODEL}"]
seeds = [{task.seed}]
[protocol]
image_px = {task.px}
scaling = "standardize"
mean = [{MEAN}]
std = [{STD}]
learning_rate = {LEARNING_RATE}
batch_size = {task.batch}
epochs = {task.epochs}
"""


def main() -> None:
    """Do the task of the command line."""
    task, phases = parse(), Phases()
    study, out = task.out / "peers.toml", task.out / "run"
    study.write_text(toml_of(task))
    sys.argv = ["nvl", "run", str(study), "--out", str(out), "--no-measure"]
    try:
        nvl()
    except SystemExit as end:
        if end.code:
            raise
    store = Store.existing(out)
    (record,) = store.finished(store.plan().cells())
    assert record.test_scores is not None
    accuracy_frac = record.test_scores.accuracy_frac
    answer(accuracy_frac=accuracy_frac, seconds=phases_of(record, phases))


if __name__ == "__main__":
    main()
