"""Users' own images as .npz files, one per part."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.bounds import MOST_CLASSES
from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.spec import DataRef
from neurovisionlab.core.statements import Statement
from neurovisionlab.data.formats import check_fits, empty_set
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet, Provenance, Span
from neurovisionlab.data.notes import UNUSED_ARRAYS, named, printable, some_names
from neurovisionlab.data.npz import Header, Npz, opened_npz
from neurovisionlab.data.own.array_mends import is_turned, mend_of
from neurovisionlab.data.own.labels import (
    BY_NAME,
    Labelled,
    Rows,
    by_training_names,
    check_names,
    label_notes,
    read_labels,
)
from neurovisionlab.data.own.place import OWN, PARTS, consecutive, locate

READER_VERSION = "arrays reader 3"  # cached descriptions of another reader version are recomputed
USED = ("images", "labels", "class_names")


def npz_files(folder: Path) -> dict[str, Path]:
    """Return {part: file} for the existing files among train.npz, val.npz and test.npz.

    Raises:
        DataError: train.npz is missing.
    """
    found = {part: folder / f"{part}.npz" for part in PARTS if (folder / f"{part}.npz").is_file()}
    if "train" not in found:
        raise DataError(
            mould(
                str(folder),
                "train.npz (and, as you like, val.npz, test.npz)",
                "no train.npz",
                "numpy.savez(…, images=…, labels=…)",
            )
        )
    return found


def read_npz_set(ref: DataRef, home: DataHome) -> ImageSet:
    """Read `images` [N, H, W] or [N, H, W, 1 or 3], `labels` [N], optional `class_names` [C].

    Labels of val.npz and test.npz are matched by class name: their order may differ. All headers
    are checked first; then images are read directly into the final array. Other arrays are not
    read.

    Raises:
        DataError: a key is missing, shapes or types do not fit, or parts disagree.
        ResourceError: the data set does not fit into memory.
    """
    folder = locate(ref, home)
    with contextlib.ExitStack() as stack:
        files = {
            part: stack.enter_context(opened_npz(path)) for part, path in npz_files(folder).items()
        }
        headers = [_images_header(file) for file in files.values()]
        shapes = [_shape_NHWC(one) for one in headers]
        if len({one[1:] for one in shapes}) > 1:
            got = " and ".join(str(list(one[1:])) for one in shapes)
            raise DataError(mould(str(folder), "one image shape in all parts", got, "to resize"))
        images_NHWC, labels_N = empty_set(str(folder), shapes)
        parts = consecutive({part: shape[0] for part, shape in zip(files, shapes, strict=True)})
        labelled = _labels(folder, files, parts, labels_N)
        for (part, file), header in zip(files.items(), headers, strict=True):
            first, stop = parts[part]
            file.fill("images", images_NHWC[first:stop].reshape(header.shape))
        unused = list(_unused(files))
    names = labelled[0].names
    class_names = _numbers(folder, labels_N) if names is None else names
    notes = (*label_notes(labels_N, class_names, names is not None), *unused)
    return ImageSet(
        name=ref.name,
        images_NHWC=images_NHWC,
        labels_N=labels_N,
        class_names=class_names,
        parts=parts,
        provenance=Provenance(OWN.source, OWN.licence, notes=notes),
    )


def _images_header(file: Npz) -> Header:
    images, labels = file.header("images"), file.header("labels")
    if images is None or labels is None:
        got = some_names(printable(name)[:80] for name in file.names) or "nothing"
        raise DataError(mould(str(file.path), "keys images and labels", got, "to rename them"))
    shape = images.shape
    num_labels = labels.shape[0] if labels.shape else 1
    fits = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))
    if images.dtype != np.uint8 or not fits or is_turned(shape, num_labels):
        check_fits(images.num_bytes, f"{file.path}, images")
        ends = functools.partial(file.extremes, "images")
        got, mend = mend_of(images, ends, num_labels)
        expected = "uint8 [N, H, W] or [N, H, W, 1 or 3]"
        remedy = mend or "bytes 0..255 [N, H, W, C]"
        raise DataError(mould(f"{file.path}, images", expected, got, remedy))
    if 0 in shape[1:]:
        got = f"{list(shape)}"
        raise DataError(mould(f"{file.path}, images", "at least one pixel", got, "larger images"))
    return images


def _shape_NHWC(images: Header) -> tuple[int, ...]:  # noqa: N802
    return images.shape if len(images.shape) == 4 else (*images.shape, 1)


def _labels(
    folder: Path, files: dict[str, Npz], parts: dict[str, Span], labels_N: NDArray[np.int64]
) -> list[Labelled]:
    """Store the labels of all parts in `labels_N`, as positions in one list of names."""
    labelled: list[Labelled] = []
    for part, file in files.items():
        first, stop = parts[part]
        read = read_labels(folder / f"{part}.npz", _rows(file), _class_names(file), stop - first)
        one = by_training_names(read, labelled[0] if labelled else read)
        labels_N[first:stop] = one.labels_N
        labelled.append(replace(one, labels_N=labels_N[first:stop]))
    return labelled


def _rows(file: Npz) -> Rows:
    header = file.header("labels")
    assert header is not None  # validated together with the images
    return Rows(header.shape, header.dtype, file.pieces("labels"))


def _class_names(file: Npz) -> NDArray[Any] | None:
    header = file.header("class_names")
    if header is None:
        return None
    check_names(file.path, header.shape, header.dtype)
    return np.concatenate([*file.pieces("class_names"), np.empty(0, header.dtype)])


def _unused(files: dict[str, Npz]) -> Iterator[Statement]:
    for file in files.values():
        names = [name for name in file.names if name not in USED]
        if names:
            yield named(UNUSED_ARRAYS, names, file=file.path.name)


def _numbers(folder: Path, labels_N: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the names of classes without names: their numbers."""
    # more classes than images: a label that is no class number, such as a code point
    most = min(len(labels_N), MOST_CLASSES)
    if labels_N.size and not 0 <= labels_N.min() <= labels_N.max() < most:
        got = f"{labels_N.min()}..{labels_N.max()} for {len(labels_N)} images"
        raise DataError(mould(f"{folder}, labels", "numbers from 0", got, BY_NAME))
    return tuple(str(number) for number in range(int(labels_N.max(initial=0)) + 1))
