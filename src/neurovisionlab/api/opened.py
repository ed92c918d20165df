"""A run's folder, opened to be read: every call that tells of a run takes one."""

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
    """Something that results lie in: a `Run`, an `OpenRun`."""

    @property
    def store(self) -> Store:
        """The folder of results."""


# a run, or where it lies
RunLike = HasStore | Store | str | Path


class OpenRun:
    """A run's folder that was opened; what calls have read of it is not read again.

    Attributes:
        store: the folder of results.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    @cached_property
    def found(self) -> Results:
        """The study, and as much of it as is finished.

        Raises:
            StoreError: there is no study that can be read.
        """
        return read(self.store)

    def _repr_html_(self) -> str:
        return run_html(self.found)


def open(folder: str | Path, tell: Tell = warn) -> OpenRun:  # noqa: A001  # as `api.open`
    """Open a run's folder, to ask several things of it while reading it once.

    Args:
        folder: such as runs/quick.
        tell: told, a line each, what is damaged in the folder and counts as absent.

    Raises:
        StoreError: there is no run in that folder.
    """
    return OpenRun(Store.existing(possible_path(folder, "RUN"), tell))


def store_of(run: RunLike) -> Store:
    """Return the folder of results of a run.

    Raises:
        StoreError: there is no run in that folder.
    """
    if isinstance(run, Store):
        return run
    return open(run).store if isinstance(run, str | Path) else run.store


def results_of(run: RunLike) -> Results:
    """Return what a run's folder says now; of an `OpenRun` what it said at first.

    Raises:
        StoreError: there is no run in that folder, or no study that can be read.
    """
    return run.found if isinstance(run, OpenRun) else read(store_of(run))
