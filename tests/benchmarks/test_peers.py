"""The peers' benchmark: all contenders get the same, and the numbers are counted rightly.

Needs none of the peers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torchvision import transforms

import document
from neurovisionlab.core.parse import parse_study
from neurovisionlab.data.batches import Batches, Scaling, stage
from neurovisionlab.data.images import ImageSet, Provenance
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.zoo import build
from peers import contenders, lab_api, lab_command, report
from peers.bounds import bounded, rank, ratio
from peers.contenders import CONTENDERS, environment, in_turn, missing
from peers.ingredients import adam, images_of, loader_of, mobilenet
from peers.letters import Counts, chosen, write
from peers.results import Results
from peers.run import unasked
from peers.task import MEAN, NUM_CLASSES, STD, Task, parse, read, words_of


def letters_like(num_train: int = 260, num_test: int = 104) -> ImageSet:
    """Return random images in 26 classes; the first pixels of each hold its number."""
    rng = np.random.default_rng(0)
    num = num_train + num_test
    images = rng.integers(0, 256, (num, 28, 28, 1), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.arange(num) % 256, np.arange(num) // 256
    names = tuple(str(number) for number in range(NUM_CLASSES))
    parts = {"train": (0, num_train), "test": (num_train, num)}
    labels_N = np.arange(num) % NUM_CLASSES
    return ImageSet("letters", images, labels_N, names, parts, Provenance("", ""))


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Return a task whose files are there."""
    write(tmp_path, letters_like(), Counts(130, 52, 52))
    return Task(data=tmp_path, out=tmp_path)


def numbers(images_NHW: np.ndarray) -> list[int]:
    """Return the numbers that `letters_like` wrote into the images."""
    return (images_NHW[:, 0, :2].astype(int) @ np.array([1, 256])).tolist()


def test_parts_are_stratified_and_share_no_image(task: Task) -> None:
    parts = {part: read(task, part) for part in ("train", "val", "test")}
    assert [len(labels) for _, labels in parts.values()] == [130, 52, 52]
    for images, labels in parts.values():
        assert set(np.bincount(labels, minlength=NUM_CLASSES)) == {len(labels) // NUM_CLASSES}
        assert images.shape[1:] == (28, 28)
    seen = [number for images, _ in parts.values() for number in numbers(images)]
    assert len(set(seen)) == 234
    assert min(numbers(parts["test"][0])) >= 260


def test_more_images_than_there_are_is_refused() -> None:
    with pytest.raises(SystemExit, match="at most 260"):
        chosen(letters_like(), Counts(250, 20, 10))


def test_all_loops_see_the_same_numbers(task: Task) -> None:
    images_NHW, labels_N = read(task, "val")
    staged = stage(images_NHW[..., None], labels_N, False, torch.device("cpu"))
    ours = Batches(staged, task.batch, 28, 1, Scaling((MEAN,), (STD,)))
    expected = torch.cat([images for images, _ in ours.in_order()])
    theirs = {
        "one by one": images_of(task, "val"),
        "the notebook's": images_of(task, "val", transforms.Resize((28, 28))),
        "tuned": images_of(replace(task, tuned=True), "val"),
    }
    for name, images in theirs.items():
        batches = list(loader_of(task, images, shuffle=False))
        torch.testing.assert_close(torch.cat([b[0] for b in batches]), expected, msg=name)
        assert torch.cat([b[1] for b in batches]).tolist() == labels_N.tolist()


@pytest.mark.parametrize("tuned", [False, True])
def test_all_begin_with_the_same_network(task: Task, tuned: bool) -> None:
    protocol = lab_api.study_of(task).protocol
    torch.manual_seed(3)
    ours = build(lab_api.MODEL, ModelShape(28, 1, NUM_CLASSES), protocol).state_dict()
    torch.manual_seed(3)
    model = mobilenet(replace(task, tuned=tuned))
    theirs = model.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[key], ours[key]) for key in ours)
    optimizer = adam(model, replace(task, tuned=tuned))
    assert optimizer.defaults["lr"] == protocol.learning_rate
    assert optimizer.defaults["weight_decay"] == protocol.weight_decay
    assert protocol.optimizer == "adam"
    assert protocol.schedule == "constant"


def test_the_command_runs_the_same_study(task: Task) -> None:
    written, built = parse_study(lab_command.toml_of(task)), lab_api.study_of(task)
    assert written.protocol.identity() == built.protocol.identity()
    assert (written.datasets, written.models, written.seeds) == (
        built.datasets,
        built.models,
        built.seeds,
    )


def test_a_task_survives_the_command_line(task: Task) -> None:
    asked = replace(task, epochs=5, workers=2, tuned=True, seed=4)
    assert parse(words_of(asked)) == asked
    assert parse(words_of(task)) == task


