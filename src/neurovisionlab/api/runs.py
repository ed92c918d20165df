"""What a run has come to: how far it is, its tables, its pages, and several runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from neurovisionlab.api.opened import RunLike, results_of, store_of
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.data.home import DataHome
from neurovisionlab.lab.results import Results
from neurovisionlab.lab.store import write_page
from neurovisionlab.out.cost_tables import cost_tables
from neurovisionlab.out.language import voice_of
from neurovisionlab.out.notebook import files_html, lines_html, tables_html
from neurovisionlab.out.tables import ResultRow, Table, result_rows, summary_tables, to_csv


class Status(Frozen):
    """How far a run is: of its cells, how many are in which state."""

    name: str
    cells: int
    done: int
    diverged: int
    failed: int
    pending: int

    def _repr_html_(self) -> str:
        counts = {name: str(count) for name, count in self.model_dump(exclude={"name"}).items()}
        return lines_html(self.name, counts)


def status(run: RunLike) -> Status:
    """Say how far a run is.

    Args:
        run: a run, or its folder.

    Raises:
        StoreError: there is no run in that folder.
    """
    found = results_of(run)
    states = [row.status for row in _rows(found)]
    counts = {state: states.count(state) for state in ("done", "diverged", "failed", "pending")}
    return Status(name=found.plan.study.name, cells=len(states), **counts)


@dataclass(frozen=True)
class ResultTables:
    """A run's results: a row for each cell as data, and tables as people read them.

    Attributes:
        rows: of every planned cell, finished or not.
    """

    rows: tuple[ResultRow, ...]
    _found: Results = field(repr=False)
    _target_frac: float | None = field(default=None, repr=False)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """One of quality for each data set, then one of costs for each that has any."""
        costs = cost_tables(self._found, self._target_frac)
        return (*summary_tables(self.rows), *costs)

    def to_csv(self) -> str:
        """Return the rows as CSV text with a header."""
        return to_csv(self.rows)

    def _repr_html_(self) -> str:
        return tables_html(self.tables)


def results(run: RunLike, target_frac: float | None = None) -> ResultTables:
    """Return what a run's cells have scored, and what its models cost.

    Args:
        run: a run, or its folder.
        target_frac: the validation accuracy, 0 to 1, for which the tables tell the seconds of
            training; else 0.9 times the best model's.

    Raises:
        StoreError: there is no run in that folder.
    """
    found = results_of(run)
    return ResultTables(tuple(_rows(found)), found, target_frac)


def _rows(found: Results) -> list[ResultRow]:
    return result_rows(found.cells, found.records, found.failures)


def page(run: RunLike) -> Path:
    """Return the path of a run's report.html, which is written if there is none.

    Args:
        run: a run, or its folder.

    Raises:
        StoreError: there is no run in that folder, or it cannot be written to.
    """
    store = store_of(run)
    path = store.root / "report.html"
    if path.is_file():
        return path
    from neurovisionlab.lab.judgements import Conclusions
    from neurovisionlab.out.page.report import write_report

    return write_report(store, conclusions=Conclusions(results_of(run)))


def page_writer(
    data_dir: str | Path | None = None, language: str | None = None
) -> Callable[[RunLike], Path]:
    """Return what writes a run's report.html anew: checked now, for what takes long until then.

    Args:
        data_dir: where the data sets of which mistakes are shown lie; else as `write_report` says.
        language: en or uk; else that of the page that is there.

    Raises:
        SpecError: no such language.
    """
    from neurovisionlab.out.page.report import write_report

    home = None if data_dir is None else DataHome.find(data_dir)
    voice = None if language is None else voice_of(language)
    return lambda run: write_report(store_of(run), home=home, language=voice)


@dataclass(frozen=True)
class Report:
    """Where a run's report lies.

    Attributes:
        page: report.html.
        exports: CSV, Parquet, LaTeX, Markdown; then the figures.
    """

    page: Path
    exports: tuple[Path, ...]

    def _repr_html_(self) -> str:
        return files_html([self.page, *self.exports])


def report(run: RunLike, data_dir: str | Path | None = None, language: str = "en") -> Report:
    """Write a run's report.html anew, and its exports.

    Args:
        run: a run, or its folder.
        data_dir: where the data sets of which mistakes are shown lie.
        language: en or uk.

    Raises:
        SpecError: no such language.
        StoreError: there is no run in that folder, or it cannot be written to.
    """
    from neurovisionlab.lab.judgements import Conclusions
    from neurovisionlab.out.exports import write_exports
    from neurovisionlab.out.page.report import write_report
    from neurovisionlab.out.speech import speaking

    voice, store = voice_of(language), store_of(run)
    home = None if data_dir is None else DataHome.find(data_dir)
    conclusions = Conclusions(results_of(run))
    path = write_report(store, home, voice, conclusions=conclusions)
    with speaking(voice):
        return Report(path, tuple(write_exports(store, conclusions)))


def compare(runs: Sequence[RunLike], path: str | Path, language: str = "en") -> Path:
    """Write a page that sets runs side by side: accuracies, costs, and what differs in settings.

    Args:
        runs: two or more, or their folders.
        path: of the page.
        language: en or uk.

    Raises:
        SpecError: no such language, or fewer than two runs.
        StoreError: there is no run in one of the folders, or the page cannot be written.
    """
    from neurovisionlab.out.page.compare import compare_runs

    voice = voice_of(language)
    text = compare_runs([results_of(run) for run in runs], voice)
    write_page(Path(path), text)
    return Path(path)
