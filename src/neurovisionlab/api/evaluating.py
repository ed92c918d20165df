"""Finished models asked about images that they were not trained or tested on."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from neurovisionlab.api.inspection import WORKERS
from neurovisionlab.api.measuring import check_settings
from neurovisionlab.api.opened import RunLike, results_of, store_of
from neurovisionlab.core.errors import NvlError, SpecError, mould, nearest
from neurovisionlab.core.evaluations import AskedPart, Evaluation
from neurovisionlab.core.statements import Statement
from neurovisionlab.data.home import DataHome
from neurovisionlab.lab.executors import local
from neurovisionlab.lab.results import read
from neurovisionlab.out.notebook import lists_html, tables_html

if TYPE_CHECKING:
    from neurovisionlab.lab.ask_models import Asked
    from neurovisionlab.lab.evaluation_rows import EvaluationRow
    from neurovisionlab.lab.store import Store
    from neurovisionlab.out.tables import Table


@dataclass(frozen=True)
class Evaluated:
    """What the models of a run are worth on another set.

    Attributes:
        rows: one for each data set, model and variant.
        left_out: why cells were not asked.
        errors: why models that were asked did not answer.
    """

    rows: tuple[EvaluationRow, ...]
    left_out: tuple[Statement, ...] = ()
    errors: tuple[NvlError, ...] = ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """One for each data set that models were trained on."""
        from neurovisionlab.out.evaluation_tables import evaluation_tables

        return tuple(evaluation_tables(self.rows))

    @property
    def lines(self) -> tuple[str, ...]:
        """Why cells were not asked, a line for each reason."""
        from neurovisionlab.out.evaluation_tables import left_out_lines

        return tuple(left_out_lines(self.left_out))

    def as_json(self) -> list[dict[str, object]]:
        """Return the rows as JSON holds them, notes in English."""
        from neurovisionlab.out.said import note_text

        return [asdict(row) | {"notes": list(map(note_text, row.notes))} for row in self.rows]

    def _repr_html_(self) -> str:
        return tables_html(self.tables) + lists_html(self.lines)


class Asking:
    """Models of a run that are asked about another set: first what was not asked before.

    Attributes:
        left_out: why cells are not asked.
    """

    def __init__(self, store: Store, asked: Asked, home: DataHome) -> None:
        self.left_out: tuple[Statement, ...] = tuple(asked.left_out)
        self._store, self._asked, self._home = store, asked, home
        self._errors: list[NvlError] = []

    def answers(self) -> Iterator[Evaluation]:
        """Yield what each model answered, as it is done or known; keep it in the run's folder."""
        from neurovisionlab.lab.ask_models import evaluations
        from neurovisionlab.learn.evaluate import evaluate as work

        asking = functools.partial(work, home=self._home)
        with self._store.writing():
            for outcome in evaluations(self._asked, self._store, asking, local(WORKERS)):
                if isinstance(outcome, NvlError):
                    self._errors.append(outcome)
                else:
                    yield outcome

    def evaluated(self) -> Evaluated:
        """Return what is known by now."""
        from neurovisionlab.lab.evaluation_rows import evaluation_rows

        rows = evaluation_rows(read(self._store), list(self._asked.specs.values()))
        return Evaluated(rows, self.left_out, tuple(self._errors))


def ask(
    run: RunLike,
    on: str,
    part: AskedPart | None = None,
    data_dir: str | Path | None = None,
    trust: bool = False,
) -> Asking:
    """Look which finished models of a run can be asked about another set; asks nobody yet.

    Args:
        run: a run, or its folder.
        on: the set's name, as a study would write it.
        part: of the set; else its test part, or all of a set that has none.
        data_dir: where data sets lie; else NVL_DATA, else the user's cache folder.
        trust: import code that the run names (`code_of`), if it is still what the run was made
            with; otherwise such models are left out.

    Raises:
        SpecError: no such part.
        DataError: no such set, or none of its classes is known to any model.
        StoreError: there is no run in that folder, or no cell of it can be asked.
        ModelError: all models are code and nobody trusts it, or code changed.
    """
    from neurovisionlab.lab.ask_models import Ask, asked_of

    known = get_args(AskedPart)
    if part is not None and part not in known:
        near = ", ".join(nearest(part, known))
        raise SpecError(mould("--part", f"one of {', '.join(known)}", repr(part), near))
    check_settings()
    store, home = store_of(run), DataHome.find(data_dir)
    return Asking(store, asked_of(results_of(run), store, Ask(on, part, home, trust)), home)


def evaluate(
    run: RunLike,
    on: str,
    part: AskedPart | None = None,
    data_dir: str | Path | None = None,
    trust: bool = False,
) -> Evaluated:
    """Ask all finished models of a run about another set with labels that they know.

    What was asked before is not asked again. Weights must have been kept.

    Args:
        run, on, part, data_dir, trust: see `ask`.

    Raises:
        NvlError: see `ask`; or the folder cannot be written to.
    """
    asking = ask(run, on, part, data_dir, trust)
    for _ in asking.answers():
        pass
    return asking.evaluated()
