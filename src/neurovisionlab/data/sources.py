"""The table of data sets, with `describe` (cheap, cached) and `load`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from neurovisionlab.core.errors import DataError, mould, nearest
from neurovisionlab.core.spec import DataInfo, DataRef
from neurovisionlab.core.statements import state
from neurovisionlab.data.cache import agree, cached_info, cached_set, keep_info, keep_set
from neurovisionlab.data.home import DataHome, file_facts, fingerprint
from neurovisionlab.data.images import ImageSet, Provenance, regroup, shared_groups
from neurovisionlab.data.notes import SHARED_GROUPS, some_names
from neurovisionlab.data.official import (
    DIGITS,
    KANA,
    LETTERS,
    OFFICIAL,
    checksum_notes,
    files_of,
    read_official,
)
from neurovisionlab.data.own.arrays import READER_VERSION as ARRAYS_READER
from neurovisionlab.data.own.arrays import npz_files, read_npz_set
from neurovisionlab.data.own.folders import folder_facts, read_folder_set
from neurovisionlab.data.own.groups import READER_VERSION as GROUPS_READER
from neurovisionlab.data.own.groups import attach_groups
from neurovisionlab.data.own.place import locate
from neurovisionlab.data.pictures import Watch
from neurovisionlab.data.synthetic import GENERATOR_VERSION


@dataclass(frozen=True)
class Source:
    """How one kind of data set is read.

    Attributes:
        read: the reader.
        facts: lines that change whenever the content may have changed; cheap, reads no pixels.
        is_slow: reading takes longer than reading a decoded copy from disk.
        title: description in one line.
        num_images: numbers of training and test images; None if unknown before reading.
    """

    read: Callable[[DataRef, DataHome, Watch], ImageSet]
    facts: Callable[[DataRef, DataHome], Iterable[str]]
    is_slow: bool
    title: str
    num_images: tuple[int, int] | tuple[None, None] = (None, None)


def _read_digits(ref: DataRef, home: DataHome, watch: Watch) -> ImageSet:
    """Return scikit-learn's 8×8 digits (values 0..16; UCI optdigits test set) at 28 px."""
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    bytes_NHW = (bunch.images * (255 / 16)).round().astype(np.uint8)
    resize = Image.Resampling.BICUBIC
    larger = [np.asarray(Image.fromarray(one).resize((28, 28), resize)) for one in bytes_NHW]
    return ImageSet(
        name=ref.name,
        images_NHWC=np.stack(larger)[..., None],
        labels_N=bunch.target.astype(np.int64),
        class_names=tuple(str(name) for name in bunch.target_names),
        parts={"train": (0, len(larger))},
        provenance=Provenance(
            "scikit-learn's handwritten digits (UCI optdigits, 8×8), enlarged to 28 px",
            "CC BY 4.0; cite Alpaydin & Kaynak 1998",
        ),
    )


def _synthetic(name: str, title: str) -> Source:
    return Source(
        read=lambda ref, home, watch: _draw(ref.name),
        facts=lambda ref, home: (
            [f"{p} {version(p)}" for p in ("kanjivg", "Hershey-Fonts", "numpy")]
            + [f"generator {GENERATOR_VERSION}"]
        ),
        is_slow=True,
        title=f"{title} (synthetic)",
        num_images=(4_000, 1_000),
    )


def _draw(name: str) -> ImageSet:
    from neurovisionlab.data.synthetic import draw as pens

    draw, class_names = {
        "pen-letters": (pens.draw_pen_letters, LETTERS),
        "pen-kana": (pens.draw_pen_kana, KANA),
        "street-digits": (pens.draw_street_digits, DIGITS),
    }[name]
    drawn = draw()
    return ImageSet(
        name=name,
        images_NHWC=drawn.images_NHWC,
        labels_N=drawn.labels_N,
        class_names=class_names,
        parts={"train": (0, drawn.num_train), "test": (drawn.num_train, len(drawn.labels_N))},
        provenance=Provenance(
            "drawn from stroke vectors (KanjiVG, kanjivg.tagaini.net; Hershey fonts; our own)",
            "CC BY-SA 3.0 (KanjiVG, © Ulrich Apel)",
            synthetic=True,
        ),
        groups_N=drawn.writers_N,
    )


def _official(name: str) -> Source:
    return Source(
        read=lambda ref, home, watch: read_official(ref.name, home),
        facts=lambda ref, home: file_facts(files_of(ref.name, home)),
        is_slow=False,
        title=OFFICIAL[name].title,
        num_images=OFFICIAL[name].num_images,
    )


