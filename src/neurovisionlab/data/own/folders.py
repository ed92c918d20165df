"""Users' own images as a folder of image files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.spec import DataRef
from neurovisionlab.core.statements import Statement, state
from neurovisionlab.data import notes
from neurovisionlab.data.home import DataHome, file_facts
from neurovisionlab.data.images import ImageSet, Provenance
from neurovisionlab.data.notes import named, printable
from neurovisionlab.data.own.groups import attach_groups
from neurovisionlab.data.own.layout import Layout, arrange, unused_notes
from neurovisionlab.data.own.place import OWN, consecutive, locate
from neurovisionlab.data.own.tree import Tree, unlooked, walk
from neurovisionlab.data.pictures import SKIP_REMEDY, Decoded, Watch, decode

# incremented when the reading of folders changes, which invalidates cached data
READER_VERSION = 3


def folder_facts(ref: DataRef, home: DataHome) -> list[str]:
    """Return lines that change whenever the folder would be read differently. Opens no file."""
    folder = locate(ref, home)
    tree = walk(folder, unlooked)
    files = file_facts(folder / rel for rel in tree.files)
    return [f"reader {READER_VERSION}", *files, *tree.facts]


@dataclass(frozen=True)
class _Listed:
    """An image file to be read."""

    part: str
    class_name: str
    path: Path


def read_folder_set(
    ref: DataRef, home: DataHome, watch: Watch = lambda done, total: None
) -> ImageSet:
    """Read a folder of images; unused files are listed in the notes.

    Raises:
        DataError: see `layout.arrange` and `pictures.decode`; a folder that cannot be opened,
            unless bad images are skipped; fewer than two training classes left.
    """
    folder = locate(ref, home)
    tree = walk(folder)
    if tree.closed and (ref.on_bad_image == "stop" or "" in tree.closed):
        raise _closed_error(tree)
    layout = arrange(tree)
    listed = [
        _Listed(part, name, folder / file.rel)
        for part, files in layout.parts.items()
        for name, file in files
    ]
    num_train = len(layout.parts["train"])
    paths = [one.path for one in listed]
    decoded = decode(paths, ref.image_px, ref.on_bad_image, watch, num_train)
    kept = [listed[i] for i in decoded.kept_N]
    _check_classes_left(folder, listed, kept, len(decoded.broken))
    class_names = tuple(sorted({one.class_name for one in kept}))
    label_of = {name: number for number, name in enumerate(class_names)}
    images = ImageSet(
        name=ref.name,
        images_NHWC=decoded.images_NHWC,
        labels_N=np.array([label_of[one.class_name] for one in kept], dtype=np.int64),
        class_names=class_names,
        parts=consecutive({p: sum(one.part == p for one in kept) for p in layout.parts}),
        provenance=Provenance(
            OWN.source, OWN.licence, notes=_notes(tree, layout, decoded, (listed, kept))
        ),
    )
    if ref.groups is None:
        return images
    inside = [one.path.relative_to(folder).as_posix() for one in kept]
    return attach_groups(images, Path(ref.groups), inside)


def _closed_error(tree: Tree) -> DataError:
    rel, problem = next(iter(tree.closed.items()))
    more = f" (and {len(tree.closed) - 1} more)" if len(tree.closed) > 1 else ""
    what = printable(str(tree.root / rel))
    return DataError(mould(what, "a folder that can be opened", f"{problem}{more}", SKIP_REMEDY))


def _check_classes_left(
    folder: Path, listed: Sequence[_Listed], kept: Sequence[_Listed], num_broken: int
) -> None:
    """Refuse training data of a single class: every prediction would be right."""
    wanted = {one.class_name for one in listed if one.part == "train"}
    left = {one.class_name for one in kept if one.part == "train"}
    if len(left) < 2:
        gone = ", ".join(sorted(wanted - left)[:4])
        got = f"{len(left)}: none can be read of {gone} ({num_broken} pictures skipped)"
        raise DataError(
            mould(
                printable(str(folder)),
                "readable training pictures of two or more classes",
                got,
                "to replace the broken pictures",
            )
        )


def _notes(
    tree: Tree,
    layout: Layout,
    decoded: Decoded,
    pictures: tuple[Sequence[_Listed], Sequence[_Listed]],
) -> tuple[Statement, ...]:
    """Return notes for readers of results, most serious first."""
    listed, kept = pictures
    said = []
    if decoded.broken:
        count = len(decoded.broken)
        said.append(state(notes.SKIPPED, count=count, first=decoded.broken[0]))
    said += _class_notes(listed, kept)
    names = [one.path.relative_to(tree.root).as_posix() for one in listed]
    if decoded.multiple:
        said.append(named(notes.FRAMES, [names[at] for at in decoded.multiple]))
    said += decoded.survey.notes(names)
    return (*said, *layout.notes, *unused_notes(tree.unused))


def _class_notes(listed: Sequence[_Listed], kept: Sequence[_Listed]) -> list[Statement]:
    """Return notes on classes without any image, or without images in a part."""
    classes = {one.class_name for one in kept}
    lost = sorted({one.class_name for one in listed} - classes)
    said = [named(notes.LOST, lost)] if lost else []
    for part in dict.fromkeys(one.part for one in listed):
        absent = sorted(classes - {one.class_name for one in kept if one.part == part})
        if absent:
            said.append(named(notes.ABSENT, absent, part=part))
    return said
