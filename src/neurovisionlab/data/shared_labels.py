"""Which classes two data sets share, by name."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.data.notes import some_names


class SharedLabels(NamedTuple):
    """How labels of one set become those of another.

    Attributes:
        names: of the shared classes, as the model's data set has them.
        table_C: int64, {label of the set: label of the model}; -1 where the model has no such
            class.
        respelt: names of the set that the model's has in another spelling.
    """

    names: tuple[str, ...]
    table_C: NDArray[np.int64]
    respelt: tuple[str, ...]


def shared_labels(name: str, of_set: Sequence[str], of_model: Sequence[str]) -> SharedLabels:
    """Match classes by name: first letter by letter, then whatever the case and spaces.

    A spelling is matched only where no two classes of either side become the same by it.

    Args:
        name: of the set, for the error.
        of_set: its class names, by label.
        of_model: those that the model was trained on, by label.

    Raises:
        DataError: no class is shared.
    """
    exactly = {known: label for label, known in enumerate(of_model)}
    label_of = _by_spelling(of_set, of_model) | exactly
    table_C = np.array([label_of.get(one, -1) for one in of_set], np.int64)
    shared = np.flatnonzero(table_C >= 0).tolist()
    if not shared:
        expected = f"a class of {some_names(of_model)}"
        remedy = "a set whose classes have these names"
        raise DataError(mould(f"{name}, class names", expected, some_names(of_set), remedy))
    respelt = tuple(of_set[at] for at in shared if of_set[at] != of_model[table_C[at]])
    return SharedLabels(tuple(of_model[label] for label in table_C[shared]), table_C, respelt)


def _by_spelling(of_set: Sequence[str], of_model: Sequence[str]) -> dict[str, int]:
    plain_set, plain_model = ([_plain(one) for one in names] for names in (of_set, of_model))
    counts = [Counter(names) for names in (plain_set, plain_model)]
    label_of = {plain: label for label, plain in enumerate(plain_model)}
    return {
        name: label_of[plain]
        for name, plain in zip(of_set, plain_set, strict=True)
        if all(count[plain] == 1 for count in counts)
    }


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
