"""A user's own images as .npz files, one for each part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.formats import read_npz
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet, Provenance
from neurovisionlab.data.own.array_mends import is_turned, mend_of
from neurovisionlab.data.own.labels import (
    BY_NAME,
    Labelled,
    by_training_names,
    label_notes,
    read_labels,
)
from neurovisionlab.data.own.place import OWN, PARTS, consecutive, locate

READER_VERSION = "arrays reader 2"  # what was known of sets that another one read is read anew

Arrays = dict[str, NDArray[Any]]


def npz_files(folder: Path) -> dict[str, Path]:
    """Return {part: file} for train.npz, val.npz and test.npz, as far as they are there.

    Raises:
        DataError: there is no train.npz.
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

    Names decide what a label of val.npz or test.npz means: they may come in another order.

    Raises:
        DataError: a key is missing, shapes or types do not fit, or parts disagree.
    """
    folder = locate(ref, home)
    content = {part: read_npz(path) for part, path in npz_files(folder).items()}
    images = [_npz_images(folder / f"{part}.npz", arrays) for part, arrays in content.items()]
    if len({one.shape[1:] for one in images}) > 1:
        shapes = " and ".join(str(list(one.shape[1:])) for one in images)
        raise DataError(mould(str(folder), "one image shape in all parts", shapes, "to resize"))
    labelled = _npz_labels(folder, content)
    labels_N = np.concatenate([part.labels_N for part in labelled])
    names = labelled[0].names
    class_names = _numbers(folder, labels_N) if names is None else names
    return ImageSet(
        name=ref.name,
        images_NHWC=np.concatenate(images),
        labels_N=labels_N,
        class_names=class_names,
        parts=consecutive({part: len(one) for part, one in zip(content, images, strict=True)}),
        provenance=Provenance(
            OWN.source, OWN.licence, notes=tuple(label_notes(labelled, class_names))
        ),
    )


def _npz_images(path: Path, arrays: Arrays) -> NDArray[np.uint8]:
    missing = [key for key in ("images", "labels") if key not in arrays]
    if missing:
        got = ", ".join(arrays) or "nothing"
        raise DataError(mould(str(path), "keys images and labels", got, "to rename them"))
    images, labels = arrays["images"], arrays["labels"]
    num_labels = len(labels) if labels.ndim else 1
    fits = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3))
    if images.dtype != np.uint8 or not fits or is_turned(images.shape, num_labels):
        got, mend = mend_of(images, num_labels)
        expected = "uint8 [N, H, W] or [N, H, W, 1 or 3]"
        raise DataError(
            mould(f"{path}, images", expected, got, mend or "bytes 0..255 [N, H, W, C]")
        )
    if 0 in images.shape[1:]:
        got = f"{list(images.shape)}"
        raise DataError(mould(f"{path}, images", "at least one pixel", got, "larger images"))
    pixels = images.astype(np.uint8, copy=False)
    return pixels[..., None] if pixels.ndim == 3 else pixels


def _npz_labels(folder: Path, content: dict[str, Arrays]) -> list[Labelled]:
    """Return the labels of all parts as positions in one list of names."""
    parts = [
        read_labels(
            folder / f"{part}.npz",
            arrays["labels"],
            arrays.get("class_names"),
            len(arrays["images"]),
        )
        for part, arrays in content.items()
    ]
    return [by_training_names(part, parts[0]) for part in parts]


def _numbers(folder: Path, labels_N: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the names of classes that have none: their numbers."""
    # more classes than images: a label that is no class number, such as a code point
    if labels_N.size and not 0 <= labels_N.min() <= labels_N.max() < len(labels_N):
        got = f"{labels_N.min()}..{labels_N.max()} for {len(labels_N)} images"
        raise DataError(mould(f"{folder}, labels", "numbers from 0", got, BY_NAME))
    return tuple(str(number) for number in range(int(labels_N.max(initial=0)) + 1))
