"""A run's folder, opened for reading; every function that reads a run accepts one."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Protocol

from neurovisionlab.data.texts import possible_path
from neurovisionlab.lab.damage import Tell
from neurovisionlab.lab.results import Results, read
from neurovisionlab.lab.store import Store, warn
from neurovisionlab.out.notebook import run_html


class HasStore(Protocol):
    """An object with a folder of results: a `Run` or an `OpenRun`."""

    @property
    def store(self) -> Store:
        """The folder of results."""


# a run, or the path of its folder
RunLike = HasStore | Store | str | Path


class OpenRun:
    """An opened run folder; what was read once is cached.

    Attributes:
        store: the folder of results.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    @cached_property
    def results(self) -> Results:
        """The study and its results so far.

        Raises:
            StoreError: the folder holds no readable study.
        """
        return read(self.store)

    def _repr_html_(self) -> str:
        return run_html(self.results)


def open(folder: str | Path, tell: Tell = warn) -> OpenRun:  # noqa: A001  # as `api.open`
    """Open a run's folder, so that several calls read it only once.

    Args:
        folder: such as runs/quick.
        tell: callback for one line per damaged file, which is treated as absent.

    Raises:
        StoreError: the folder holds no run.
    """
    return OpenRun(Store.existing(possible_path(folder, "RUN"), tell))


def store_of(run: RunLike) -> Store:
    """Return the folder of results of a run.

    Raises:
        StoreError: the folder holds no run.
    """
    if isinstance(run, Store):
        return run
    return open(run).store if isinstance(run, str | Path) else run.store


def results_of(run: RunLike) -> Results:
    """Return a run's results: the current ones, or those that an `OpenRun` has cached.

    Raises:
        StoreError: the folder holds no run, or no readable study.
    """
    return run.results if isinstance(run, OpenRun) else read(store_of(run))
