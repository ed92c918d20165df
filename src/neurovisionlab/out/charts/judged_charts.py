"""The charts that support a judgement, for the page and for files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

from neurovisionlab.core.spec import slug
from neurovisionlab.judge.answers import Answers
from neurovisionlab.judge.differ import confusion_difference, mean_confusion
from neurovisionlab.lab.judgements import Judgement, Judgements
from neurovisionlab.out.charts.confidence import reliability_chart
from neurovisionlab.out.charts.confusions import confusion_chart, difference_chart
from neurovisionlab.out.charts.drawing import Chart, Row
from neurovisionlab.out.charts.quality import MAX_CLASSES, recall_chart
from neurovisionlab.out.speech import Sentence
from neurovisionlab.out.verdict_paragraphs import leader

RECALLS = Sentence("Recall of each class, with its 95 % interval")
CONFUSION = Sentence("Confusion of {model} on test, mean over seeds")
DIFFERENCE = Sentence("Where {a} (blue) and {b} (orange) answer more often, in images")
MINUS = Sentence("{a} minus {b}, images")
RELIABILITY = Sentence("Reliability on test: a line for each network, the diagonal is what it says")

MAX_MATRICES = 6  # the number of pairs grows fast: only those of the most accurate models are drawn

ChartKind = Literal["recalls", "confusion", "difference", "reliability"]


class Titled(NamedTuple):
    """A chart with its kind, file name and title."""

    kind: ChartKind
    name: str
    title: str
    chart: Chart


def evidence(judged: Judgement, answers: Sequence[Answers]) -> Iterator[Titled]:
    """Yield the charts that support a judgement and have data."""
    ranked = _most_accurate_first(judged, answers)
    found: list[tuple[ChartKind, str, str, Chart | None]] = [
        ("recalls", "recalls", str(RECALLS), recall_chart(_recalls(judged))),
        ("reliability", "reliability", str(RELIABILITY), reliability_chart(judged.reliability)),
    ]
    # matrices of more classes are neither drawn nor computed: their size is quadratic
    num_drawn = MAX_MATRICES if len(judged.class_names) <= MAX_CLASSES else 0
    for one in ranked[:num_drawn]:
        chart = confusion_chart(mean_confusion(one), judged.class_names)
        name = f"confusion-{slug(one.model)}"
        found.append(("confusion", name, CONFUSION.format(model=one.model), chart))
    for a, b in list(combinations(ranked, 2))[:num_drawn]:
        legend = MINUS.format(a=a.model, b=b.model)
        chart = difference_chart(confusion_difference(a, b), judged.class_names, legend)
        name = f"difference-{slug(a.model)}-{slug(b.model)}"
        found.append(("difference", name, DIFFERENCE.format(a=a.model, b=b.model), chart))
    yield from (Titled(*one) for one in found if one[-1] is not None)


def interval_rows(found: Judgements) -> list[Row]:
    """Return accuracies with their intervals, in per cent, for `quality.interval_chart`."""
    return [
        {"dataset": data.dataset, "model": one.model}
        | {end: round(100 * getattr(one, end), 3) for end in ("value", "low", "high")}
        for data in found.datasets
        for one in data.verdicts.estimates
        if one.metric == "accuracy"
    ]


def model_names(found: Judgements) -> list[str]:
    """Return all models in the order that determines their colours in every chart."""
    estimates = (one for data in found.datasets for one in data.verdicts.estimates)
    return list(dict.fromkeys(one.model for one in estimates))


def _recalls(judged: Judgement) -> list[Row]:
    return [
        {
            "class": judged.class_names[found.class_number],
            "model": model,
            "value": round(100 * found.recall_frac, 2),
            "low": round(100 * found.low, 2),
            "high": round(100 * found.high, 2),
        }
        for model, recalls in judged.differences.recalls.items()
        for found in recalls
    ]


def _most_accurate_first(judged: Judgement, answers: Sequence[Answers]) -> list[Answers]:
    best = leader(judged)
    return sorted(answers, key=lambda one: (one.model != best, -float(one.right().mean())))
