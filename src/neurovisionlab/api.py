"""The laboratory from Python: what the command line calls, and all it calls.

>>> from neurovisionlab import Study, api
>>> run = api.prepare(Study(name="mini", datasets=("digits",), models=("vit-tiny",)))
>>> for cell, event in run.events():   # doctest: +SKIP
...     print(cell.cell_id, event)
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from neurovisionlab.core.records import CellRecord
from neurovisionlab.core.spec import CellSpec, Study, warnings_of
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.pictures import Watch
from neurovisionlab.data.sources import SOURCES
from neurovisionlab.lab.conduct import Event, conduct, pending
from neurovisionlab.lab.executors import Execute, local
from neurovisionlab.lab.store import Plan, Store
from neurovisionlab.lab.studies import changes, make_plan, read_study

WORKER = "neurovisionlab.learn.run"


def load_study(name_or_path: str) -> Study:
    """Return the study of a preset's name or a TOML file's path.

    Raises:
        SpecError: neither exists, or the study has mistakes; all of them are named.
    """
    from neurovisionlab.learn.catalogue import MODELS

    return read_study(name_or_path, {"datasets": SOURCES, "models": MODELS})


@dataclass(frozen=True)
class Run:
    """A study, its folder, and what is still to do.

    Attributes:
        plan: the study and what is known of its data.
        store: the folder of results.
        cells: all cells of the study.
        pending: those that are not finished.
        messages: what a person should know before it starts.
    """

    plan: Plan
    store: Store
    home: DataHome
    cells: tuple[CellSpec, ...]
    pending: tuple[CellSpec, ...]
    messages: tuple[str, ...]

    def events(self, execute: Execute | None = None) -> Iterator[tuple[CellSpec, Event]]:
        """Run what is missing; yield (cell, epoch, sign of life, record or failure)."""
        if not self.pending:
            return
        from neurovisionlab.learn.run import run_cell

        work = functools.partial(run_cell, home=self.home)
        yield from conduct(self.cells, self.store, work, execute or local([WORKER]))

    def records(self) -> list[CellRecord]:
        """Return the records of the study's finished cells."""
        return self.store.finished(self.cells)


def prepare(
    study: Study,
    data_dir: str | Path | None = None,
    out_dir: str | Path | None = None,
    watch: Watch = lambda done, total: None,
) -> Run:
    """Look at data, models and folder; write down what is to be run. Trains nothing.

    Args:
        study: what to compare.
        data_dir: where data sets lie; else NVL_DATA, else the user's cache folder.
        out_dir: where results go; else runs/NAME.
        watch: told of pictures read, (done, total).

    Raises:
        NvlError: anything a user can mend.
    """
    from neurovisionlab.learn.catalogue import patch_side, recipe_of

    for model in study.models:
        recipe_of(model)
    home = DataHome.find(data_dir)
    store = Store(Path(out_dir or Path("runs") / study.name))
    plan = make_plan(study, home, watch)
    cells = plan.cells()
    for cell in cells:
        patch_side(cell.model, cell.image_px)
    messages = [f"warning: {line}" for line in warnings_of(study)]
    messages += _data_messages(plan)
    with store.writing():
        messages += _folder_messages(plan, store)
        store.keep_plan(plan)
    return Run(plan, store, home, cells, tuple(pending(cells, store)), tuple(messages))


def _data_messages(plan: Plan) -> Iterator[str]:
    for _, info in plan.infos:
        if info.synthetic:
            yield f"{info.name}: synthetic images; results say nothing about real ones"
        yield from (f"{info.name}: {note}" for note in info.notes)


def _folder_messages(plan: Plan, store: Store) -> Iterator[str]:
    """Say what an earlier wording of the study left in the folder."""
    if not (store.root / "study.json").is_file():
        return
    earlier = store.plan()
    differences = changes(earlier.study, plan.study)
    ids = {cell.cell_id for cell in plan.cells()}
    apart = len(store.stored_ids() - ids)
    if differences or earlier.infos != plan.infos:
        what = "; ".join(differences) or "its data are others now"
        yield f"the study changed since it was last run here: {what}"
    if apart:
        yield f"{apart} finished cells of other wordings stay in {store.root} and are not shown"
    wants = plan.study.protocol.keep_weights == "all"
    bare = [one for one in sorted(store.stored_ids() & ids) if not store.has_weights(one)]
    if wants and bare:
        yield f"{len(bare)} cells were finished without weights; delete their folders to train anew"