SOURCES: dict[str, Source] = {
    "digits": Source(
        read=_read_digits,
        facts=lambda ref, home: [f"scikit-learn {version('scikit-learn')}"],
        is_slow=False,
        title="scikit-learn's 1,797 real handwritten digits, at 28 px",
        num_images=(1_797, 0),
    ),
    "pen-letters": _synthetic("pen-letters", "handwritten A..Z, both cases merged, 28 px grey"),
    "pen-kana": _synthetic("pen-kana", "KMNIST's ten hiragana, 28 px grey"),
    "street-digits": _synthetic("street-digits", "house numbers 0..9, 32 px colour"),
    **{name: _official(name) for name in OFFICIAL},
}


# names "kind:DIR": users' own images
OWN_KINDS: dict[str, Source] = {
    "folder": Source(
        read=read_folder_set,
        facts=folder_facts,
        is_slow=True,
        title="a folder of pictures: train/CLASS/*.png, or CLASS/*.png",
    ),
    "npz": Source(
        read=lambda ref, home, watch: read_npz_set(ref, home),
        facts=lambda ref, home: [*file_facts(npz_files(locate(ref, home)).values()), ARRAYS_READER],
        is_slow=False,
        title="train.npz, val.npz, test.npz with images, labels, class_names",
    ),
}


def source_of(name: str) -> Source:
    """Return the source of the data set `name`.

    Raises:
        DataError: the name is neither in the table nor "folder:DIR" or "npz:DIR"; the message gives
            the most similar names.
    """
    kind, colon, _ = name.partition(":")
    found = OWN_KINDS.get(kind) if colon else SOURCES.get(name)
    if found is None:
        kinds = [f"{kind}:DIR" for kind in OWN_KINDS]
        known = kinds if colon else [*SOURCES, *kinds]
        raise DataError(
            mould("data set", "a known name", repr(name), ", ".join(nearest(name, known)))
        )
    return found


_INFO_VERSION = "info 2"  # cached descriptions of another version are recomputed


def describe(ref: DataRef, home: DataHome, watch: Watch = lambda done, total: None) -> DataInfo:
    """Return the description of a data set; instant if its files are unchanged.

    Checksums are verified here, once per state of the files.

    Raises:
        DataError: a file is missing, damaged or of another kind.
    """
    _, key = _keys(ref, home)
    info = cached_info(home, key)
    if info is None:
        info = load(ref, home, watch).info()
        if ref.name in OFFICIAL:
            notes = (*info.notes, *checksum_notes(ref.name, home))
            info = info.model_copy(update={"notes": notes})
        keep_info(home, key, info)
    return info


def load(ref: DataRef, home: DataHome, watch: Watch = lambda done, total: None) -> ImageSet:
    """Read a whole data set into memory; data sets from slow sources are cached decoded.

    Raises:
        DataError: a file is missing, damaged or of another kind.
        ResourceError: the data set does not fit into memory.
    """
    set_key, info_key = _keys(ref, home)
    images = _load(ref, home, watch, set_key)
    if not agree(home, set_key, info_key, images):
        images = _load(ref, home, watch, set_key)  # from its source: the cached entry was removed
    return images


def _load(ref: DataRef, home: DataHome, watch: Watch, key: str) -> ImageSet:
    images = cached_set(home, key) if key else None
    if images is None:
        images = source_of(ref.name).read(ref, home, watch)
        if key:
            keep_set(home, key, images)
    if ref.groups is not None and not ref.name.startswith("folder:"):  # their reader matches paths
        positions = [str(number) for number in range(len(images.labels_N))]
        images = attach_groups(images, Path(ref.groups), positions)
    return regroup(_said_shared(images), ref.labels)


def _said_shared(images: ImageSet) -> ImageSet:
    """Return the data set with a note on groups that its own parts share."""
    shared_N = shared_groups(images)
    if images.groups_N is None or not len(shared_N):
        return images
    note = state(
        SHARED_GROUPS,
        count=len(shared_N),
        total=len(np.unique(images.groups_N)),
        names=some_names(images.group_name(number) for number in shared_N),
    )
    provenance = images.provenance
    return replace(images, provenance=replace(provenance, notes=(*provenance.notes, note)))


def _keys(ref: DataRef, home: DataHome) -> tuple[str, str]:
    """Return the cache keys of the decoded images ("" for a fast source) and of the description.

    They change whenever the content may have changed. Queries every file once.
    """
    source = source_of(ref.name)
    facts, groups = list(source.facts(ref, home)), []
    if ref.groups is not None:
        path = Path(ref.groups)
        groups = file_facts([path]) if path.is_file() else [f"{path}: absent"]
        groups.append(GROUPS_READER)
    set_key = fingerprint(ref, [*facts, *groups]) if source.is_slow else ""
    return set_key, fingerprint(ref, [*facts, _INFO_VERSION, *groups])
