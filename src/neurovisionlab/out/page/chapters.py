"""One chapter per data set: the evidence for the first screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from neurovisionlab.core.spec import DataInfo
from neurovisionlab.judge.answers import Answers
from neurovisionlab.judge.samples import LOWER_IS_BETTER
from neurovisionlab.judge.verdicts import ModelEstimate
from neurovisionlab.lab.cost_rows import CostRow
from neurovisionlab.lab.judgements import Judgement, Judgements
from neurovisionlab.lab.results import Results
from neurovisionlab.out.charts.accuracy_costs import cost_charts
from neurovisionlab.out.charts.judged_charts import ChartKind, evidence
from neurovisionlab.out.charts.learning import convergence_chart
from neurovisionlab.out.charts.quality import accuracy_chart
from neurovisionlab.out.cost_tables import cost_table
from neurovisionlab.out.data_sets import audit_lines
from neurovisionlab.out.page.album import Albums
from neurovisionlab.out.page.gallery import NOT_JUDGED, Mistakes, mistakes
from neurovisionlab.out.page.html import Drawing, draw, drawn
from neurovisionlab.out.speech import Sentence
from neurovisionlab.out.tables import GUESSING_MARK, MODEL, Table, guessing_notes
from neurovisionlab.out.verdict_paragraphs import Paragraph, details
from neurovisionlab.out.words import verdict_words as say

CELLS = Sentence("Test accuracy, a dot for each cell, a bar at the mean")
CONVERGENCE = Sentence(
    "Accuracy by epoch: mean over seeds, band from lowest to highest; a diamond marks where "
    "overfitting begins"
)
COST = Sentence("Test accuracy against cost: {cost}")
QUALITY = Sentence("Scores with their 95 % intervals")
BEST_NOTE = Sentence(
    "★ best of the column; ≈ cannot be told from the best, or is equivalent to it. Accuracy, F1, "
    "recall and precision in per cent, the last three as macro averages; NLL in nats; the Brier "
    "score runs from 0 to 2."
)
ROW_AGAINST_COLUMN = Sentence("Row against column, difference in accuracy with its 95 % interval")
IMAGES_OF = Sentence("{count:,} {part}")

ONE_SEED_MARK = " †"
ONE_SEED = Sentence(
    "one seed: the interval is about this trained network, not about the model; another seed may "
    "fall outside"
)
HEADS = {"nll": Sentence("NLL"), "brier": Sentence("Brier")}


@dataclass(frozen=True)
class JudgedChapter:
    """The part of a chapter based on a judgement; paragraphs by their key (`TITLES`)."""

    quality: Table | None = None
    pairs: Table | None = None
    paragraphs: Mapping[str, Paragraph] = field(default_factory=dict)
    recalls: Drawing | None = None
    confusions: tuple[Drawing, ...] = ()
    differences: tuple[Drawing, ...] = ()
    reliability: Drawing | None = None
    mistakes: Mistakes = NOT_JUDGED


@dataclass(frozen=True)
class Chapter:
    """The report's content on one data set."""

    info: DataInfo
    sizes: str
    summary: Table
    accuracy: Drawing | None
    convergence: Drawing | None
    costs: Table | None
    cost_charts: tuple[Drawing, ...]
    audit: tuple[str, ...]
    judged: JudgedChapter


class Sources(NamedTuple):
    """Input of all chapters.

    `answers` and `judged` are empty if there are no conclusions.
    """

    results: Results
    albums: Albums
    costs: Sequence[CostRow]
    answers: dict[str, list[Answers]]
    judged: Judgements | None


def chapter(info: DataInfo, summary: Table, sources: Sources) -> Chapter:
    """Return the chapter of one data set."""
    records = [one for one in sources.results.records if one.cell.data.name == info.name]
    costs = [row for row in sources.costs if row.dataset == info.name]
    found = sources.judged.datasets if sources.judged else ()
    judged = next((one for one in found if one.dataset == info.name), None)
    audit = sources.results.audit(info.digest)
    return Chapter(
        info=info,
        sizes=_sizes(info),
        summary=summary,
        accuracy=drawn(accuracy_chart(records), str(CELLS)),
        convergence=drawn(
            convergence_chart(records, judged.dynamics if judged else ()), str(CONVERGENCE)
        ),
        costs=cost_table(costs),
        cost_charts=tuple(_cost_drawings(costs)),
        audit=() if audit is None else tuple(audit_lines(audit)),
        judged=_told(judged, sources),
    )