def test_each_round_asks_everybody_once_and_begins_with_another() -> None:
    asked = list(in_turn(["a", "b", "c"], 4))
    assert [[name for number, name in asked if number == n] for n in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


def test_who_cannot_take_part_is_told_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TIMM_CHECKOUT", raising=False)
    assert "TIMM_CHECKOUT" in str(missing(CONTENDERS["timm"]))
    monkeypatch.setenv("TIMM_CHECKOUT", str(tmp_path))
    assert "no train.py" in str(missing(CONTENDERS["timm-tuned"]))
    (tmp_path / "train.py").touch()
    assert missing(CONTENDERS["timm"]) is None
    nowhere = replace(CONTENDERS["lightning"], needs="no_such_package")
    assert missing(nowhere) == "no package no_such_package"
    assert missing(CONTENDERS["lab"]) is None


@pytest.mark.parametrize("num", range(1, 40))
def test_ranks_are_those_of_the_binomial_law(num: int) -> None:
    beyond = rank(num)
    if beyond is None:
        assert binom.cdf(0, num, 0.5) > 0.05
    else:
        assert binom.cdf(beyond, num, 0.5) <= 0.05 < binom.cdf(beyond + 1, num, 0.5)


def test_bounds_hold_nineteen_times_in_twenty() -> None:
    draws = np.exp(np.random.default_rng(0).normal(0, 0.3, (4000, 5)))  # their law's median is 1
    found = [bounded(row.tolist()) for row in draws]
    assert np.mean([one.upper >= 1 for one in found]) >= 0.95
    assert np.mean([one.lower <= 1 for one in found]) >= 0.95


def test_ratios_are_numpys_within_rounds() -> None:
    rng = np.random.default_rng(1)
    above, below = rng.uniform(1, 2, 8), rng.uniform(1, 2, 8)
    found = ratio(dict(enumerate(above)), dict(enumerate(below)))
    quotients = np.sort(above / below)
    assert found.median == pytest.approx(np.median(quotients))
    assert (found.lower, found.upper) == (quotients[1], quotients[6])
    missing_round = ratio({0: 2.0, 1: 9.0}, {0: 1.0})
    assert missing_round.median == 2
    assert math.isinf(missing_round.upper)
    assert f"{missing_round}" == "2.00 (? to ?)"


def test_answers_survive_a_line_that_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.jsonl"
    results = Results.begun(path, {"plan": {}})
    results.keep(("train", 0, "lab"), {"wall_s": 1.5})
    with path.open("a") as file:
        file.write('\n["train", 1, "la')
    results = Results.read(path)
    results.keep(("train", 1, "lab"), {"wall_s": 2.5})
    assert Results.read(path).rounds("train", "wall_s") == {"lab": {0: 1.5, 1: 2.5}}
    with pytest.raises(SystemExit, match="--resume"):
        Results.begun(path, {})


SECONDS = {"notebook": 130.0, "lightning-tuned": 102.0, "lab": 100.0, "lab-command": 110.0}


def answers_of(path: Path, rounds: int) -> Results:
    """Return answers as a whole benchmark would have left them."""
    settings: dict[str, Any] = {
        "plan": {
            **{"train": 20_000, "val": 4_000, "test": 4_000, "epochs": 3, "batch": 64},
            **{"rounds": rounds, "threads": 2, "steps": 20},
        },
        "machine": {
            **{"cpu": "X", "num_cores": 2, "num_threads": 2, "memory_mib": 4096},
            **{"os": "L", "python": "3"},
        },
        "versions": {"torch": "2.14"},
        "begun_at": "today",
        "load_1min": 0.1,
        "fast_letters": {
            **{"machine": ["X", 2], "train_s": [200.0, 250.0, 300.0]},
            **{"accuracy_frac": [0.951, 0.952, 0.953], "source": "here"},
        },
        "skipped": ["timm (absent)"],
    }
    results = Results.begun(path, settings)
    for number in range(rounds):
        common = {"workers": 1, "busy_frac": 0.02}
        for name, seconds in SECONDS.items():
            trained = {
                "wall_s": seconds * (1 + number / 100),
                "accuracy_frac": 0.8 + number / 1000 - (0.01 if name == "notebook" else 0.0),
                "seconds": {"start": 1.0, "training": seconds},
            }
            results.keep(("train", number, name), {**trained, **common})
            rates = {"images_per_s": [2.0 * seconds, seconds, 0.0]}
            results.keep(("evaluate", number, name), {**rates, **common})
        steps = {"train_images_per_s": 20.0 + number}
        results.keep(("published", number, "notebook"), {**steps, **common})
    return results


def test_the_section_says_what_was_measured(tmp_path: Path) -> None:
    text = report.section(answers_of(tmp_path / "a", 5))
    row = next(line for line in text.splitlines() if line.startswith("| published notebook"))
    assert row == (
        "| published notebook's loop | 132.6 | 1.0 | – | 130.0 | – | – | 1 | 79.2 ± 0.2 "
        "| 0.77 (0.77 to 0.77) |"
    )
    assert "To the fastest, PyTorch Lightning, tuned: 0.98 (0.98 to 0.98)" in text
    assert "To the slowest, published notebook's loop: 0.77 (0.77 to 0.77)" in text
    assert "upper bound at most 1.05, met" in text
    assert "p = 0.01" in text  # one of three is behind in each of five rounds
    assert "Furthest from the laboratory is published notebook's loop: -1.0 (-1.0 to -1.0)" in text
    assert "Not taken part: timm (absent)." in text
    # evaluation: images/s are the seconds above, 100 for the laboratory against 130 at best
    assert "To the fastest, published notebook's loop: 0.77" in text
    assert "goal: median at least 2, **missed**" in text
    # 15 × 99,840 images at 22 images/s (20 to 24), against 250 s (200 to 300)
    images = 15 * 99_840
    bounds = f"({images / 24 / 300:.0f} to {images / 20 / 200:.0f})"
    assert f"Times faster: {images / 22 / 250:.0f} {bounds}" in text


@pytest.mark.parametrize(("cpu", "threads"), [("Y", 2), ("X", 1)])
def test_times_of_another_machine_meet_no_goal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cpu: str, threads: int
) -> None:
    results = answers_of(tmp_path / "a", 5)
    results.settings["fast_letters"]["machine"] = [cpu, 2]
    results.settings["plan"]["threads"] = threads
    assert "unknown, its times are of another machine" in report.section(results)
    assert not report.verdicts(results)
    assert "unknown, its times are of another machine" in capsys.readouterr().out


