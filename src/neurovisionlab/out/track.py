"""Logging of epochs to an experiment tracker, with the same rows as in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from neurovisionlab.core.errors import ResourceError, SpecError, mould, nearest
from neurovisionlab.core.records import EpochRow
from neurovisionlab.core.spec import CellSpec

TrackedEvent = TypeVar("TrackedEvent")

TRACKERS = ("tensorboard",)
_SCALARS = (
    "train_loss",
    "val_loss",
    "train_accuracy_frac",
    "val_accuracy_frac",
    "learning_rate",
    "train_s",
)


def check_tracker(name: str | None) -> None:
    """Refuse an unknown tracker.

    Raises:
        SpecError: the name is neither None nor one of `TRACKERS`.
    """
    if name is not None and name not in TRACKERS:
        near = ", ".join(nearest(name, TRACKERS))
        raise SpecError(mould("--track", "a known tracker", repr(name), near))


def to_tensorboard(
    events: Iterable[tuple[CellSpec, TrackedEvent]], place: Callable[[str], Path]
) -> Iterator[tuple[CellSpec, TrackedEvent]]:
    """Yield the events unchanged, writing each epoch into the folder `place(CELL_ID)`.

    Losses that are not finite are left out. `tensorboard --logdir RUN/tensorboard` displays them.

    Raises:
        ResourceError: the package tensorboard is not installed.
    """
    writers: dict[str, Any] = {}
    new_writer = _writer_class()
    try:
        for cell, event in events:
            if isinstance(event, EpochRow):
                if cell.cell_id not in writers:
                    writers[cell.cell_id] = new_writer(str(place(cell.cell_id)))
                _write(writers[cell.cell_id], event)
            yield cell, event
    finally:
        for writer in writers.values():
            writer.close()


def _writer_class() -> Any:
    try:
        from tensorboard.summary import Writer  # type: ignore[import-untyped]
    except ImportError:
        expected, got = "the package tensorboard", "none"
        remedy = "pip install 'neurovisionlab[track]'"
        raise ResourceError(mould("--track tensorboard", expected, got, remedy)) from None
    return Writer


def _write(writer: Any, row: EpochRow) -> None:
    for name in _SCALARS:
        value = getattr(row, name)
        if value is not None:
            writer.add_scalar(name, value, step=row.epoch)
    writer.flush()
