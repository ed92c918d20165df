"""Labels and class names of .npz files: many ways of writing, one meaning, or a clear error."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.data.notes import LABELS_FROM, LOOK_ALIKE, NO_IMAGES, some_names

Labels = NDArray[np.int64]
Array = NDArray[Any]

# gives every label a number and its own name; parts are then matched by these names
BY_NAME = "class_names, labels = numpy.unique(labels, return_inverse=True)"


@dataclass(frozen=True)
class Labelled:
    """Labels of one file: `labels_N` are positions in `names`, or class numbers if that is None.

    `is_text` where the labels themselves were names.
    """

    path: Path
    labels_N: Labels
    names: tuple[str, ...] | None
    is_text: bool = False


def read_labels(path: Path, labels: Array, class_names: Array | None, num_images: int) -> Labelled:
    """Read labels as numbers, as text, as a column [N, 1] or as one-hot rows [N, C].

    Raises:
        DataError: other labels, names that do not fit them, or another count than of images.
    """
    flat = labels.reshape(len(labels)) if _is_column(labels) else labels
    if flat.ndim == 0 or len(flat) != num_images or flat.ndim > 2:
        got = f"labels {list(labels.shape)} for {num_images} images"
        raise DataError(mould(str(path), "a label for each image", got, "to make them agree"))
    names = None if class_names is None else read_names(path, class_names)
    if flat.ndim == 2:
        flat = _from_one_hot(path, flat)
    if flat.dtype.kind in "UST":
        return _from_text(path, flat, names)
    numbers_N = _whole(path, flat)
    if names is not None:
        check_range(path, numbers_N, len(names))
    return Labelled(path, numbers_N, names)


def _is_column(labels: Array) -> bool:
    return labels.ndim > 1 and labels.shape[1:] == (1,) * (labels.ndim - 1)


def _from_one_hot(path: Path, rows_NC: Array) -> Array:
    number = rows_NC.dtype.kind in "biuf" and rows_NC.shape[1] > 0
    if number and np.isin(rows_NC, (0, 1)).all() and (rows_NC.sum(axis=1) == 1).all():
        return np.asarray(rows_NC.argmax(axis=1))
    got = f"{rows_NC.dtype} {list(rows_NC.shape)}"
    remedy = "labels.argmax(axis=1)" if number else "one label for each image"
    raise DataError(mould(f"{path}, labels", "whole numbers [N] or one-hot rows", got, remedy))


def _from_text(path: Path, texts_N: Array, names: tuple[str, ...] | None) -> Labelled:
    written = [_text(path, "labels", one) for one in texts_N.tolist()]
    known = names if names is not None else tuple(sorted(set(written)))
    number_of = {name: number for number, name in enumerate(known)}
    strange = [name for name in written if name not in number_of]
    if strange:
        raise DataError(
            mould(f"{path}, labels", "names of class_names", repr(strange[0]), "to name that class")
        )
    labels_N = np.array([number_of[name] for name in written], dtype=np.int64)
    return Labelled(path, labels_N, known, is_text=names is None)


def _whole(path: Path, labels_N: Array) -> Labels:
    """Return labels as int64: whole numbers of any type, or true and false."""
    kind = labels_N.dtype.kind
    if kind in "biu":
        return labels_N.astype(np.int64)
    if kind != "f":
        got = f"{labels_N.dtype} {list(labels_N.shape)}"
        raise DataError(mould(f"{path}, labels", "whole numbers [N]", got, BY_NAME))
    with np.errstate(invalid="ignore"):
        values_N = labels_N.astype(np.float64)
        broken = np.flatnonzero(~(np.abs(values_N) < 2**62) | (values_N != np.floor(values_N)))
    if len(broken):
        got = f"{labels_N[broken[0]]} at image {broken[0]}"
        raise DataError(mould(f"{path}, labels", "whole numbers [N]", got, "to correct that label"))
    return labels_N.astype(np.int64)


def check_range(path: Path, labels_N: Labels, num_classes: int) -> None:
    """Refuse labels that are no positions in the list of class names.

    Raises:
        DataError: naming the first, or saying that labels are counted from 1.
    """
    outside = np.flatnonzero((labels_N < 0) | (labels_N >= num_classes))
    if not len(outside):
        return
    got, remedy = f"{labels_N[outside[0]]} at image {outside[0]}", "to name every class"
    if labels_N.min() == 1 and labels_N.max() == num_classes:
        got, remedy = f"{got}: they count from 1", "labels - 1"
    expected = f"labels in 0..{num_classes - 1}"
    raise DataError(mould(f"{path}, labels", expected, got, remedy))


# ── names ────────────────────────────────────────────────────────────────────────────────────


def read_names(path: Path, class_names: Array) -> tuple[str, ...]:
    """Return class names [C] as text: given as text, as its bytes in UTF-8, or as numbers.

    Raises:
        DataError: another shape, bytes of another encoding, or a name given twice.
    """
    what = f"{path}, class_names"
    if class_names.ndim != 1 or class_names.dtype.kind == "V":
        got = f"{class_names.dtype} {list(class_names.shape)}"
        remedy = "class_names.ravel()" if class_names.dtype.kind != "V" else "an array of text"
        raise DataError(mould(what, "a name a class [C]", got, remedy))
    raw = class_names if class_names.dtype.kind == "S" else class_names.astype(str)
    names = tuple(_text(path, "class_names", name) for name in raw.tolist())
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(mould(what, "a name a class", f"{twice!r} twice", "another name for one"))
    return names


def _text(path: Path, key: str, name: str | bytes) -> str:
    """Return a name that can be written as UTF-8: half a surrogate pair becomes its code."""
    try:
        text = name.decode("utf-8") if isinstance(name, bytes) else name
    except UnicodeDecodeError:
        remedy = f'numpy.char.decode({key}, "latin-1")'
        raise DataError(mould(f"{path}, {key}", "text in UTF-8", repr(name)[:60], remedy)) from None
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def label_notes(parts: list[Labelled], class_names: tuple[str, ...]) -> Iterator[str]:
    """Yield what is odd about the classes of a set: no image at all, names that look alike."""
    labels_N = np.concatenate([part.labels_N for part in parts])
    empty = np.flatnonzero(np.bincount(labels_N, minlength=len(class_names)) == 0)
    if len(empty) and len(labels_N):
        template = NO_IMAGES if parts[0].names is not None else LABELS_FROM
        yield template.english.format(
            count=len(empty),
            names=some_names(class_names[number] for number in empty),
            low=labels_N.min(),
            high=labels_N.max(),
        )
    unclear = _look_alikes(class_names)
    if unclear:
        yield LOOK_ALIKE.english.format(names=some_names(repr(name)[:80] for name in unclear))


def _look_alikes(names: tuple[str, ...]) -> list[str]:
    seen: dict[str, list[str]] = {}
    for name in names:
        visible = "".join(c for c in unicodedata.normalize("NFC", name) if c.isprintable())
        seen.setdefault(" ".join(visible.split()), []).append(name)
    return [
        name
        for plain, alike in seen.items()
        for name in alike
        if not plain or len(alike) > 1 or not name.isprintable()
    ]


# ── parts ────────────────────────────────────────────────────────────────────────────────────


def by_training_names(part: Labelled, train: Labelled) -> Labelled:
    """Return labels of a part as positions in training's class names: names decide.

    Raises:
        DataError: a name that training does not have, or names that only one of them has.
    """
    if part.names == train.names:
        return part
    if train.names is None:
        if part.names != tuple(str(number) for number in range(len(part.names or ()))):
            raise _one_sided(part, train.path, f"in {part.path.name} alone")
        return replace(part, names=None)
    if part.names is None:
        if train.is_text:
            raise _one_sided(part, part.path, f"numbers beside the text of {train.path.name}")
        check_range(part.path, part.labels_N, len(train.names))
        return replace(part, names=train.names)
    return replace(part, labels_N=_renumbered(part, train, part.names), names=train.names)


def _renumbered(part: Labelled, train: Labelled, names: tuple[str, ...]) -> Labels:
    number_of = {name: number for number, name in enumerate(train.names or ())}
    table_C = np.array([number_of.get(name, -1) for name in names], dtype=np.int64)
    labels_N = table_C[part.labels_N]
    unknown = np.flatnonzero(labels_N < 0)
    if len(unknown):
        strange = dict.fromkeys(names[label] for label in part.labels_N[unknown])
        expected = f"the class names of {train.path.name} ({some_names(number_of)})"
        got = f"{some_names(repr(name) for name in strange)} for {len(unknown)} images"
        remedy = "to name them as there or to leave them out"
        raise DataError(mould(f"{part.path}, class_names", expected, got, remedy))
    return labels_N


def _one_sided(part: Labelled, lacking: Path, got: str) -> DataError:
    remedy = f"class_names in {lacking.name}, too"
    return DataError(mould(f"{part.path}, class_names", "names in both parts", got, remedy))
