"""Groups of users' own images, such as writers, which stay on one side of a split."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.statements import state
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.notes import UNUSED_ROWS
from neurovisionlab.data.own.encodings import texts_of

READER_VERSION = "groups reader 2"  # cached groups of another reader version are recomputed

_COLUMNS = ("image", "group")
_DELIMITERS = ",;\t|"


class _Row(NamedTuple):
    image: str
    group: str


class _Matched(NamedTuple):
    """Rows with their images: `owners[i]` is the image of row i, None if there is none."""

    rows: Sequence[_Row]
    owners: Sequence[str | None]

    def groups(self) -> dict[str, dict[str, None]]:
        """Return {image: groups assigned to it}."""
        found: dict[str, dict[str, None]] = {}
        for row, owner in zip(self.rows, self.owners, strict=True):
            if owner is not None:
                found.setdefault(owner, {})[_clean(row.group)] = None
        return found


def read_groups(path: Path, images: list[str]) -> NDArray[np.int64]:
    """Return the group number of each image, int64 [N], from a CSV file with image, group.

    `images` are paths within the folder; for arrays, positions counted from 0, training first.
    Encoding and delimiter are detected; paths may be in Windows' form, with the folder before them,
    or in another Unicode form. Groups are numbered in the order of their names.

    Raises:
        DataError: the file or a column is missing, or an image has no group or two.
    """
    return _numbered(path, images, _match(path, images))[0]


def attach_groups(images: ImageSet, path: Path, names: list[str]) -> ImageSet:
    """Return the data set with the groups of a CSV file; `names` are as `images` in `read_groups`.

    Rows without an image are counted in the notes.

    Raises:
        DataError: see `read_groups`.
    """
    matched = _match(path, names)
    groups_N, group_names = _numbered(path, names, matched)
    unused = [r for r, owner in zip(matched.rows, matched.owners, strict=True) if owner is None]
    notes = images.provenance.notes
    if unused:
        said = state(UNUSED_ROWS, count=len(unused), table=str(path), first=unused[0].image)
        notes = (*notes, said)
    return replace(
        images,
        groups_N=groups_N,
        group_names=group_names,
        provenance=replace(images.provenance, notes=notes),
    )


def _numbered(
    path: Path, images: list[str], matched: _Matched
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the group number of each image, and the names of the groups."""
    groups = matched.groups()
    _check_one_group_each(path, groups)
    missing = [image for image in images if image not in groups]
    if missing:
        first = f"; its first row is of {matched.rows[0].image!r}" if matched.rows else ""
        got = f"none for {missing[0]} ({len(missing)} in all){first}"
        remedy = f"rows such as {missing[0]},GROUP"
        raise DataError(mould(f"split.groups {path}", "a group for each image", got, remedy))
    written: dict[str, str] = {}  # {group: the first of its spellings}
    for group in {row.image: row.group for row in matched.rows}.values():
        written[_clean(group)] = min(group, written.get(_clean(group), group))
    names = tuple(sorted(written, key=lambda name: written[name]))
    number_of = {name: number for number, name in enumerate(names)}
    numbers = [number_of[next(iter(groups[image]))] for image in images]
    return np.array(numbers, dtype=np.int64), names


def _check_one_group_each(path: Path, groups: dict[str, dict[str, None]]) -> None:
    torn = [image for image, given in groups.items() if len(given) > 1]
    if torn:
        given = " and ".join(list(groups[torn[0]])[:2])
        got = f"{given} for {torn[0]} ({len(torn)} such images in all)"
        remedy = "to leave one row of each"
        raise DataError(mould(f"split.groups {path}", "one group for each image", got, remedy))


def _match(path: Path, images: list[str]) -> _Matched:
    """Read the rows in the encoding that matches most images."""
    readings = []
    for text in texts_of(path):
        rows = [row for row in _rows(path, text) if row.group]
        readings.append(_Matched(rows, _owners(rows, images)))
        if len(readings[-1].groups()) == len(images):
            break
    return max(readings, key=lambda one: len(one.groups()))


def _rows(path: Path, text: str) -> Iterator[_Row]:
    lines = text.lstrip("\ufeff")
    delimiter = _DELIMITERS[0]
    if lines[:4].lower() == "sep=" and len(lines) > 4:  # first line written by Excel
        delimiter = lines[4]
        lines = lines.partition("\n")[2]
    else:
        delimiter = _delimiter(lines)
    try:
        table = csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter)
        header = next((row for row in table if row), [])
        image, group = _places(path, header)
        for row in table:
            if len(row) > max(image, group):
                yield _Row(row[image], row[group] if row[group].strip() else "")
    except csv.Error as error:
        raise no_table(path, f"one that is broken ({error})") from None


def _delimiter(text: str) -> str:
    """Return the delimiter of image and group in the first line, else its most frequent one."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    def fits(delimiter: str) -> tuple[bool, int]:
        try:
            header = next(csv.reader([first], delimiter=delimiter), [])
        except csv.Error:
            return False, 0
        return {_plain(name) for name in header}.issuperset(_COLUMNS), len(header)

    return max(_DELIMITERS, key=fits)


def _places(path: Path, header: list[str]) -> tuple[int, int]:
    """Return the positions of image and group in the header, ignoring case."""
    if not header:
        raise no_table(path, "an empty file")
    places = []
    for column in _COLUMNS:
        exact = [i for i, name in enumerate(header) if name == column]
        found = exact or [i for i, name in enumerate(header) if _plain(name) == column]
        if len(found) != 1:
            names = ", ".join(repr(name[:40])[1:-1] for name in header[:8])
            often = f"{column} twice in " if found else ""
            raise no_table(path, f"{often}the columns {names}")
        places.append(found[0])
    return places[0], places[1]


def no_table(path: Path, got: str) -> DataError:
    """Return the error for a file that is not a table of groups."""
    remedy = "image,group as its first line"
    return DataError(mould(f"split.groups {path}", "a CSV file with image,group", got, remedy))


def _plain(name: str) -> str:
    return name.strip().strip("\"'").strip().casefold()


def _clean(group: str) -> str:
    return unicodedata.normalize("NFC", group.strip())


def _owners(rows: Sequence[_Row], images: list[str]) -> list[str | None]:
    """Return the image of each row: by its text, by its normalised form, or below one folder."""
    exact = set(images)
    by_form: dict[str, str | None] = {}
    for image in images:
        form = _form(image)
        by_form[form] = None if form in by_form else image
    owners = [r.image if r.image in exact else by_form.get(_form(r.image)) for r in rows]
    strays = {i: _form(rows[i].image) for i, owner in enumerate(owners) if owner is None}
    below = {i: found for i, form in strays.items() if (found := _below(form, by_form))}
    if len({folder for folder, _ in below.values()}) == 1:  # else images of other folders
        for i, (_, form) in below.items():
            owners[i] = by_form[form]
    return owners


def _below(form: str, by_form: dict[str, str | None]) -> tuple[str, str] | None:
    """Return (folder, path in it) if the end of a path is an image's path; else None."""
    pieces = form.split("/")
    for cut in range(1, len(pieces)):
        tail = "/".join(pieces[cut:])
        if by_form.get(tail) is not None:
            return "/".join(pieces[:cut]), tail
    return None


def _form(image: str) -> str:
    """Return a path with forward slashes, without dots, in composed Unicode form."""
    path = unicodedata.normalize("NFC", image.strip()).replace("\\", "/")
    return "/".join(piece for piece in path.split("/") if piece not in ("", "."))