def test_who_was_not_asked_is_named() -> None:
    assert unasked(list(CONTENDERS)) == []
    (line,) = unasked([name for name in CONTENDERS if name != "notebook"])
    assert line == "published notebook's loop (not asked)"


def test_the_laboratory_alone_has_a_section_without_goals(tmp_path: Path) -> None:
    results = answers_of(tmp_path / "a", 5)
    results.answers = {key: found for key, found in results.answers.items() if key[2] == "lab"}
    text = report.section(results)
    assert "| this laboratory | 102.0 |" in text
    assert "To the" not in text


def test_peers_threads_wait_as_torch_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "10000")  # as the laboratory sets it on import
    monkeypatch.setenv("SOMETHING", "else")
    found = environment(2, "cache")
    assert "GOMP_SPINCOUNT" not in found
    assert found["SOMETHING"] == "else"


def test_goals_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not report.verdicts(answers_of(tmp_path / "a", 5))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines if "goal" in line] == ["met", "met", "MISSED", "met"]
    few = answers_of(tmp_path / "b", 4)
    assert not report.verdicts(few)
    assert "unknown, fewer than five rounds" in capsys.readouterr().out
    assert "unknown, fewer than five rounds" in report.section(few)


def test_contenders_that_learn_less_are_noticed() -> None:
    rng = np.random.default_rng(0)
    names = ("notebook", "lightning", "torchvision", "lab")

    def p_of(behind: float) -> float:
        means = {**dict.fromkeys(names, 0.8), "transformers": 0.8 - behind}
        p = report.alike({n: dict(enumerate(rng.normal(m, 0.01, 8))) for n, m in means.items()})
        assert p is not None
        return p

    # the same law for all is called different about once in twenty
    assert np.mean([p_of(0.0) < 0.05 for _ in range(200)]) < 0.1
    assert all(p_of(0.1) < 0.02 for _ in range(20))
    assert report.alike({name: {0: 0.8} for name in names}) is None
    assert report.alike({name: {0: 0.8, 1: 0.9} for name in names}) == 1.0
    # the laboratory's command is the laboratory: no third contender
    assert (
        report.alike({name: {0: 0.8, 1: 0.9} for name in ("lightning", "lab", "lab-command")})
        is None
    )


@pytest.mark.parametrize("before", ["", "# Speed\n\nOwn words.\n"])
def test_the_section_is_put_in_its_place(before: str) -> None:
    once = document.put(before, "peers", "## One\n")
    twice = document.put(once + "\nWords below.\n", "peers", "## Two\n")
    begin, end = document.marks("peers")
    assert once.count(begin) == twice.count(begin) == 1
    assert "## One" in once
    assert "## One" not in twice
    assert twice.endswith(f"{end}\n\nWords below.\n")
    assert before in twice
    assert document.put(twice, "peers", "## Two\n") == twice


def test_every_contender_has_a_script_and_a_name() -> None:
    folder = Path(report.__file__).parent
    assert all((folder / f"{one.script}.py").is_file() for one in CONTENDERS.values())
    titles = [one.title for one in CONTENDERS.values()]
    assert len(set(titles)) == len(titles)


def test_a_contender_begins_when_the_one_before_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([26.7, 8.6, 1.0, 50.0])
    monkeypatch.setattr(contenders.psutil, "cpu_percent", lambda interval: next(seen))
    assert contenders._calm() == pytest.approx(0.01)
    monkeypatch.setattr(contenders.psutil, "cpu_percent", lambda interval: 40.0)
    assert contenders._calm() == pytest.approx(0.4)  # it never ends: begun all the same, and said
