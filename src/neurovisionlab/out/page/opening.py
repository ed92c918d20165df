"""The first screen: leading models, recommended models, and what was run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from neurovisionlab.core.records import CellRecord
from neurovisionlab.judge.candidates import Advice
from neurovisionlab.lab.judgements import Judgements
from neurovisionlab.lab.plan import Plan
from neurovisionlab.out.charts.judged_charts import interval_rows, model_names
from neurovisionlab.out.charts.quality import interval_chart, rank_chart
from neurovisionlab.out.page.html import Drawing, drawn
from neurovisionlab.out.speech import Counted, Sentence
from neurovisionlab.out.tables import Table
from neurovisionlab.out.verdict_paragraphs import NOTHING_YET, case_name, chosen, lead_line
from neurovisionlab.out.words import verdict_words as say

OVERVIEW = Sentence("Test accuracy of each model, with its 95 % interval")
RANKS = Sentence("Mean ranks: two models differ where their bars do not overlap (Nemenyi)")
WHICH_TO_TAKE = Sentence("Which one to take?")
CASE = Sentence("for")
TIE = Sentence("{model} (tie with {rivals})")
ONE_SEED = Sentence(
    "With one seed, intervals are about these trained networks, not about the models."
)
SYNTHETIC = Sentence("{dataset} is synthetic: its results say nothing about real images.")
FINISHED = Counted("{done} of {count} cell finished", "{done} of {count} cells finished")
DATASETS = Counted("{count} data set", "{count} data sets")
MODELS = Counted("{count} model", "{count} models")
SEEDS = Counted("{count} seed", "{count} seeds")
VALUES = Counted("{count} value of {name}", "{count} values of {name}")
FOLDS = Counted("{count} fold", "{count} folds")
THREADS = Counted("{count} thread", "{count} threads")
CORES = Counted("{count} core", "{count} cores")
MEMORY = Sentence("{size:.0f} GiB")
UNKNOWN_CPU = Sentence("processor unknown")


class Opening(NamedTuple):
    """Content of the first screen."""

    leads: tuple[str, ...]
    advice: Table | None
    chart: Drawing | None
    across: tuple[str, ...]
    ranks: Drawing | None
    extent: str
    warnings: tuple[str, ...]


def opening(plan: Plan, num_done: int, found: Judgements | None) -> Opening:
    """Return the first screen of a run; without judgements, only what was run."""
    warnings = [SYNTHETIC.format(dataset=info.name) for _, info in plan.infos if info.synthetic]
    extent = extent_line(plan, num_done)
    if found is None:
        return Opening((), None, None, (), None, extent, tuple(dict.fromkeys(warnings)))
    estimates = [one for data in found.datasets for one in data.verdicts.estimates]
    if any(one.scope != "models" for one in estimates):
        warnings.append(str(ONE_SEED))
    leads = [lead_line(one) for one in found.datasets]
    leads += [NOTHING_YET.format(dataset=name) for name in found.left_out]
    return Opening(
        leads=tuple(leads),
        advice=advice_table(found.advice),
        chart=drawn(interval_chart(interval_rows(found)), str(OVERVIEW)),
        across=() if found.overall is None else tuple(say.overall_sentences(found.overall)),
        ranks=_ranks(found),
        extent=extent,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _ranks(found: Judgements) -> Drawing | None:
    if found.overall is None:
        return None
    return drawn(rank_chart(found.overall, model_names(found)), str(RANKS))


def extent_line(plan: Plan, num_done: int) -> str:
    """Return a line on the number of finished cells and their factors."""
    study = plan.study
    parts = [
        DATASETS.format(len(study.datasets)),
        MODELS.format(len(study.models)),
        SEEDS.format(len(study.seeds)),
        *(VALUES.format(len(values), name=name) for name, values in study.vary.items()),
    ]
    if study.split.folds:
        parts.append(FOLDS.format(study.split.folds))
    return f"{FINISHED.format(len(plan.cells()), done=num_done)}: {' × '.join(parts)}"


def advice_table(advice: dict[str, tuple[Advice, ...]]) -> Table | None:
    """Return the choice for each case (row) on each data set (column); None without cases."""
    cases = list(dict.fromkeys(one.case for some in advice.values() for one in some))
    if not cases:
        return None
    by_case = {(name, one.case): one for name, some in advice.items() for one in some}
    rows = tuple(
        (case_name(case), *(_choice(by_case[name, case]) for name in advice)) for case in cases
    )
    columns = (str(CASE), *advice)
    return Table(title=str(WHICH_TO_TAKE), columns=columns, rows=rows)


def _choice(one: Advice) -> str:
    model = chosen(one)
    return TIE.format(model=model, rivals=", ".join(one.tie)) if one.tie else model


def machine_lines(records: Sequence[CellRecord]) -> list[str]:
    """Return a line for each machine that ran cells."""
    lines = {
        " · ".join(
            [
                m.device,
                f"{m.cpu or UNKNOWN_CPU}, {CORES.format(m.num_cores)}, "
                f"{THREADS.format(m.num_threads)}, {MEMORY.format(size=m.memory_mib / 1024)}",
                m.os,
                f"Python {m.python}",
                ", ".join(f"{name} {version}" for name, version in m.versions.items()),
            ]
        ): None
        for m in (record.machine for record in records)
    }
    return list(lines)
