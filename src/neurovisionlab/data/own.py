"""A user's own images: a folder of pictures, or .npz files."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.formats import read_npz
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet, Part, Provenance
from neurovisionlab.data.notes import SKIPPED
from neurovisionlab.data.pictures import SUFFIXES, Watch, decode

PARTS = ("train", "val", "test")
OWN = Provenance("the user's own", "the user's own")


def locate(ref: DataRef, home: DataHome) -> Path:
    """Return the folder a "folder:DIR" or "npz:DIR" names: as typed, else below the data folder.

    Raises:
        DataError: neither exists.
    """
    written = Path(ref.name.split(":", 1)[1]).expanduser()
    for candidate in (written, home.data_dir / written):
        if candidate.is_dir():
            return candidate
    places = f"{written} or {home.data_dir / written}"
    raise DataError(mould(ref.name, f"a folder {places}", "neither", "the full path"))


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
    """Read `images` [N, H, W] or [N, H, W, 1 or 3], `labels` [N], optional `class_names`.

    Raises:
        DataError: a key is missing, shapes or types do not fit, or parts disagree.
    """
    folder = locate(ref, home)
    content = {part: read_npz(path) for part, path in npz_files(folder).items()}
    images = [_npz_images(folder / f"{part}.npz", arrays) for part, arrays in content.items()]
    if len({one.shape[1:] for one in images}) > 1:
        shapes = " and ".join(str(list(one.shape[1:])) for one in images)
        raise DataError(mould(str(folder), "one image shape in all parts", shapes, "to resize"))
    labels_N = np.concatenate([_npz_labels(folder, arrays) for arrays in content.values()])
    return ImageSet(
        name=ref.name,
        images_NHWC=np.concatenate(images),
        labels_N=labels_N,
        class_names=_npz_class_names(folder, content["train"], labels_N),
        parts=_parts({part: len(one) for part, one in zip(content, images, strict=True)}),
        provenance=OWN,
    )


def _npz_images(path: Path, arrays: dict[str, NDArray[np.generic]]) -> NDArray[np.uint8]:
    missing = [key for key in ("images", "labels") if key not in arrays]
    if missing:
        got = ", ".join(arrays) or "nothing"
        raise DataError(mould(str(path), "keys images and labels", got, "to rename them"))
    images = arrays["images"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        got = f"{images.dtype} {list(images.shape)}"
        raise DataError(
            mould(f"{path}, images", "uint8 [N, H, W] or [N, H, W, C]", got, "bytes 0..255")
        )
    if arrays["labels"].shape != images.shape[:1]:
        got = f"labels {list(arrays['labels'].shape)} for {len(images)} images"
        raise DataError(mould(str(path), "a label for each image", got, "to make them agree"))
    pixels = images.astype(np.uint8, copy=False)
    return pixels[..., None] if pixels.ndim == 3 else pixels


def _npz_labels(folder: Path, arrays: dict[str, NDArray[np.generic]]) -> NDArray[np.int64]:
    labels = arrays["labels"]
    if labels.dtype.kind not in "iu":
        got = f"{labels.dtype} {list(labels.shape)}"
        raise DataError(mould(f"{folder}, labels", "whole numbers [N]", got, "0..C-1"))
    return labels.astype(np.int64)


def _npz_class_names(
    folder: Path, arrays: dict[str, NDArray[np.generic]], labels_N: NDArray[np.int64]
) -> tuple[str, ...]:
    if "class_names" in arrays:
        names = arrays["class_names"]
        if names.ndim != 1 or len(set(names.tolist())) < len(names):
            got = str(names.tolist())[:80]
            raise DataError(mould(f"{folder}, class_names", "a name a class", got, "A, B, C"))
        return tuple(str(name) for name in names.astype(str))
    # more classes than images: a label that is no class number, such as a code point
    if labels_N.size and not 0 <= labels_N.min() <= labels_N.max() < len(labels_N):
        got = f"{labels_N.min()}..{labels_N.max()} for {len(labels_N)} images"
        raise DataError(mould(f"{folder}, labels", "numbers from 0", got, "0..C-1"))
    return tuple(str(number) for number in range(int(labels_N.max(initial=0)) + 1))


def _parts(counts: dict[str, int]) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    first = 0
    for name, count in counts.items():
        parts[name] = (first, first + count)
        first += count
    return parts


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
    return ImageSet(
        name=ref.name,
        images_NHWC=decoded.images_NHWC,
        labels_N=np.array([label_of[name] for _, name, _ in kept], dtype=np.int64),
        class_names=class_names,
        parts=_parts({part: sum(p == part for p, _, _ in kept) for part in found}),
        provenance=Provenance(OWN.source, OWN.licence, notes=notes),
        groups_N=_folder_groups(ref, folder, [path for _, _, path in kept]),
    )


def _folder_groups(ref: DataRef, folder: Path, paths: list[Path]) -> NDArray[np.int64] | None:
    if ref.groups is None:
        return None
    return read_groups(Path(ref.groups), [path.relative_to(folder).as_posix() for path in paths])


def read_groups(path: Path, images: list[str]) -> NDArray[np.int64]:
    """Return a group number for each image from a CSV file with the columns image, group.

    `images` are paths within the folder; for arrays, positions counted from 0, training first.

    Raises:
        DataError: no such file or columns, or an image without a group.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets write that mark
            rows = [(row["image"], row["group"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            mould(f"split.groups {path}", "a CSV file with image,group", repr(error), "that header")
        ) from None
    group_of = {image: group for image, group in rows if group}
    missing = [image for image in images if image not in group_of]
    if missing:
        got = f"none for {missing[0]} ({len(missing)} in all)"
        raise DataError(mould(f"split.groups {path}", "a group for each image", got, "to add it"))
    number_of = {name: number for number, name in enumerate(sorted(set(group_of.values())))}
    return np.array([number_of[group_of[image]] for image in images], dtype=np.int64)
