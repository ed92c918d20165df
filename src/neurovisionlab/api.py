"""The laboratory from Python: what the command line calls, and all it calls.

>>> from neurovisionlab import Study, api
>>> run = api.prepare(Study(name="mini", datasets=("digits",), models=("vit-tiny",)))
>>> for cell, event in run.events():   # doctest: +SKIP
...     print(cell.cell_id, event)
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from neurovisionlab.core.costs import Costs, CostSpec, cost_spec, distinct
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.records import CellRecord
from neurovisionlab.core.spec import (
    CellSpec,
    DataRef,
    Study,
    warnings_of,
)
from neurovisionlab.data.audit import Audit, audit
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.official import OFFICIAL
from neurovisionlab.data.pictures import Watch
from neurovisionlab.data.remarks import remarks
from neurovisionlab.data.sources import SOURCES, load
from neurovisionlab.data.texts import is_there, possible_path
from neurovisionlab.inspection import (
    WORKERS,
    check_models,
    checked,
    identified,
    look_at_models,
)
from neurovisionlab.lab.conduct import Event, conduct, pending
from neurovisionlab.lab.damage import Tell
from neurovisionlab.lab.executors import Execute, local
from neurovisionlab.lab.measure import Effort, measure
from neurovisionlab.lab.messages import data_messages, folder_messages, recipe_messages
from neurovisionlab.lab.plan import Plan
from neurovisionlab.lab.processes import refuse_while_main_is_read, start_early
from neurovisionlab.lab.store import Store, warn
from neurovisionlab.lab.studies import Difference, differences, make_plan, read_study
from neurovisionlab.lab.trust import own_models, trusted
from neurovisionlab.learn.settings import num_threads, wants_compiling

# what the reader of the digits and unbroken groups or folds import late: a second for each cell
WITH_SKLEARN = (*WORKERS, "sklearn.datasets", "sklearn.model_selection")
QUICK_S = 0.3  # a timing at the end of a run; `nvl measure` takes longer and is more exact


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
        yield from conduct(self.cells, self.store, work, execute or _local(self.plan.study))

    def audit_data(self) -> Iterator[Audit]:
        """Look for copies, conflicts and oddities in data sets not looked at yet; keep and yield.

        The report shows what was found. Reads every image once more: seconds for 100,000.
        """
        with self.store.writing():
            for ref, info in self.plan.infos:
                if self.store.audit(info.digest) is None:
                    found = audit(load(ref, self.home))
                    self.store.put_audit(found)
                    yield found

    def measure(self, seconds: float = QUICK_S) -> Iterator[Costs]:
        """Measure what each model costs on each shape of data, unless it is known; keep and yield.

        Args:
            seconds: about how long each timing takes.
        """
        # the models are those of the study that the user gave
        yield from measure_run(self.store, seconds, anew=False, trust=True)

    def records(self) -> list[CellRecord]:
        """Return the records of the study's finished cells."""
        return self.store.finished(self.cells)


def prepare(
    study: Study,
    data_dir: str | Path | None = None,
    out_dir: str | Path | None = None,
    watch: Watch = lambda done, total: None,
    tell: Tell = warn,
) -> Run:
    """Look at data, models and folder; write down what is to be run. Trains nothing.

    Args:
        study: what to compare.
        data_dir: where data sets lie; else NVL_DATA, else the user's cache folder.
        out_dir: where results go; else runs/NAME.
        watch: told of pictures read, (done, total).
        tell: told, a line each, what is damaged in the folder and counts as absent.

    Raises:
        NvlError: anything a user can mend.
    """
    refuse_while_main_is_read()
    home = DataHome.find(data_dir)
    store = Store(possible_path(out_dir or Path("runs") / study.name, "--out"), tell)
    if not is_there(store.root):  # there will be something to train: seconds of imports, meanwhile
        start_early(_workers(study))
    digests, notes = look_at_models(study)
    plan = make_plan(study, home, watch).model_copy(update={"model_digests": digests})
    cells = plan.cells()
    todo = tuple(pending(cells, store))
    if todo:
        _check_settings()
    warnings = warnings_of(study) + check_models(cells, todo) + _check_splits(todo, home)
    messages = [*(f"warning: {line}" for line in warnings), *notes]
    if todo:
        messages += recipe_messages(study)
    messages += data_messages(plan)
    with store.writing():
        messages += folder_messages(plan, cells, store)
        store.keep_plan(plan)
    return Run(plan, store, home, cells, todo, tuple(messages))


