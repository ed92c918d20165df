"""Labels and class names of .npz files in their various forms."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.bounds import MOST_CLASSES
from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.statements import Statement, state
from neurovisionlab.data.blocks import Array
from neurovisionlab.data.notes import LABELS_FROM, LOOK_ALIKE, NO_IMAGES, some_names

LabelArray = NDArray[np.int64]

# numbers the labels and keeps their names; parts are then matched by these names
BY_NAME = "class_names, labels = numpy.unique(labels, return_inverse=True)"


_MOST_NAMES_BYTES = 64 << 20
_LONGEST_NAME_BYTES = 1 << 16


@dataclass(frozen=True)
class Labelled:
    """Labels of one file: `labels_N` are positions in `names`, or class numbers if that is None.

    `is_text` is true if the labels themselves were names.
    """

    path: Path
    labels_N: LabelArray
    names: tuple[str, ...] | None
    is_text: bool = False


@dataclass(frozen=True)
class Rows:
    """Labels as stored in a file: shape, dtype, and the labels in pieces, to be read once."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pieces: Iterator[Array]


def read_labels(path: Path, rows: Rows, class_names: Array | None, num_images: int) -> Labelled:
    """Read labels given as numbers, as text, as a column [N, 1] or as one-hot rows [N, C].

    Raises:
        DataError: other forms of labels, names that do not match, or a number other than that of
            images.
    """
    is_column = rows.shape[1:] == (1,) * (len(rows.shape) - 1)
    num_axes = 1 if is_column and rows.shape else len(rows.shape)
    if num_axes not in (1, 2) or rows.shape[0] != num_images:
        got = f"labels {list(rows.shape)} for {num_images} images"
        raise DataError(mould(str(path), "a label for each image", got, "to make them agree"))
    names = None if class_names is None else read_names(path, class_names)
    if num_axes == 2:
        return _checked(path, _from_one_hot(path, rows), names)
    if rows.dtype.kind in "UST":
        return _from_text(path, rows, names)
    return _checked(path, _whole(path, rows), names)


def _checked(path: Path, numbers_N: LabelArray, names: tuple[str, ...] | None) -> Labelled:
    if names is not None:
        check_range(path, numbers_N, len(names))
    return Labelled(path, numbers_N, names)


def _from_one_hot(path: Path, rows: Rows) -> LabelArray:
    number = rows.dtype.kind in "biuf" and rows.shape[1] > 0
    got = f"{rows.dtype} {list(rows.shape)}"
    remedy = "labels.argmax(axis=1)" if number else "one label for each image"
    error = DataError(mould(f"{path}, labels", "whole numbers [N] or one-hot rows", got, remedy))
    if not number or rows.shape[1] > MOST_CLASSES:
        raise error
    labels_N, first = np.empty(rows.shape[0], np.int64), 0
    for rows_NC in rows.pieces:
        if not (np.isin(rows_NC, (0, 1)).all() and (rows_NC.sum(axis=1) == 1).all()):
            raise error
        labels_N[first : first + len(rows_NC)] = rows_NC.argmax(axis=1)
        first += len(rows_NC)
    return labels_N


def _from_text(path: Path, rows: Rows, names: tuple[str, ...] | None) -> Labelled:
    if rows.dtype.itemsize > _LONGEST_NAME_BYTES:
        got = f"{rows.dtype}"
        raise DataError(mould(f"{path}, labels", "names, not texts", got, "shorter names"))
    number_of = {name: number for number, name in enumerate(names or ())}
    labels_N, first = np.empty(rows.shape[0], np.int64), 0
    for piece in rows.pieces:
        for label in piece.reshape(-1).tolist():
            name = _text(path, "labels", label)
            if name not in number_of:
                _check_new(path, name, names, len(number_of))
            labels_N[first] = number_of.setdefault(name, len(number_of))
            first += 1
    if names is not None:
        return Labelled(path, labels_N, names)
    known = tuple(sorted(number_of))
    place_C = np.empty(len(known), np.int64)  # of each name, in order of appearance
    place_C[[number_of[name] for name in known]] = np.arange(len(known))
    return Labelled(path, place_C[labels_N], known, is_text=True)


def _check_new(path: Path, name: str, names: tuple[str, ...] | None, num_known: int) -> None:
    what = f"{path}, labels"
    if names is not None:
        raise DataError(mould(what, "names of class_names", repr(name[:80]), "to name that class"))
    if num_known >= MOST_CLASSES:
        raise DataError(mould(what, f"at most {MOST_CLASSES:,} classes", "more", "fewer classes"))


