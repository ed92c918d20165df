"""Peers side by side: the same training through other people's loops, each in fresh processes.

    make bench-peers                    # or PEERS="--rounds 7 --write" make bench-peers

Prints a Markdown section and which goals are met; `--write` puts it into docs/benchmarks.md.
What each contender does, and why that is fair: README.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import document
from neurovisionlab.core.errors import NvlError
from neurovisionlab.data.images import ImageSet
from neurovisionlab.lab.store import Store
from neurovisionlab.learn.clock import now_iso
from neurovisionlab.learn.device import choose, describe_machine
from peers import report
from peers.contenders import CONTENDERS, in_turn, missing, run
from peers.letters import Counts, letters, write
from peers.results import Results
from peers.task import Task

PACKAGES = ("torch", "torchvision", "timm", "lightning", "transformers", "accelerate")
WORKERS = (0, 1, 2)  # tried for each peer; the fastest is taken
PARTS = ("train", "evaluate", "published")
PASSES = 3  # over the images, for each process that evaluates

# docs/speed-log.md: three trainings of the preset, for who has not run it on his own machine
FAST_LETTERS = {
    "machine": ("AMD EPYC", 2),  # and threads
    "train_s": [250.5, 259.6, 251.6],
    "accuracy_frac": [0.9523, 0.9529, 0.9519],
    "source": "docs/speed-log.md, measured before on an AMD EPYC with 2 threads",
}


@dataclass(frozen=True)
class Plan:
    """What is asked of all; the same keys in the results' settings."""

    train: int
    val: int
    test: int
    epochs: int
    batch: int
    rounds: int
    threads: int
    steps: int
    workers: int | None
    contenders: tuple[str, ...]
    parts: tuple[str, ...]


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, help="folder with EMNIST/raw (else NVL_DATA, else the cache)")
    add(
        "--out",
        type=Path,
        default=Path("runs/peers"),
        help="folder for answers (default runs/peers)",
    )
    add("--resume", action="store_true", help="go on with the answers in --out, as they were begun")
    add("--write", action="store_true", help="put the section into docs/benchmarks.md")
    add("--timm", type=Path, help="checkout of pytorch-image-models (else TIMM_CHECKOUT)")
    add("--fast-letters", type=Path, help="run of the preset measured anew on this machine")
    _add_work(parser)
    return parser.parse_args()


