"""The Python interface: every function that the command line calls.

>>> from neurovisionlab import Study, api
>>> run = api.prepare(Study(name="mini", datasets=("digits",), models=("vit-tiny",)))
>>> for cell, event in run.events():   # doctest: +SKIP
...     print(cell.cell_id, event)

Functions that take a run also take the path of its folder: `api.results("runs/quick")`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neurovisionlab.api.datasets import (
        Audited,
        DataFacts,
        DataSets,
        audit,
        data_info,
        data_sets,
        fetch,
        images,
        note_lines,
        sheet,
    )
    from neurovisionlab.api.evaluating import Asking, Evaluated, ask, evaluate
    from neurovisionlab.api.inspection import (
        WORKERS,
        model_facts,
        model_names,
        models,
        take_weights_from,
    )
    from neurovisionlab.api.judging import Advised, Claims, Verdicts, advise, claims, verdicts
    from neurovisionlab.api.measuring import ModelCosts, code_of, measure_models, measure_run
    from neurovisionlab.api.opened import OpenRun, RunLike, open  # noqa: A004  # as `api.open`
    from neurovisionlab.api.running import Run, prepare
    from neurovisionlab.api.runs import (
        Report,
        ResultTables,
        Status,
        compare,
        page,
        page_writer,
        report,
        results,
        status,
    )
    from neurovisionlab.api.studies import Preset, StudyDifferences, difference, load_study, presets
    from neurovisionlab.core.costs import Costs
    from neurovisionlab.core.evaluations import Evaluation
    from neurovisionlab.core.spec import DataInfo
    from neurovisionlab.data.audit import Audit
    from neurovisionlab.data.images import ImageSet
    from neurovisionlab.data.listing import DataSet
    from neurovisionlab.data.pictures import Watch
    from neurovisionlab.judge.candidates import Limits
    from neurovisionlab.learn.survey import Facts
    from neurovisionlab.out.track import check_tracker

# {module: what it gives}: loaded when it is first asked for, since a command needs few of them
_PLACES = {
    "api.datasets": (
        "Audited",
        "DataFacts",
        "DataSets",
        "audit",
        "data_info",
        "data_sets",
        "fetch",
        "images",
        "note_lines",
        "sheet",
    ),
    "api.evaluating": (
        "Asking",
        "Evaluated",
        "ask",
        "evaluate",
    ),
    "api.inspection": (
        "WORKERS",
        "model_facts",
        "model_names",
        "models",
        "take_weights_from",
    ),
    "api.judging": (
        "Advised",
        "Claims",
        "Verdicts",
        "advise",
        "claims",
        "verdicts",
    ),
    "api.measuring": (
        "ModelCosts",
        "code_of",
        "measure_models",
        "measure_run",
    ),
    "api.opened": (
        "OpenRun",
        "RunLike",
        "open",
    ),
    "api.running": (
        "Run",
        "prepare",
    ),
    "api.runs": (
        "Report",
        "ResultTables",
        "Status",
        "compare",
        "page",
        "page_writer",
        "report",
        "results",
        "status",
    ),
    "api.studies": (
        "Preset",
        "StudyDifferences",
        "difference",
        "load_study",
        "presets",
    ),
    "core.costs": ("Costs",),
    "core.evaluations": ("Evaluation",),
    "core.spec": ("DataInfo",),
    "data.audit": ("Audit",),
    "data.images": ("ImageSet",),
    "data.listing": ("DataSet",),
    "data.pictures": ("Watch",),
    "judge.candidates": ("Limits",),
    "out.track": ("check_tracker",),
    "learn.survey": ("Facts",),
}
_MODULE_OF = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> object:
    """Return a name of this package from the module that it lies in."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"neurovisionlab.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, whether they are loaded or not."""
    return sorted(__all__)


__all__ = [
    "WORKERS",
    "Advised",
    "Asking",
    "Audit",
    "Audited",
    "Claims",
    "Costs",
    "DataFacts",
    "DataInfo",
    "DataSet",
    "DataSets",
    "Evaluated",
    "Evaluation",
    "Facts",
    "ImageSet",
    "Limits",
    "ModelCosts",
    "OpenRun",
    "Preset",
    "Report",
    "ResultTables",
    "Run",
    "RunLike",
    "Status",
    "StudyDifferences",
    "Verdicts",
    "Watch",
    "advise",
    "ask",
    "audit",
    "check_tracker",
    "claims",
    "code_of",
    "compare",
    "data_info",
    "data_sets",
    "difference",
    "evaluate",
    "fetch",
    "images",
    "load_study",
    "measure_models",
    "measure_run",
    "model_facts",
    "model_names",
    "models",
    "note_lines",
    "open",
    "page",
    "page_writer",
    "prepare",
    "presets",
    "report",
    "results",
    "sheet",
    "status",
    "take_weights_from",
    "verdicts",
]