def _sizes(info: DataInfo) -> str:
    return ", ".join(
        IMAGES_OF.format(count=count, part=part) for part, count in info.num_images.items()
    )


def _cost_drawings(costs: Sequence[CostRow]) -> Iterator[Drawing]:
    for title, chart in cost_charts(costs).items():
        yield draw(chart, COST.format(cost=title))


def _told(judged: Judgement | None, sources: Sources) -> JudgedChapter:
    if judged is None or sources.judged is None:
        return JudgedChapter()
    charts: dict[ChartKind, list[Drawing]] = {}
    for one in evidence(judged, sources.answers[judged.dataset]):
        charts.setdefault(one.kind, []).append(draw(one.chart, one.title))
    paragraphs = details(judged, sources.judged.advice[judged.dataset])
    return JudgedChapter(
        quality=quality_table(judged),
        pairs=pair_table(judged),
        paragraphs={one.key: one for one in paragraphs},
        recalls=next(iter(charts.get("recalls", ())), None),
        confusions=tuple(charts.get("confusion", ())),
        differences=tuple(charts.get("difference", ())),
        reliability=next(iter(charts.get("reliability", ())), None),
        mistakes=mistakes(sources.results, judged, sources.albums.of(judged.dataset)),
    )


# tables


def quality_table(judged: Judgement) -> Table:
    """Return every score of every model with its interval; the best and its ties are marked."""
    by_metric: dict[str, list[ModelEstimate]] = {}
    for one in judged.verdicts.estimates:
        by_metric.setdefault(one.metric, []).append(one)
    models = list(dict.fromkeys(one.model for one in judged.verdicts.estimates))
    marks = {metric: _marks(judged, metric, some) for metric, some in by_metric.items()}
    cells = {
        (one.model, metric): say.short_interval(one)
        + ("" if one.scope == "models" else ONE_SEED_MARK)
        + marks[metric].get(one.model, "")
        for metric, some in by_metric.items()
        for one in some
    }
    return Table(
        title=str(QUALITY),
        columns=(str(MODEL), *(str(HEADS.get(metric, say.WORDS[metric])) for metric in by_metric)),
        rows=tuple(
            (_marked(model, judged), *(cells.get((model, metric), "–") for metric in by_metric))
            for model in models
        ),
        notes=(
            str(BEST_NOTE),
            *one_seed_notes(judged.verdicts.estimates),
            *guessing_notes([judged.largest_class_frac] if judged.near_guessing else []),
        ),
    )


def _marked(model: str, judged: Judgement) -> str:
    return f"{model}{GUESSING_MARK}" if model in judged.near_guessing else model


def one_seed_notes(estimates: Iterable[ModelEstimate]) -> tuple[str, ...]:
    """Return the note for a table with intervals of single networks."""
    if all(one.scope == "models" for one in estimates):
        return ()
    return (f"{ONE_SEED_MARK.strip()} {ONE_SEED}",)


def _marks(judged: Judgement, metric: str, some: Sequence[ModelEstimate]) -> dict[str, str]:
    """Return {model: mark}: a star for the best, and a sign for models not worse than it."""
    if len(some) < 2:
        return {}
    pick = min if metric in LOWER_IS_BETTER else max
    best = pick(some, key=lambda one: one.value).model
    tied = [
        pair.b if pair.a == best else pair.a
        for pair in judged.verdicts.pairs
        if pair.metric == metric and best in (pair.a, pair.b) and pair.about_models != "better"
    ]
    return dict.fromkeys(tied, " ≈") | {best: " ★"}


def pair_table(judged: Judgement) -> Table | None:
    """Return each model (row) against each other (column) by accuracy; None for a single model."""
    pairs = [pair for pair in judged.verdicts.pairs if pair.metric == "accuracy"]
    if not pairs:
        return None
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.a, pair.b)))
    cells = {(pair.a, pair.b): say.short_pair(pair, pair.a) for pair in pairs}
    cells |= {(pair.b, pair.a): say.short_pair(pair, pair.b) for pair in pairs}
    return Table(
        title=str(ROW_AGAINST_COLUMN),
        columns=(str(MODEL), *names),
        rows=tuple(
            (_marked(row, judged), *(cells.get((row, column), "–") for column in names))
            for row in names
        ),
        notes=guessing_notes([judged.largest_class_frac] if judged.near_guessing else []),
    )