def _check_settings() -> None:
    """Refuse settings with which every cell would fail; torch is asked only about a device.

    Raises:
        ResourceError: one of them names what cannot be, or is not there.
    """
    num_threads()
    wants_compiling()
    if os.environ.get("NVL_DEVICE", "cpu") != "cpu":
        from neurovisionlab.learn.device import wished_device

        wished_device()


def _local(study: Study) -> Execute:
    """Return what runs a study's cells; models that the main program defines need it in each."""
    with_main = any(model.startswith("__main__:") for model in study.models)
    return local(_workers(study), with_main)


def _workers(study: Study) -> tuple[str, ...]:
    """Return what the server of the study's processes should import."""
    own_kinds = ("npz:", "folder:")
    embedded = any(
        not name.startswith(own_kinds) and name not in OFFICIAL for name in study.datasets
    )
    return WITH_SKLEARN if embedded or study.split.groups or study.split.folds else WORKERS


def _check_splits(cells: Iterable[CellSpec], home: DataHome) -> list[str]:
    """Divide each data set as its cells will, so that what cannot be divided is said at once.

    Returns a line for each thing that came out otherwise than asked; of several folds or varied
    shares the first that says it.
    """
    by_ref: dict[DataRef, dict[str, CellSpec]] = {}
    for cell in cells:
        protocol = cell.protocol
        division = f"{cell.fold} {protocol.val_frac} {protocol.split_seed}"
        by_ref.setdefault(cell.data_ref, {}).setdefault(division, cell)
    said: dict[tuple[str, str], str] = {}
    for ref, different in by_ref.items():
        images = load(ref, home)
        for cell in different.values():
            for kind, line in remarks(images, cell).items():
                said.setdefault((ref.name, kind), line)
    return list(said.values())


def code_of(store: Store) -> tuple[str, ...]:
    """Return the models of a run that are code of somebody's own, "module:function"."""
    return own_models(cost_spec(cell) for cell in store.plan().cells())


def measure_run(
    store: Store, seconds: float, anew: bool = True, trust: bool = False
) -> Iterator[Costs]:
    """Measure what each model of a run costs, once for each shape of data; keep and yield.

    Nothing else should be running: others are noticed, and named in the conditions.

    Args:
        store: the run.
        seconds: about how long each timing takes.
        anew: measure again what is known already.
        trust: import the code that the run names (`code_of`), if it is still what the run was
            made with; otherwise such models are left out.

    Raises:
        StoreError: the folder cannot be written.
        ModelError: a model cannot be built, or code changed, or code is all that there is.
    """
    specs = distinct(cost_spec(cell) for cell in store.plan().cells())
    todo = [spec for spec in specs if anew or store.costs(spec) is None]
    todo = trusted(todo, trust)
    if not todo:
        return
    _check_settings()
    from neurovisionlab.learn.meter import measure_part

    effort = Effort(seconds) if anew else Effort(seconds, processes=1)
    with store.writing():
        for costs in measure(todo, measure_part, local(WORKERS), effort):
            store.put_costs(costs)
            yield costs


def measure_models(
    models: Sequence[str], shape: tuple[int, int, int], batch_size: int, seconds: float
) -> Iterator[Costs]:
    """Measure what models cost, without a study; yield as they are done.

    Args:
        models: their names.
        shape: (image_px, channels, num_classes).
        batch_size: of a training step.
        seconds: about how long each timing takes.

    Raises:
        ModelError: no such model, or one that does not take such images.
    """
    from neurovisionlab.learn.meter import measure_part

    _check_settings()
    image_px, channels, num_classes = shape
    color: Literal["grey", "rgb"] = "grey" if channels == 1 else "rgb"
    protocol = Protocol(image_px=image_px, color=color, batch_size=batch_size)
    specs = []
    for model in models:
        digest = identified(model)
        checked(model, [(image_px, channels, num_classes, protocol)])
        specs.append(
            CostSpec(
                model=model,
                model_digest=digest,
                image_px=image_px,
                channels=channels,
                num_classes=num_classes,
                source_px=image_px,
                protocol=protocol,
            )
        )
    yield from measure(specs, measure_part, local(WORKERS), Effort(seconds))


def difference(first: str, second: str) -> list[Difference]:
    """Return every difference in protocol and data between two studies, given as to `load_study`.

    Names and descriptions of the studies do not count.

    Raises:
        SpecError: see `load_study`.
    """
    found = differences(load_study(first), load_study(second))
    return [one for one in found if one.setting not in ("name", "description")]
