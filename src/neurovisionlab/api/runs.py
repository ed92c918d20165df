"""State and outcome of a run: progress, tables, pages, and comparison of several runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from neurovisionlab.api.opened import RunLike, results_of, store_of
from neurovisionlab.core.errors import SpecError, mould
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.data.home import DataHome
from neurovisionlab.lab.results import Results
from neurovisionlab.lab.store import write_page
from neurovisionlab.out.cost_tables import cost_tables
from neurovisionlab.out.language import voice_of
from neurovisionlab.out.notebook import files_html, lines_html, tables_html
from neurovisionlab.out.tables import ResultRow, Table, result_rows, summary_tables, to_csv


class Status(Frozen):
    """Number of cells of a run, in all and by state."""

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
    """Count the cells of a run by state.

    Args:
        run: a run, or its folder.

    Raises:
        StoreError: the folder holds no run.
    """
    found = results_of(run)
    states = [row.status for row in _rows(found)]
    counts = {state: states.count(state) for state in ("done", "diverged", "failed", "pending")}
    return Status(name=found.plan.study.name, cells=len(states), **counts)


@dataclass(frozen=True)
class ResultTables:
    """A run's results: a row per cell as data, and tables to print.

    Attributes:
        rows: one per planned cell, finished or not.
    """

    rows: tuple[ResultRow, ...]
    _found: Results = field(repr=False)
    _target_frac: float | None = field(default=None, repr=False)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """A table of quality per data set, then a table of costs per data set that has any."""
        costs = cost_tables(self._found, self._target_frac)
        return (*summary_tables(self.rows), *costs)

    def to_csv(self) -> str:
        """Return the rows as CSV text with a header."""
        return to_csv(self.rows)

    def _repr_html_(self) -> str:
        return tables_html(self.tables)


def results(run: RunLike, target_frac: float | None = None) -> ResultTables:
    """Return the scores of a run's cells and the costs of its models.

    Args:
        run: a run, or its folder.
        target_frac: validation accuracy, 0..1, for which the tables give the training seconds; by
            default 0.9 times the best model's.

    Raises:
        StoreError: the folder holds no run.
    """
    found = results_of(run)
    return ResultTables(tuple(_rows(found)), found, target_frac)


def _rows(found: Results) -> list[ResultRow]:
    return result_rows(found.cells, found.records, found.failures)


def page(run: RunLike) -> Path:
    """Return the path of a run's report.html; write the report if it is missing.

    Args:
        run: a run, or its folder.

    Raises:
        StoreError: the folder holds no run, or is not writable.
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
    """Return a function that rewrites a run's report.html.

    The arguments are checked now, so that a long computation does not end in an error.

    Args:
        data_dir: folder of the data sets from which mistakes are shown; by default as in
            `write_report`.
        language: "en" or "uk"; by default that of the existing page.

    Raises:
        SpecError: the language is unknown.
    """
    from neurovisionlab.out.page.report import write_report

    home = None if data_dir is None else DataHome.find(data_dir)
    voice = None if language is None else voice_of(language)
    return lambda run: write_report(store_of(run), home=home, language=voice)


@dataclass(frozen=True)
class Report:
    """Paths of a run's report.

    Attributes:
        page: report.html.
        exports: CSV, Parquet, LaTeX and Markdown files, then the figures.
    """

    page: Path
    exports: tuple[Path, ...]

    def _repr_html_(self) -> str:
        return files_html([self.page, *self.exports])


def report(run: RunLike, data_dir: str | Path | None = None, language: str = "en") -> Report:
    """Rewrite a run's report.html and its exports.

    Args:
        run: a run, or its folder.
        data_dir: folder of the data sets from which mistakes are shown.
        language: "en" or "uk".

    Raises:
        SpecError: the language is unknown.
        StoreError: the folder holds no run, or is not writable.
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
    """Write a page that compares runs: accuracies, costs, and differences in settings.

    Args:
        runs: two or more runs, or their folders.
        path: path of the page.
        language: "en" or "uk".

    Raises:
        SpecError: the language is unknown, there are fewer than two runs, or one is given twice.
        StoreError: a folder holds no run, or the page cannot be written.
    """
    from neurovisionlab.out.page.compare import compare_runs

    voice = voice_of(language)
    _refuse_twice([store_of(run).root for run in runs])
    text = compare_runs([results_of(run) for run in runs], voice)
    write_page(Path(path), text)
    return Path(path)


def _refuse_twice(folders: Sequence[Path]) -> None:
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            remedy = "nvl compare RUN_A RUN_B"
            raise SpecError(mould("nvl compare", "different runs", f"{folder} twice", remedy))
