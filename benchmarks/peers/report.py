"""What the answers say: goals met or missed, and a section of Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from typing import Any

from scipy.stats import friedmanchisquare

import compare
from document import table
from peers.bounds import Ratio, Rounds, bounded, highest, lowest, median, ratio
from peers.contenders import CONTENDERS, LAB
from peers.results import Results

FASTEST_GOAL, SLOWEST_GOAL = 1.05, 0.77  # seconds of the laboratory ÷ seconds of a peer
EVALUATION_GOAL = 2.0  # images/s of the laboratory ÷ images/s of the fastest peer
PUBLISHED_GOAL = 100.0  # times faster to the published accuracy than the published protocol

# docs/protocols.md: 15 epochs, a fifth of the 124,800 images held out
PUBLISHED_EPOCHS, PUBLISHED_TRAIN = 15, 99_840
PUBLISHED_FRAC = 0.9503

PHASES = ("start", "loading", "training", "testing", "ending")
TOO_FEW = "fewer than five rounds"
OTHERS = "its times are of another machine; try --fast-letters RUN"


def peers_of(values: Mapping[str, Rounds], tuned_only: bool = False) -> dict[str, Rounds]:
    """Return the values of those who are not the laboratory."""
    return {
        name: rounds
        for name, rounds in values.items()
        if not CONTENDERS[name].is_lab and (CONTENDERS[name].tuned or not tuned_only)
    }


def alike(accuracies: Mapping[str, Rounds]) -> float | None:
    """Return p of "all contenders learn equally well" (Friedman's test, a round being a block).

    The laboratory's command trains as its Python interface does and is left out. None for fewer
    than three contenders or two rounds.
    """
    names = [name for name in accuracies if name == LAB or not CONTENDERS[name].is_lab]
    if len(names) < 3:
        return None
    rounds = sorted(set.intersection(*(set(accuracies[name]) for name in names)))
    if len(rounds) < 2:
        return None
    if all(len({accuracies[name][number] for name in names}) == 1 for number in rounds):
        return 1.0
    return float(friedmanchisquare(*([accuracies[n][r] for r in rounds] for n in names)).pvalue)


def published_ratio(results: Results) -> Ratio | None:
    """Return how many times longer the published protocol trains than `fast-letters`.

    The two were not measured in turn: the lower bound is that of the notebook's rounds against
    the preset's slowest training, the upper one against its fastest.
    """
    rates = results.rounds("published", "train_images_per_s").get("notebook")
    if not rates:
        return None
    notebook_s = bounded([published_s(rate) for rate in rates.values()])
    lab_s = results.settings["fast_letters"]["train_s"]
    return Ratio(
        notebook_s.median / statistics.median(lab_s),
        notebook_s.lower / max(lab_s),
        notebook_s.upper / min(lab_s),
    )


def is_of_this_machine(results: Results) -> bool:
    """Return whether the preset's times are of such a processor with as many threads."""
    machine = results.settings["machine"]
    here = [machine["cpu"], results.settings["plan"]["threads"]]
    return list(results.settings["fast_letters"]["machine"]) == here


def published_s(images_per_s: float) -> float:
    """Return the seconds that the published protocol trains for, validation left out."""
    return PUBLISHED_EPOCHS * PUBLISHED_TRAIN / images_per_s


def verdicts(results: Results) -> bool:
    """Print which goals are met; return whether all are."""
    return all([*_training_verdicts(results), *_evaluation_verdicts(results)])


def _training_verdicts(results: Results) -> Iterator[bool]:
    seconds = results.rounds("train", "wall_s")
    peers = peers_of(seconds)
    if peers and LAB in seconds:
        first, last = lowest(peers), highest(peers)
        for name, goal in ((first, FASTEST_GOAL), (last, SLOWEST_GOAL)):
            bound = ratio(seconds[LAB], peers[name]).upper
            what = f"lab ÷ {name}, seconds, upper 95 % bound"
            yield _verdict(what, bound, goal, at_least=False)
        p = alike(results.rounds("train", "accuracy_frac"))
        print(f"  all learn alike: p = {'unknown' if p is None else f'{p:.3f}'}")


def _evaluation_verdicts(results: Results) -> Iterator[bool]:
    rates = results.rounds("evaluate", "images_per_s")
    peers = peers_of(rates)
    if peers and LAB in rates:
        best = highest(peers)
        found = ratio(rates[LAB], peers[best]).median
        yield compare.verdict(f"lab ÷ {best}, evaluated images/s", found, EVALUATION_GOAL)
    published = published_ratio(results)
    if published is not None:
        what = "published protocol ÷ fast-letters, training time, lower 95 % bound"
        lower = published.lower if is_of_this_machine(results) else math.nan
        yield _verdict(what, lower, PUBLISHED_GOAL)


def _verdict(what: str, bound: float, goal: float, at_least: bool = True) -> bool:
    if math.isfinite(bound):
        return compare.verdict(what, bound, goal, at_least)
    print(f"  {what}: unknown, {OTHERS if math.isnan(bound) else TOO_FEW}")
    return False


def section(results: Results) -> str:
    """Return the section of docs/benchmarks.md."""
    parts = [
        "## Side by side in one run",
        _conditions(results),
        *_training(results),
        *_evaluation(results),
        *_published(results),
    ]
    return "\n\n".join(parts) + "\n"


def _conditions(results: Results) -> str:
    settings = results.settings
    plan, machine = settings["plan"], settings["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in settings["versions"].items())
    return (
        f"{machine['cpu']} ({machine['num_cores']} cores, {plan['threads']} threads), "
        f"{machine['memory_mib'] / 1024:.0f} GiB, {machine['os']}, Python {machine['python']}; "
        f"{versions}. Measured {settings['begun_at']} at a load of {settings['load_1min']:.2f}; "
        f"in the seconds between processes others used at most {results.busiest_frac():.0%} of "
        f"the processors. {plan['rounds']} rounds, in turn, medians. "
        "A ratio is taken within each round and stands with its 95 % bounds (from the order of the "
        "rounds, one-sided each). `make bench-peers`; who does what: `benchmarks/peers/README.md`."
        + "".join(f" Not taken part: {line}." for line in settings["skipped"])
    )


def _training(results: Results) -> Iterator[str]:
    seconds = results.rounds("train", "wall_s")
    if LAB not in seconds:
        return
    plan = results.settings["plan"]
    yield (
        f"**Training**: {plan['train']:,} EMNIST letters, {plan['epochs']} epochs, "
        f"{plan['val']:,} others looked at after each, {plan['test']:,} at the end; MobileNetV2 at "
        f"28 px, Adam, batch {plan['batch']}. Seconds of a whole process, from its start to its "
        "end; *training* includes validation, *ending* saving the weights."
    )
    head = ("", "seconds", *PHASES, "workers", "accuracy %")
    rows = [
        _training_row(results, name) for name in sorted(seconds, key=lambda n: median(seconds[n]))
    ]
    yield table((*head, "laboratory ÷ it"), rows)
    if peers_of(seconds):
        yield from _training_goals(seconds)
    yield _accuracies(results)


def _training_row(results: Results, name: str) -> list[str]:
    seconds = results.rounds("train", "wall_s")
    phases = {
        phase: f"{statistics.median(values):.1f}"
        for phase, values in results.phases("train", name).items()
    }
    accuracies = [100 * value for value in results.rounds("train", "accuracy_frac")[name].values()]
    spread = f" ± {statistics.stdev(accuracies):.1f}" if len(accuracies) > 1 else ""
    return [
        CONTENDERS[name].title,
        f"{median(seconds[name]):.1f}",
        *(phases.get(phase, "–") for phase in PHASES),
        _workers(results, "train", name),
        f"{statistics.mean(accuracies):.1f}{spread}",
        "1" if name == LAB else f"{ratio(seconds[LAB], seconds[name])}",
    ]


def _workers(results: Results, what: str, name: str) -> str:
    if CONTENDERS[name].is_lab:
        return "–"
    return str(
        next(a["workers"] for (k, _, n), a in results.answers.items() if (k, n) == (what, name))
    )


def _training_goals(seconds: Mapping[str, Rounds]) -> Iterator[str]:
    peers, tuned = peers_of(seconds), peers_of(seconds, tuned_only=True)
    lines = [
        _goal(seconds, lowest(peers), "the fastest", FASTEST_GOAL),
        _goal(seconds, highest(peers), "the slowest", SLOWEST_GOAL),
    ]
    if tuned:
        lines.append(_goal(seconds, highest(tuned), "the slowest that is tuned", None))
    yield "\n".join(lines)


def _goal(seconds: Mapping[str, Rounds], name: str, which: str, goal: float | None) -> str:
    found = ratio(seconds[LAB], seconds[name])
    said = (
        ""
        if goal is None
        else f"; goal: upper bound at most {goal}, {_met(found.upper <= goal, found.upper)}"
    )
    return f"- To {which}, {CONTENDERS[name].title}: {found}{said}."


def _met(is_met: bool, bound: float = 0.0) -> str:
    if not math.isfinite(bound):
        return f"unknown, {OTHERS if math.isnan(bound) else TOO_FEW}"
    return "met" if is_met else "**missed**"


def _accuracies(results: Results) -> str:
    accuracies = results.rounds("train", "accuracy_frac")
    p = alike(accuracies)
    judged = "not judged with so few rounds or contenders" if p is None else f"p = {p:.2f}"
    return (
        "Each round begins from another seed, the same for all. That all learn equally well: "
        f"{judged} (Friedman's test over rounds; with so few it sees large differences only)."
        + _furthest(accuracies)
    )


def _furthest(accuracies: Mapping[str, Rounds]) -> str:
    """Say which peer's accuracy is furthest from the laboratory's, in points."""
    lab = accuracies[LAB]
    apart = {
        name: bounded([100 * (rounds[number] - lab[number]) for number in sorted(rounds)])
        for name, rounds in peers_of(accuracies).items()
        if rounds.keys() <= lab.keys()
    }
    if not apart:
        return ""
    name = max(apart, key=lambda one: abs(apart[one].median))
    return (
        f" Furthest from the laboratory is {CONTENDERS[name].title}: {apart[name]:+.1f} points "
        "within a round."
    )


def _evaluation(results: Results) -> Iterator[str]:
    rates = results.rounds("evaluate", "images_per_s")
    if LAB not in rates:
        return
    plan = results.settings["plan"]
    yield (
        f"**Evaluation**: images/s of each one's loop over {plan['train']:,} images, MobileNetV2 "
        f"at 28 px, batch {plan['batch']} but for the laboratory, which takes 256 such images "
        "at once and folds batch normalisation; after one pass to warm up."
    )
    names = sorted(rates, key=lambda name: -median(rates[name]))
    rows = [
        [
            CONTENDERS[name].title,
            f"{median(rates[name]):,.0f}",
            _workers(results, "evaluate", name),
            "1" if name == LAB else f"{ratio(rates[LAB], rates[name])}",
        ]
        for name in names
    ]
    yield table(("", "images/s", "workers", "laboratory ÷ it"), rows)
    if not peers_of(rates):
        return
    best = highest(peers_of(rates))
    found = ratio(rates[LAB], rates[best])
    is_met = found.median >= EVALUATION_GOAL
    yield (
        f"- To the fastest, {CONTENDERS[best].title}: {found}; goal: median at least "
        f"{EVALUATION_GOAL:.0f}, {_met(is_met)}."
    )


def _published(results: Results) -> Iterator[str]:
    found = published_ratio(results)
    if found is None:
        return
    plan, lab = results.settings["plan"], results.settings["fast_letters"]
    lower = found.lower if is_of_this_machine(results) else math.nan
    rate = median(results.rounds("published", "train_images_per_s")["notebook"])
    yield (
        f"**To the published accuracy** ({100 * PUBLISHED_FRAC:.2f} % on EMNIST letters), "
        f"*extrapolated*: {plan['steps']} steps of the published notebook's loop (MobileNetV2, "
        f"224 px, batch 32) ran at {rate:.1f} images/s; its {PUBLISHED_EPOCHS} epochs of "
        f"{PUBLISHED_TRAIN:,} images would take {published_s(rate) / 3600:.1f} h here, validation "
        f"left out. `fast-letters` takes {statistics.median(lab['train_s']):.0f} s of training "
        f"({_spread(lab)}; {lab['source']}). Times faster: {found:.0f}, the bounds against the "
        "preset's slowest and fastest training, since it was not trained in turn; goal: lower "
        f"bound at least {PUBLISHED_GOAL:.0f}, {_met(lower >= PUBLISHED_GOAL, lower)}."
    )


def _spread(lab: Mapping[str, Any]) -> str:
    accuracies = ", ".join(f"{100 * value:.2f}" for value in lab["accuracy_frac"])
    return f"{len(lab['train_s'])} trainings, test accuracies {accuracies} %"
