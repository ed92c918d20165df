"""Data sets: listing, downloading, reading, and searching for flaws."""

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

# takes a file's name; the context yields a callback for its progress in bytes, (done, total)
Bar = Callable[[str], AbstractContextManager[Watch]]


def _unwatched(done: int, total: int) -> None:
    """Ignore progress."""


class DataSets(tuple[DataSet, ...]):
    """The data sets known by name."""

    __slots__ = ()

    @property
    def table(self) -> Table:
        """The data sets as a table to print."""
        from neurovisionlab.out.data_sets import data_sets_table

        return data_sets_table(self)

    def _repr_html_(self) -> str:
        return tables_html([self.table])


def data_sets(data_dir: str | Path | None = None) -> DataSets:
    """Return the data sets known by name, with the way to obtain each.

    Args:
        data_dir: folder of the data sets; by default NVL_DATA, else the user's cache folder.

    Raises:
        DataError: the folder does not exist.
    """
    return DataSets(listed(DataHome.find(data_dir)))


@dataclass(frozen=True)
class DataFacts:
    """Description of a data set.

    Attributes:
        info: the description as a record.
    """

    info: DataInfo

    @property
    def lines(self) -> dict[str, str]:
        """The description as text to print: {name of the fact: line}."""
        from neurovisionlab.out.data_sets import data_set_lines

        return data_set_lines(self.info)

    def as_json(self) -> dict[str, object]:
        """Return the description as JSON-compatible values, notes in English."""
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
    """Return the size, classes, source, licence and digest of a data set.

    Args:
        name: name from `data_sets`, folder:DIR or npz:DIR.
        data_dir: see `data_sets`.
        image_px: side of the square that a folder's images are resized to; by default their own
            size.
        skip_bad: leave out unreadable images of a folder instead of stopping.

    Raises:
        DataError: the data set is unknown, missing or broken.
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
        watch: progress callback, (images read, total).

    Returns:
        The images as uint8 [N, H, W, C] with int64 labels [N] in 0..C-1, by part.

    Raises:
        DataError: see `data_info`.
    """
    return load(_ref(name, image_px, skip_bad), DataHome.find(data_dir), watch)


def _ref(name: str, image_px: int | None, skip_bad: bool) -> DataRef:
    if not name.startswith("folder:"):
        return DataRef(name=name)
    return DataRef(name=name, image_px=image_px, on_bad_image="skip" if skip_bad else "stop")


def note_lines(images: ImageSet) -> tuple[str, ...]:
    """Return the notes on how the images were read, one line each."""
    from neurovisionlab.out.said import note_text

    return tuple(map(note_text, images.provenance.notes))


@dataclass(frozen=True)
class Audited:
    """Result of a search for flaws in a data set.

    Attributes:
        audit: the result as a record.
    """

    audit: Audit

    @property
    def table(self) -> Table:
        """Number of images per class and part, as a table to print."""
        from neurovisionlab.out.data_sets import audit_table

        return audit_table(self.audit)

    @property
    def lines(self) -> tuple[str, ...]:
        """The result in sentences: counts first, then the flaws, most serious first."""
        from neurovisionlab.out.data_sets import audit_lines

        return tuple(audit_lines(self.audit))

    def as_json(self) -> dict[str, object]:
        """Return the result as JSON-compatible values, notes in English."""
        from neurovisionlab.out.said import json_of

        return json_of(self.audit)

    def _repr_html_(self) -> str:
        return paragraphs_html([(self.audit.name, self.lines)]) + tables_html([self.table])


def audit(data: ImageSet | str, data_dir: str | Path | None = None) -> Audited:
    """Search a data set for copies, contradicting labels, empty images and imbalance.

    Args:
        data: the images, or a name as in `data_info`.
        data_dir: see `data_sets`.

    Raises:
        DataError: see `data_info`.
    """
    return Audited(look_for_flaws(images(data, data_dir) if isinstance(data, str) else data))


def sheet(data: ImageSet | str, file: str | Path, data_dir: str | Path | None = None) -> Path:
    """Write a contact sheet, ten random images of every class, and return its path.

    Args:
        data: the images, or a name as in `data_info`.
        file: path of the PNG file to write.
        data_dir: see `data_sets`.

    Raises:
        DataError: see `data_info`; or the file does not end in .png or cannot be written.
    """
    from neurovisionlab.data.sheets import write_sheet

    return write_sheet(images(data, data_dir) if isinstance(data, str) else data, Path(file))


def fetch(
    name: str,
    data_dir: str | Path | None = None,
    bar: Bar = lambda path: nullcontext(_unwatched),
    tell: Callable[[Path], None] = lambda path: None,
) -> Path:
    """Download the missing files of a published data set and return its folder.

    Resumes interrupted downloads.

    Args:
        name: name from `data_sets`.
        data_dir: see `data_sets`.
        bar: context manager that shows the progress of each file.
        tell: callback for the path of each file that is complete.

    Raises:
        DataError: the data set cannot be downloaded, or no server provides it.
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
