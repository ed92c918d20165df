"""List of the data sets known by name, and their availability."""

from __future__ import annotations

from neurovisionlab.core.errors import DataError
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.official import KANA, LETTERS, OFFICIAL, files_of
from neurovisionlab.data.sources import SOURCES


class DataSet(Frozen):
    """A data set known by name.

    Attributes:
        num_train, num_test: number of images; None if unknown before it is read.
        available: whether it can be used now.
        where: its location, or the command that obtains it.
    """

    name: str
    title: str
    synthetic: bool
    num_classes: int
    num_train: int | None
    num_test: int | None
    available: bool
    where: str


def listed(home: DataHome) -> tuple[DataSet, ...]:
    """Return the data sets known by name, in the order of their table."""
    return tuple(_listed(name, home) for name in SOURCES)


def _listed(name: str, home: DataHome) -> DataSet:
    source = SOURCES[name]
    num_train, num_test = source.num_images
    where = _where(name, home) if name in OFFICIAL else "embedded"
    return DataSet(
        name=name,
        title=source.title.removesuffix(" (synthetic)"),
        synthetic=source.title.endswith("(synthetic)"),
        num_classes=_num_classes(name),
        num_train=num_train,
        num_test=num_test,
        available=not where.startswith("nvl data fetch"),
        where=where,
    )


def _num_classes(name: str) -> int:
    if name in OFFICIAL:
        return len(OFFICIAL[name].class_names)
    return len({"pen-letters": LETTERS, "pen-kana": KANA}.get(name, range(10)))


def _where(name: str, home: DataHome) -> str:
    try:
        size_mib = sum(path.stat().st_size for path in files_of(name, home)) / 2**20
    except DataError:
        return f"nvl data fetch {name}"
    return f"on disk ({size_mib:,.0f} MiB)"
