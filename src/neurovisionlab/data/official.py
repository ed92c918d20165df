"""The published data sets: files, checksums, orientation and class names, as literal tables.

Files are searched in torchvision's folder layout, plain or gzipped. A file whose checksum differs
from the published one is read all the same and reported in the notes: a stand-in with the same
layout must never pass for the published data set.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import string
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.statements import Statement, state
from neurovisionlab.data.files import opened
from neurovisionlab.data.formats import empty_set, fill_idx, idx_shape
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet, Provenance
from neurovisionlab.data.mat import svhn_file
from neurovisionlab.data.notes import NOT_PUBLISHED, NOT_VERIFIED
from neurovisionlab.data.own.place import consecutive

DIGITS = tuple(string.digits)
LETTERS = tuple(string.ascii_uppercase)
# Cohen et al. 2017, table II: 15 letters with similar cases are merged
BALANCED = DIGITS + LETTERS + tuple("abdefghnqrt")
KANA = tuple("おきすつなはまやれを")

EMNIST_LICENCE = "public domain (NIST SD-19); cite Cohen et al. 2017"
MNIST_LICENCE = "CC BY-SA 3.0; cite LeCun et al. 1998"
KMNIST_LICENCE = 'CC BY-SA 4.0; "KMNIST Dataset" (created by CODH), doi:10.20676/00000341'
SVHN_LICENCE = "non-commercial research; cite Netzer et al. 2011"


@dataclass(frozen=True)
class Official:
    """A published data set.

    Attributes:
        title: its description.
        folders: folders of its files below the data folder, in order of preference.
        files: {part: (images, labels)}; one file for both in SVHN's format.
        class_names: in the order of labels.
        licence: licence and citation.
        num_images: numbers of training and test images, as published.
        first_label: label of class 0 in the file.
        transposed: images are stored column by column (EMNIST's, copied from a Matlab array).
        md5: published checksums, by file name; of the file with that name: .gz or decompressed.
    """

    title: str
    folders: tuple[str, ...]
    files: Mapping[str, tuple[str, ...]]
    class_names: tuple[str, ...]
    licence: str
    num_images: tuple[int, int]
    first_label: int = 0
    transposed: bool = False
    md5: tuple[tuple[str, str], ...] = ()


def _emnist(
    split: str,
    class_names: tuple[str, ...],
    num_images: tuple[int, int],
    md5: tuple[tuple[str, str], ...] = (),
) -> Official:
    names = ("images-idx3-ubyte", "labels-idx1-ubyte")
    return Official(
        title=f"EMNIST {split}, handwritten",
        folders=("EMNIST/raw",),
        files={p: tuple(f"emnist-{split}-{p}-{name}" for name in names) for p in ("train", "test")},
        class_names=class_names,
        licence=EMNIST_LICENCE,
        num_images=num_images,
        first_label=1 if split == "letters" else 0,
        transposed=True,
        md5=md5,
    )


_IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}

OFFICIAL: dict[str, Official] = {
    "emnist-letters": _emnist(
        "letters",
        LETTERS,
        (124_800, 20_800),
        (
            ("emnist-letters-train-images-idx3-ubyte", "6b7a6cdb4e8ae8838780bb5aeda8ab2a"),
            ("emnist-letters-train-labels-idx1-ubyte", "49ecae16ee4c7ab14dcf3e8d8c39090b"),
            ("emnist-letters-test-images-idx3-ubyte", "811ee95d607652077616dbaaea581e1d"),
            ("emnist-letters-test-labels-idx1-ubyte", "dd1687ca8200da91c0dfd6321518806d"),
        ),
    ),
    "emnist-balanced": _emnist("balanced", BALANCED, (112_800, 18_800)),
    "emnist-digits": _emnist("digits", DIGITS, (240_000, 40_000)),
    "emnist-byclass": _emnist(
        "byclass", DIGITS + LETTERS + tuple(string.ascii_lowercase), (697_932, 116_323)
    ),
    "emnist-bymerge": _emnist("bymerge", BALANCED, (697_932, 116_323)),
    "emnist-mnist": _emnist("mnist", DIGITS, (60_000, 10_000)),
    "mnist": Official(
        title="MNIST, handwritten digits",
        folders=("MNIST/raw",),
        files=_IDX_FILES,
        class_names=DIGITS,
        licence=MNIST_LICENCE,
        num_images=(60_000, 10_000),
        md5=(
            ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        ),
    ),
    "kmnist": Official(
        title="KMNIST, cursive Japanese hiragana",
        folders=("KMNIST/raw",),
        files=_IDX_FILES,
        class_names=KANA,
        licence=KMNIST_LICENCE,
        num_images=(60_000, 10_000),
        md5=(
            ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
            ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
            ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
            ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
        ),
    ),
    "svhn": Official(
        title="SVHN, house numbers in street photographs",
        folders=("SVHN", "."),
        files={"train": ("train_32x32.mat",), "test": ("test_32x32.mat",)},
        class_names=DIGITS,
        licence=SVHN_LICENCE,
        num_images=(73_257, 26_032),
        md5=(
            ("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            ("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
        ),
    ),
    "svhn-extra": Official(
        title="SVHN with its 531,131 extra, easier training images",
        folders=("SVHN", "."),
        files={
            "train": ("train_32x32.mat",),
            "extra": ("extra_32x32.mat",),
            "test": ("test_32x32.mat",),
        },
        class_names=DIGITS,
        licence=SVHN_LICENCE,
        num_images=(604_388, 26_032),
        md5=(
            ("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            ("extra_32x32.mat", "a93ce644f1a588dc4d68dda5feec44a7"),
            ("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
        ),
    ),
}


def files_of(name: str, home: DataHome) -> list[Path]:
    """Return the files of a published data set, in reading order.

    Raises:
        DataError: a file is missing; the message gives its name, its folder and the command.
    """
    official = OFFICIAL[name]
    return [_find(name, file, home) for pair in official.files.values() for file in pair]


def _find(name: str, file: str, home: DataHome) -> Path:
    folders = [home.data_dir / folder for folder in OFFICIAL[name].folders]
    for folder in folders:
        for candidate in (folder / file, folder / f"{file}.gz"):
            if candidate.is_file():
                return candidate
    raise DataError(
        mould(
            name,
            f"{file} (or {file}.gz) in {folders[0]}",
            "no such file",
            f"`nvl data fetch {name}`, or --data DIR with {OFFICIAL[name].folders[0]} in it",
        )
    )


@dataclass(frozen=True)
class _Part:
    """A part of a published data set: its announced shape, and a function that reads it."""

    name: str
    shape_NHWC: tuple[int, ...]
    fill: Callable[[NDArray[np.uint8], NDArray[np.int64]], None]


def read_official(name: str, home: DataHome) -> ImageSet:
    """Read a published data set from its files: upright, labels 0..C-1.

    All headers are checked first; then each file is read directly into the final arrays.

    Raises:
        DataError: a missing, truncated or foreign file, or parts of different image sizes.
        ResourceError: the data set does not fit into memory.
    """
    official = OFFICIAL[name]
    found = [
        _part(official, part, [_find(name, file, home) for file in files])
        for part, files in official.files.items()
    ]
    if len({one.shape_NHWC[1:] for one in found}) > 1:
        got = " and ".join(str(list(one.shape_NHWC[1:])) for one in found)
        raise DataError(mould(name, "one image shape in all parts", got, "the official files"))
    images_NHWC, labels_N = _read(name, found)
    counts: dict[str, int] = {}
    for one in found:
        # extra images are for training as well: parts are consecutive, training first
        own = "train" if one.name == "extra" else one.name
        counts[own] = counts.get(own, 0) + one.shape_NHWC[0]
    return ImageSet(
        name=name,
        images_NHWC=images_NHWC,
        labels_N=labels_N,
        class_names=official.class_names,
        parts=consecutive(counts),
        provenance=Provenance(official.title, official.licence),
    )


def _read(name: str, found: list[_Part]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images_NHWC, labels_N = empty_set(name, [one.shape_NHWC for one in found])
    first = 0
    for one in found:
        stop = first + one.shape_NHWC[0]
        one.fill(images_NHWC[first:stop], labels_N[first:stop])
        first = stop
    return images_NHWC, labels_N


def _part(official: Official, name: str, paths: list[Path]) -> _Part:
    if len(paths) == 1:
        file = svhn_file(paths[0])
        return _Part(name, (file.num_images, *file.image_shape), file.fill)
    pictures, numbers = idx_shape(paths[0]), idx_shape(paths[1])
    if len(pictures) != 3 or numbers != pictures[:1]:
        got = f"{list(pictures)} and {list(numbers)}"
        what = f"{paths[0]} and its labels"
        raise DataError(mould(what, "[N, H, W] and [N]", got, "to fetch again"))
    num, height, width = pictures
    shape = (num, width, height, 1) if official.transposed else (num, height, width, 1)
    return _Part(name, shape, functools.partial(_fill_idx_pair, official, paths))


def _fill_idx_pair(
    official: Official,
    paths: list[Path],
    images_NHWC: NDArray[np.uint8],
    labels_N: NDArray[np.int64],
) -> None:
    pictures_NHW = images_NHWC[..., 0]
    fill_idx(paths[0], pictures_NHW.transpose(0, 2, 1) if official.transposed else pictures_NHW)
    numbers_N = np.empty(len(labels_N), np.uint8)
    fill_idx(paths[1], numbers_N)
    labels_N[:] = numbers_N
    labels_N -= official.first_label


def checksum_notes(name: str, home: DataHome) -> tuple[Statement, ...]:
    """Return a note per file with a wrong checksum, and one note on files of unknown checksum."""
    published = dict(OFFICIAL[name].md5)
    notes, unknown = [], []
    for path in files_of(name, home):
        if path.name in published:
            is_published = md5_of(path) == published[path.name]
        elif path.suffix == ".gz" and path.stem in published:
            is_published = md5_unpacked(path) == published[path.stem]
        else:
            unknown.append(path.name)
            continue
        if not is_published:
            notes.append(state(NOT_PUBLISHED, name=path.name))
    if unknown:
        notes.append(state(NOT_VERIFIED, names=tuple(unknown)))
    return tuple(notes)


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, the checksum published with these data sets."""
    with opened(path) as file:
        return hashlib.file_digest(file, _new_md5).hexdigest()


def md5_unpacked(path: Path) -> str | None:
    """Return the MD5 of the decompressed content of a .gz file; None if it is damaged."""
    try:
        with opened(path) as file, gzip.open(file) as unpacked:
            return hashlib.file_digest(unpacked, _new_md5).hexdigest()
    except (OSError, EOFError, zlib.error):
        return None


def _new_md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)
