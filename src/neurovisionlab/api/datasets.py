"""Data sets: which there are, getting them, looking at them, and whether to trust them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neurovisionlab.core.spec import DataInfo, DataRef
from neurovisionlab.data.audit import Audit
from neurovisionlab.data.audit import audit as look_for_flaws
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.listing import DataSet, listed
from neurovisionlab.data.pictures import Watch
from neurovisionlab.data.sources import describe, load
from neurovisionlab.out.notebook import lines_html, paragraphs_html, tables_html

if TYPE_CHECKING:
    from neurovisionlab.out.tables import Table

# given the name of a file that is fetched: what is told of its bytes (done, total) meanwhile
Bar = Callable[[str], AbstractContextManager[Watch]]


def _unwatched(done: int, total: int) -> None:
    """Take no notice of how far something is."""


class DataSets(tuple[DataSet, ...]):
    """Data sets known by name."""

    __slots__ = ()

    @property
    def table(self) -> Table:
        """All of them as people read them."""
        from neurovisionlab.out.data_sets import data_sets_table

        return data_sets_table(self)

    def _repr_html_(self) -> str:
        return tables_html([self.table])


def data_sets(data_dir: str | Path | None = None) -> DataSets:
    """Return the data sets known by name, and how to get each.

    Args:
        data_dir: where data sets lie; else NVL_DATA, else the user's cache folder.

    Raises:
        DataError: there is no such folder.
    """
    return DataSets(listed(DataHome.find(data_dir)))


@dataclass(frozen=True)
class DataFacts:
    """What is known of a data set.

    Attributes:
        info: all of it as data.
    """

    info: DataInfo

    @property
    def lines(self) -> dict[str, str]:
        """All of it as people read it: {what: line}."""
        from neurovisionlab.out.data_sets import data_set_lines

        return data_set_lines(self.info)

    def as_json(self) -> dict[str, object]:
        """Return all of it as JSON holds it, notes in English."""
        from neurovisionlab.out.said import json_of

        return json_of(self.info)

    def _repr_html_(self) -> str:
        return lines_html(self.info.name, self.lines)


def data_info(
    name: str,
    data_dir: str | Path | None = None,
    image_px: int | None = None,
    skip_bad: bool = False,
) -> DataFacts:
    """Say what is known of a data set: size, classes, source, licence, digest.

    Args:
        name: of `data_sets`, folder:DIR or npz:DIR.
        data_dir: see `data_sets`.
        image_px: the square that a folder's pictures are resized to; else as they are.
        skip_bad: leave out a folder's pictures that cannot be read, instead of stopping.

    Raises:
        DataError: no such data set, or it is not there, or broken.
    """
    return DataFacts(describe(_ref(name, image_px, skip_bad), DataHome.find(data_dir)))


def images(
    name: str,
    data_dir: str | Path | None = None,
    image_px: int | None = None,
    skip_bad: bool = False,
    watch: Watch = _unwatched,
) -> ImageSet:
    """Read all images of a data set.

    Args:
        name, data_dir, image_px, skip_bad: see `data_info`.
        watch: told of pictures read, (done, total).

    Raises:
        DataError: see `data_info`.
    """
    return load(_ref(name, image_px, skip_bad), DataHome.find(data_dir), watch)


def _ref(name: str, image_px: int | None, skip_bad: bool) -> DataRef:
    if not name.startswith("folder:"):
        return DataRef(name=name)
    return DataRef(name=name, image_px=image_px, on_bad_image="skip" if skip_bad else "stop")


def note_lines(images: ImageSet) -> tuple[str, ...]:
    """Return what a reader of results must know of how images were read, a line each."""
    from neurovisionlab.out.said import note_text

    return tuple(map(note_text, images.provenance.notes))


@dataclass(frozen=True)
class Audited:
    """What a search for flaws came to.

    Attributes:
        audit: all of it as data.
    """

    audit: Audit

    @property
    def table(self) -> Table:
        """How many images of each class each part has."""
        from neurovisionlab.out.data_sets import audit_table

        return audit_table(self.audit)

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it in words, gravest first after the counts."""
        from neurovisionlab.out.data_sets import audit_lines

        return tuple(audit_lines(self.audit))

    def as_json(self) -> dict[str, object]:
        """Return all of it as JSON holds it, notes in English."""
        from neurovisionlab.out.said import json_of

        return json_of(self.audit)

    def _repr_html_(self) -> str:
        return paragraphs_html([(self.audit.name, self.lines)]) + tables_html([self.table])


def audit(data: ImageSet | str, data_dir: str | Path | None = None) -> Audited:
    """Search a data set for copies, contradicting labels, empty images and imbalance.

    Args:
        data: its images, or its name as `data_info` takes it.
        data_dir: see `data_sets`.

    Raises:
        DataError: see `data_info`.
    """
    return Audited(look_for_flaws(images(data, data_dir) if isinstance(data, str) else data))


def sheet(data: ImageSet | str, file: str | Path, data_dir: str | Path | None = None) -> Path:
    """Write a contact sheet, ten random images of every class, and return its path.

    Args:
        data: its images, or its name as `data_info` takes it.
        file: the picture to write, FILE.png.
        data_dir: see `data_sets`.

    Raises:
        DataError: see `data_info`; or a file that does not end in .png or cannot be written.
    """
    from neurovisionlab.data.sheets import write_sheet

    return write_sheet(images(data, data_dir) if isinstance(data, str) else data, Path(file))


def fetch(
    name: str,
    data_dir: str | Path | None = None,
    bar: Bar = lambda path: nullcontext(_unwatched),
    tell: Callable[[Path], None] = lambda path: None,
) -> Path:
    """Download a published data set, or what is missing of it; return its folder.

    Goes on where an earlier attempt stopped.

    Args:
        name: of `data_sets`.
        data_dir: see `data_sets`.
        bar: shows how far each file is.
        tell: told of each file that has arrived.

    Raises:
        DataError: it is none that can be fetched, or no server gives it.
        ResourceError: the disk is full.
    """
    from neurovisionlab.data.fetch import downloads_of, missing, obtain

    home = DataHome.find(data_dir)
    for download in missing(name, home):
        with bar(download.path) as watch:
            paths = obtain(download, home, watch)
        for path in paths:
            tell(path)
    return (home.data_dir / downloads_of(name)[0].path).parent
