"""A user's own images as .npz files, one for each part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, mould
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.formats import read_npz
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.own.place import OWN, PARTS, consecutive, locate


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
        parts=consecutive({part: len(one) for part, one in zip(content, images, strict=True)}),
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
