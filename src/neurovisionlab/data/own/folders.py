"""A user's own images as a folder of pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet, Provenance
from neurovisionlab.data.notes import SKIPPED
from neurovisionlab.data.own.groups import attach_groups
from neurovisionlab.data.own.place import OWN, PARTS, consecutive, locate
from neurovisionlab.data.pictures import SUFFIXES, Watch, decode


def picture_files(folder: Path) -> dict[str, list[tuple[str, Path]]]:
    """Return {part: [(class name, file), …]} of a folder of pictures, sorted.

    `train/CLASS/*.png` with optional `val/` and `test/`, or one level, `CLASS/*.png`.

    Raises:
        DataError: no classes, a symbolic link out of the folder, or a class unknown to training.
    """
    parted = (folder / "train").is_dir()
    roots = {p: folder / p for p in PARTS if (folder / p).is_dir()} if parted else {"train": folder}
    found = {part: _classes_below(root, folder) for part, root in roots.items()}
    trained = {name for name, _ in found["train"]}
    if len(trained) < 2:
        got = f"{len(trained)} classes with pictures"
        raise DataError(
            mould(
                str(folder), "two or more folders, one a class, with pictures", got, "CLASS/*.png"
            )
        )
    for part, files in found.items():
        strange = sorted({name for name, _ in files} - trained)
        if strange:
            got = f"{', '.join(strange)} in {part}/ alone"
            raise DataError(mould(str(folder), "the classes of train/", got, "to add or remove it"))
    return found


def _classes_below(root: Path, folder: Path) -> list[tuple[str, Path]]:
    home = folder.resolve()
    files: list[tuple[str, Path]] = []
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    for name in (name for name in names if not name.startswith(".")):
        for path in sorted((root / name).rglob("*")):
            hidden = any(piece.startswith(".") for piece in path.relative_to(root).parts)
            if path.suffix.lower() not in SUFFIXES or hidden:
                continue
            if not path.resolve().is_relative_to(home):
                got = f"{path}, a link out of it"
                raise DataError(mould(str(folder), "pictures inside the folder", got, "a copy"))
            files.append((name, path))
    return files


def read_folder_set(
    ref: DataRef, home: DataHome, watch: Watch = lambda done, total: None
) -> ImageSet:
    """Read a folder of pictures; what was skipped stands in the set's notes.

    Raises:
        DataError: see `picture_files` and `pictures.decode`.
    """
    folder = locate(ref, home)
    found = picture_files(folder)
    listed = [(part, name, path) for part, files in found.items() for name, path in files]
    decoded = decode([path for _, _, path in listed], ref.image_px, ref.on_bad_image, watch)
    kept = [listed[i] for i in decoded.kept_N]
    class_names = tuple(sorted({name for _, name, _ in kept}))
    label_of = {name: number for number, name in enumerate(class_names)}
    skipped = len(decoded.broken)
    notes: tuple[str, ...] = ()
    if skipped:
        notes = (SKIPPED.english.format(count=skipped, first=decoded.broken[0]),)
    images = ImageSet(
        name=ref.name,
        images_NHWC=decoded.images_NHWC,
        labels_N=np.array([label_of[name] for _, name, _ in kept], dtype=np.int64),
        class_names=class_names,
        parts=consecutive({part: sum(p == part for p, _, _ in kept) for part in found}),
        provenance=Provenance(OWN.source, OWN.licence, notes=notes),
    )
    if ref.groups is None:
        return images
    names = [path.relative_to(folder).as_posix() for _, _, path in kept]
    return attach_groups(images, Path(ref.groups), names)