def _whole(path: Path, rows: Rows) -> LabelArray:
    """Return labels as int64: integers of any type, or booleans."""
    kind = rows.dtype.kind
    if kind not in "biuf":
        got = f"{rows.dtype} {list(rows.shape)}"
        raise DataError(mould(f"{path}, labels", "whole numbers [N]", got, BY_NAME))
    labels_N, first = np.empty(rows.shape[0], np.int64), 0
    for piece in rows.pieces:
        numbers_N = piece.reshape(-1)
        if kind == "f":
            _check_whole(path, numbers_N, first)
        labels_N[first : first + len(numbers_N)] = numbers_N
        first += len(numbers_N)
    return labels_N


def _check_whole(path: Path, numbers_N: Array, first: int) -> None:
    with np.errstate(invalid="ignore"):
        values_N = numbers_N.astype(np.float64)
        broken = np.flatnonzero(~(np.abs(values_N) < 2**62) | (values_N != np.floor(values_N)))
    if len(broken):
        got = f"{numbers_N[broken[0]]} at image {first + broken[0]}"
        raise DataError(mould(f"{path}, labels", "whole numbers [N]", got, "to correct that label"))


def check_range(path: Path, labels_N: LabelArray, num_classes: int) -> None:
    """Refuse labels that are not positions in the list of class names.

    Raises:
        DataError: with the first such label, or saying that labels are counted from 1.
    """
    if not labels_N.size or 0 <= labels_N.min() <= labels_N.max() < num_classes:
        return
    outside = np.flatnonzero((labels_N < 0) | (labels_N >= num_classes))
    got, remedy = f"{labels_N[outside[0]]} at image {outside[0]}", "to name every class"
    if labels_N.min() == 1 and labels_N.max() == num_classes:
        got, remedy = f"{got}: they count from 1", "labels - 1"
    expected = f"labels in 0..{num_classes - 1}"
    raise DataError(mould(f"{path}, labels", expected, got, remedy))


# ── names ────────────────────────────────────────────────────────────────────────────────────


def check_names(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse class names by their announced shape or size.

    Raises:
        DataError: another shape, too many or too long names.
    """
    what, got = f"{path}, class_names", f"{dtype} {list(shape)}"
    if len(shape) != 1 or dtype.kind == "V":
        remedy = "class_names.ravel()" if dtype.kind != "V" else "an array of text"
        raise DataError(mould(what, "a name a class [C]", got, remedy))
    if shape[0] > MOST_CLASSES or shape[0] * dtype.itemsize > _MOST_NAMES_BYTES:
        expected = f"at most {MOST_CLASSES:,} names, {_MOST_NAMES_BYTES >> 20} MiB"
        raise DataError(mould(what, expected, got, "fewer or shorter names"))


def read_names(path: Path, class_names: Array) -> tuple[str, ...]:
    """Return class names [C] as text: given as text, as UTF-8 bytes, or as numbers.

    Raises:
        DataError: bytes of another encoding, or a name given twice.
    """
    what = f"{path}, class_names"
    raw = class_names if class_names.dtype.kind == "S" else class_names.astype(str)
    names = tuple(_text(path, "class_names", name) for name in raw.tolist())
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        got = f"{twice[:80]!r} twice"
        raise DataError(mould(what, "a name a class", got, "another name for one"))
    return names


def _text(path: Path, key: str, name: str | bytes) -> str:
    """Return a name that can be encoded as UTF-8: lone surrogates are escaped."""
    try:
        text = name.decode("utf-8") if isinstance(name, bytes) else name
    except UnicodeDecodeError:
        remedy = f'numpy.char.decode({key}, "latin-1")'
        raise DataError(mould(f"{path}, {key}", "text in UTF-8", repr(name)[:60], remedy)) from None
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def label_notes(
    labels_N: LabelArray, class_names: tuple[str, ...], are_named: bool
) -> Iterator[Statement]:
    """Yield notes on the classes of a data set: classes without images, names that look alike."""
    empty = np.flatnonzero(np.bincount(labels_N, minlength=len(class_names)) == 0)
    if len(empty) and len(labels_N):
        few = some_names(class_names[number] for number in empty)
        if are_named:
            yield state(NO_IMAGES, count=len(empty), names=few)
        else:
            low, high = int(labels_N.min()), int(labels_N.max())
            yield state(LABELS_FROM, count=len(empty), names=few, low=low, high=high)
    unclear = _look_alikes(class_names)
    if unclear:
        yield state(LOOK_ALIKE, names=some_names(repr(name)[:80] for name in unclear))


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
    """Return labels of a part as positions in the training part's class names, matched by name.

    Raises:
        DataError: a name that training lacks, or names in only one of the parts.
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


def _renumbered(part: Labelled, train: Labelled, names: tuple[str, ...]) -> LabelArray:
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
