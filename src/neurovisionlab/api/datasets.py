"""Data sets: which there are, getting them, looking at them, and whether to trust them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from neurovisionlab.core.errors import DataError
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.spec import DataInfo, DataRef
from neurovisionlab.data.audit import Audit
from neurovisionlab.data.audit import audit as look_for_flaws
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.official import KANA, LETTERS, OFFICIAL, files_of
from neurovisionlab.data.pictures import Watch
from neurovisionlab.data.sources import SOURCES, describe, load

# given the name of a file that is fetched: what is told of its bytes (done, total) meanwhile
Bar = Callable[[str], AbstractContextManager[Watch]]


def _unwatched(done: int, total: int) -> None:
    """Take no notice of how far something is."""


class DataSet(Frozen):
    """A data set known by name.

    Attributes:
        num_train, num_test: images; None where that is known only once it is there.
        available: whether it can be used now.
        where: where it lies, or how to get it.
    """

    name: str
    title: str
    synthetic: bool
    num_classes: int
    num_train: int | None
    num_test: int | None
    available: bool
    where: str


def data_sets(data_dir: str | Path | None = None) -> list[DataSet]:
    """Return the data sets known by name, and how to get each.

    Args:
        data_dir: where data sets lie; else NVL_DATA, else the user's cache folder.

    Raises:
        DataError: there is no such folder.
    """
    home = DataHome.find(data_dir)
    return [_listed(name, home) for name in SOURCES]


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


def data_info(
    name: str,
    data_dir: str | Path | None = None,
    image_px: int | None = None,
    skip_bad: bool = False,
) -> DataInfo:
    """Say what is known of a data set: size, classes, source, licence, digest.

    Args:
        name: of `data_sets`, folder:DIR or npz:DIR.
        data_dir: see `data_sets`.
        image_px: the square that a folder's pictures are resized to; else as they are.
        skip_bad: leave out a folder's pictures that cannot be read, instead of stopping.

    Raises:
        DataError: no such data set, or it is not there, or broken.
    """
    return describe(_ref(name, image_px, skip_bad), DataHome.find(data_dir))


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


def audit(data: ImageSet | str, data_dir: str | Path | None = None) -> Audit:
    """Search a data set for copies, contradicting labels, empty images and imbalance.

    Args:
        data: its images, or its name as `data_info` takes it.
        data_dir: see `data_sets`.

    Raises:
        DataError: see `data_info`.
    """
    return look_for_flaws(images(data, data_dir) if isinstance(data, str) else data)


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
