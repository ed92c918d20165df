"""Running a study: check everything it needs first, then run cell by cell."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from neurovisionlab.api.disk_space import disk_message
from neurovisionlab.api.inspection import WORKERS, check_models, look_at_models
from neurovisionlab.api.measuring import check_settings, measure_run
from neurovisionlab.core.costs import Costs
from neurovisionlab.core.model_names import is_of_main
from neurovisionlab.core.records import CellRecord
from neurovisionlab.core.spec import (
    CellSpec,
    DataRef,
    Study,
    warnings_of,
)
from neurovisionlab.core.statements import Statement
from neurovisionlab.data.audit import Audit, audit
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.official import OFFICIAL
from neurovisionlab.data.pictures import Watch
from neurovisionlab.data.remarks import remarks
from neurovisionlab.data.sources import load
from neurovisionlab.data.texts import is_there, possible_path
from neurovisionlab.lab.conduct import Event, conduct, pending
from neurovisionlab.lab.damage import Tell
from neurovisionlab.lab.executors import Execute, local
from neurovisionlab.lab.plan import Plan, make_plan
from neurovisionlab.lab.processes import refuse_while_main_is_read, start_early
from neurovisionlab.lab.results import Results
from neurovisionlab.lab.store import Store, warn
from neurovisionlab.out.messages import data_messages, folder_messages, recipe_messages
from neurovisionlab.out.notebook import run_html
from neurovisionlab.out.said import said
from neurovisionlab.out.track import check_tracker, to_tensorboard

# imported lazily by the reader of "digits" and by group or fold splits: a second per cell
WITH_SKLEARN = (*WORKERS, "sklearn.datasets", "sklearn.model_selection")
QUICK_S = 0.3  # seconds per timing at the end of a run; `nvl measure` uses more and is more exact


@dataclass(frozen=True)
class Run:
    """A study, its folder, and its unfinished cells.

    Attributes:
        plan: the study and the descriptions of its data sets.
        store: the folder of results.
        home: the folder of data sets.
        cells: all cells of the study.
        pending: the unfinished cells.
        messages: warnings and notes to read before the run starts.
    """

    plan: Plan
    store: Store
    home: DataHome
    cells: tuple[CellSpec, ...]
    pending: tuple[CellSpec, ...]
    messages: tuple[str, ...]

    def events(
        self, execute: Execute | None = None, track: str | None = None
    ) -> Iterator[tuple[CellSpec, Event]]:
        """Run the pending cells; yield (cell, event): epoch row, progress, record or failure.

        Args:
            execute: executor of the cells; by default each cell runs in its own process, one at a
                time.
            track: "tensorboard" to log epochs into a folder of the run as they end.

        Raises:
            SpecError: the tracker is unknown.
            ResourceError: the tracker is not installed.
        """
        if not self.pending:
            return
        from neurovisionlab.learn.run import run_cell

        work = functools.partial(run_cell, home=self.home)
        events = conduct(self.cells, self.store, work, execute or _local(self.plan.study))
        if track is not None:
            check_tracker(track)
            events = to_tensorboard(events, functools.partial(self.store.place, track))
        yield from events

    def audit_data(self) -> Iterator[Audit]:
        """Search data sets without a stored audit for flaws; store and yield each audit.

        The report shows the result. Every image is read once more: seconds for 100,000.
        """
        with self.store.writing():
            for ref, info in self.plan.infos:
                if self.store.audit(info.digest) is None:
                    found = audit(load(ref, self.home))
                    self.store.put_audit(found)
                    yield found

    def measure(self, seconds: float = QUICK_S) -> Iterator[Costs]:
        """Measure costs that are not stored yet, per model and shape of data; store and yield them.

        Args:
            seconds: approximate duration of each timing.
        """
        # trusted: the models are those of the study that the caller passed
        for measured in measure_run(self.store, seconds, anew=False, trust=True):
            yield measured.costs

    def report(self) -> Path:
        """Write the run's report.html and return its path; images are read wherever they lie."""
        from neurovisionlab.out.page.report import write_report

        return write_report(self.store, self.home, is_own=True)  # the caller's own study

    def records(self) -> list[CellRecord]:
        """Return the records of the study's finished cells."""
        return self.store.finished(self.cells)

    def _repr_html_(self) -> str:
        return run_html(Results(self.store, self.plan))


def prepare(
    study: Study,
    data_dir: str | Path | None = None,
    out_dir: str | Path | None = None,
    watch: Watch = lambda done, total: None,
    tell: Tell = warn,
) -> Run:
    """Check data, models and folder, and store the plan. Trains nothing.

    Args:
        study: the comparison to run.
        data_dir: folder of the data sets; by default NVL_DATA, else the user's cache folder.
        out_dir: folder for results; by default runs/NAME.
        watch: progress callback, (images read, total).
        tell: callback for one line per damaged file of the folder, which is treated as absent.

    Raises:
        NvlError: any problem that the user can fix.
    """
    refuse_while_main_is_read()
    home = DataHome.find(data_dir)
    store = Store(possible_path(out_dir or Path("runs") / study.name, "--out"), tell)
    if not is_there(store.root):  # cells will train: overlap seconds of imports with the checks
        start_early(_workers(study))
    digests, notes = look_at_models(study)
    plan = make_plan(study, home, watch).model_copy(update={"model_digests": digests})
    cells = plan.cells()
    todo = tuple(pending(cells, store))
    if todo:
        check_settings()
    warnings = warnings_of(study) + check_models(cells, todo) + _check_splits(todo, home)
    messages = [*(f"warning: {line}" for line in warnings), *notes]
    if todo:
        messages += recipe_messages(study)
        messages += filter(None, [disk_message(todo, store.root)])
    messages += data_messages(plan)
    with store.writing():
        messages += folder_messages(plan, cells, store)
        store.keep_plan(plan)
    return Run(plan, store, home, cells, todo, tuple(messages))


def _local(study: Study) -> Execute:
    """Return the executor of a study's cells; models from `__main__` need it in each process."""
    with_main = any(map(is_of_main, study.models))
    return local(_workers(study), with_main)


def _workers(study: Study) -> tuple[str, ...]:
    """Return the modules that the study's fork server should preload."""
    own_kinds = ("npz:", "folder:")
    embedded = any(
        not name.startswith(own_kinds) and name not in OFFICIAL for name in study.datasets
    )
    return WITH_SKLEARN if embedded or study.split.groups or study.split.folds else WORKERS


def _check_splits(cells: Iterable[CellSpec], home: DataHome) -> list[str]:
    """Split each data set as its cells will, so that an impossible split fails before training.

    Returns a line for each deviation from the requested split, once per data set and kind of
    deviation.
    """
    by_ref: dict[DataRef, dict[str, CellSpec]] = {}
    for cell in cells:
        protocol = cell.protocol
        division = f"{cell.fold} {protocol.val_frac} {protocol.split_seed}"
        by_ref.setdefault(cell.data_ref, {}).setdefault(division, cell)
    remarked: dict[tuple[str, str], Statement] = {}
    for ref, different in by_ref.items():
        images = load(ref, home)
        for cell in different.values():
            for kind, remark in remarks(images, cell).items():
                remarked.setdefault((ref.name, kind), remark)
    return list(map(said, remarked.values()))