def _add_work(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how much is done."""
    add = parser.add_argument
    add("--train", type=int, default=20_000, help="images to train on")
    add("--val", type=int, default=4_000, help="images to look at after each epoch")
    add("--test", type=int, default=4_000, help="images to test on")
    add("--epochs", type=int, default=3)
    add("--batch", type=int, default=64)
    add("--rounds", type=int, default=5, help="at least 5, or there are no bounds")
    add("--threads", type=int, default=describe_machine(choose()).num_threads)
    add("--steps", type=int, default=20, help="of the notebook at 224 px, each round")
    add(
        "--workers", type=int, help="of all DataLoaders; without it the fastest of 0, 1, 2 is found"
    )
    add("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))


def skipped(names: Sequence[str]) -> dict[str, str]:
    """Return {who cannot take part: a line that says why}."""
    reasons = {name: missing(CONTENDERS[name]) for name in names}
    return {name: f"{CONTENDERS[name].title} ({why})" for name, why in reasons.items() if why}


def unasked(names: Sequence[str]) -> list[str]:
    """Return a line for everybody that the command line leaves out."""
    return [f"{one.title} (not asked)" for name, one in CONTENDERS.items() if name not in names]


def plan_of(given: argparse.Namespace) -> Plan:
    """Return the plan, without contenders that cannot take part."""
    absent = skipped(given.contenders)
    fields = {key: getattr(given, key) for key in Plan.__dataclass_fields__ if key != "contenders"}
    names = tuple(name for name in given.contenders if name not in absent)
    return Plan(**{**fields, "parts": tuple(given.parts), "contenders": names})


def settings_of(plan: Plan, given: argparse.Namespace) -> dict[str, Any]:
    """Return all that a reader of the answers must know."""
    machine = describe_machine(choose())
    return {
        "plan": asdict(plan),
        "machine": machine.model_dump(mode="json"),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "begun_at": now_iso(),
        "load_1min": os.getloadavg()[0],
        "fast_letters": fast_letters(given.fast_letters),
        "skipped": [*skipped(given.contenders).values(), *unasked(given.contenders)],
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def fast_letters(run_dir: Path | None) -> dict[str, Any]:
    """Return training times and test accuracies of the preset, and where they were measured."""
    if run_dir is None:
        return FAST_LETTERS
    store = Store.existing(run_dir)
    records = store.finished(store.plan().cells())
    busiest = max(record.resources.contention_frac or 0.0 for record in records)
    machine = records[0].machine
    return {
        "machine": (machine.cpu, machine.num_threads),
        "train_s": [record.resources.train_time_s for record in records],
        "accuracy_frac": [r.test_scores.accuracy_frac for r in records if r.test_scores],
        "source": f"measured anew, others took at most {busiest:.0%} of the processors",
    }


class Bench:
    """A plan being carried out: who is asked what, and where the answers go."""

    def __init__(self, plan: Plan, results: Results, folder: Path) -> None:
        self.plan, self.results, self.folder = plan, results, folder

    def task(self, **changes: Any) -> Task:
        """Return the common task, changed."""
        plan = self.plan
        common = Task(
            data=self.folder / "letters",
            out=self.folder,
            epochs=plan.epochs,
            batch=plan.batch,
            threads=plan.threads,
        )
        return replace(common, **changes)

    def ask(self, key: tuple[str, int, str], task: Task) -> dict[str, Any]:
        """Return a contender's answer, the one from before if there is one."""
        if key not in self.results.answers:
            found = run(CONTENDERS[key[2]], task)
            self.results.keep(key, {**found, "workers": task.workers})
            print(f"  {key[0]} {key[1]} {key[2]}: {_short(found)}", flush=True)
        return self.results.answers[key]

    def workers(self, what: str, name: str) -> int:
        """Return the number of DataLoader workers with which a peer is fastest."""
        if CONTENDERS[name].is_lab:
            return 0
        if self.plan.workers is not None:
            return self.plan.workers
        changes = {"data": self.folder / "trial", "epochs": 1}
        if what == "evaluate":
            changes["evaluate"] = 1
        number = "wall_s" if what == "train" else "images_per_s"

        def slowness(workers: int) -> float:
            found = self.ask(
                (f"trial of {what}", workers, name), self.task(workers=workers, **changes)
            )
            return float(found[number]) if what == "train" else -float(found[number][0])

        return min(WORKERS, key=slowness)

    def train(self) -> None:
        """Let all train, in turn."""
        workers = {name: self.workers("train", name) for name in self.plan.contenders}
        for number, name in in_turn(list(self.plan.contenders), self.plan.rounds):
            self.ask(("train", number, name), self.task(workers=workers[name], seed=number))

    def evaluate(self) -> None:
        """Let all evaluate, in turn."""
        names = [name for name in self.plan.contenders if not CONTENDERS[name].only_trains]
        workers = {name: self.workers("evaluate", name) for name in names}
        for number, name in in_turn(names, self.plan.rounds):
            task = self.task(workers=workers[name], evaluate=PASSES)
            self.ask(("evaluate", number, name), task)

    def published(self) -> None:
        """Time steps of the published protocol."""
        for number in range(self.plan.rounds):
            task = self.task(px=224, batch=32, steps=self.plan.steps, seed=number)
            self.ask(("published", number, "notebook"), task)

    def warm_up(self) -> None:
        """Start everybody once on few images, so that all find warm files and compiled modules."""
        for name in self.plan.contenders:
            self.ask(("warm-up", 0, name), self.task(data=self.folder / "few", epochs=1))


def _short(found: dict[str, Any]) -> str:
    rates = found.get("images_per_s")
    if rates:
        return f"{statistics.median(rates):,.0f} images/s"
    if "train_images_per_s" in found:
        return f"{found['train_images_per_s']:.1f} images/s"
    return f"{found['wall_s']:.1f} s, accuracy {100 * found['accuracy_frac']:.1f} %"


def write_images(plan: Plan, folder: Path, images: ImageSet) -> None:
    """Write the images of the rounds, of the trials and of the warm-up."""
    write(folder / "letters", images, Counts(plan.train, plan.val, plan.test))
    write(folder / "trial", images, Counts(plan.train // 2, plan.val // 2, plan.test // 2))
    write(folder / "few", images, Counts(640, 128, 128))


def measure(given: argparse.Namespace) -> Results:
    """Ask everybody for what is not answered yet."""
    path = given.out / "answers.jsonl"
    if given.resume:
        results = Results.read(path)
        plan = Plan(**results.settings["plan"])
        if given.fast_letters:
            results.settings["fast_letters"] = fast_letters(given.fast_letters)
    else:
        plan = plan_of(given)
        images = letters(given.data)
        results = Results.begun(path, settings_of(plan, given))
        for line in results.settings["skipped"]:
            print(f"skipped: {line}")
        write_images(plan, given.out, images)
    bench = Bench(plan, results, given.out)
    bench.warm_up()
    for part in plan.parts:
        getattr(bench, part)()
    return results


def main() -> int:
    """Run the benchmark; exit code 1 if a goal is missed."""
    given = options()
    if given.timm is not None:
        os.environ["TIMM_CHECKOUT"] = str(given.timm.absolute())
    try:
        results = measure(given)
    except NvlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    section = report.section(results)
    print(f"\n{section}")
    met = report.verdicts(results)
    if given.write:
        document.write("peers", section)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
