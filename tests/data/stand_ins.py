"""Made-up files in the layout of the published sets, a few images each."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import scipy.io
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import CellSpec, DataInfo, DataRef, Split, Subset
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet, Provenance
from neurovisionlab.data.official import OFFICIAL

# where in a file (share of its length) which byte is written over
DAMAGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4)
MANY_FILES = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def damaged(content: bytes, changes: list[tuple[float, int]], keep: float) -> bytes:
    """Return a file with bytes written over, and cut in half of all cases."""
    copy = bytearray(content)
    # most headers stand at the beginning: strike there as often as anywhere
    for place, value in changes:
        reach = min(len(copy), 200) if value % 2 else len(copy)
        copy[int(place * (reach - 1))] = value
    return bytes(copy[: len(copy) if keep > 0.5 else int(2 * keep * len(copy))])


def home_in(folder: Path) -> DataHome:
    """Return a home with data and cache below `folder`."""
    return DataHome(folder / "data", folder / "cache")


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write an idx file, gzipped if its name ends in .gz."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = head + array.tobytes()
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


def write_stand_in(name: str, data_dir: Path, suffix: str = "") -> dict[str, ImageSet]:
    """Write every file of an official set; return what each part should be read as."""
    official = OFFICIAL[name]
    rng = np.random.default_rng(len(name))
    folder = data_dir / official.folders[0]
    folder.mkdir(parents=True, exist_ok=True)
    num_classes = len(official.class_names)
    parts = {}
    for number, (part, files) in enumerate(official.files.items()):
        labels_N = np.tile(np.arange(num_classes), 2 + number)
        if len(files) == 1:
            images_NHWC = rng.integers(0, 256, (len(labels_N), 32, 32, 3), dtype=np.uint8)
            stored = np.where(labels_N == 0, 10, labels_N).astype(np.uint8)[:, None]
            content = {"X": images_NHWC.transpose(1, 2, 3, 0), "y": stored}
            scipy.io.savemat(folder / files[0], content)
        else:
            images_NHWC = rng.integers(0, 256, (len(labels_N), 28, 28, 1), dtype=np.uint8)
            upright_NHW = images_NHWC[..., 0]
            stored_NHW = upright_NHW.transpose(0, 2, 1) if "emnist" in name else upright_NHW
            first = 1 if name == "emnist-letters" else 0
            write_idx(folder / (files[0] + suffix), np.ascontiguousarray(stored_NHW))
            write_idx(folder / (files[1] + suffix), (labels_N + first).astype(np.uint8))
        parts[part] = ImageSet(
            name=name,
            images_NHWC=images_NHWC,
            labels_N=labels_N,
            class_names=official.class_names,
            parts={},
            provenance=Provenance("", ""),
        )
    return parts


def made_up_set(
    counts_C: dict[str, list[int]], groups_N: NDArray[np.int64] | None = None
) -> ImageSet:
    """Return a set of 2×2 px with `counts_C[part][class]` images, in mixed order."""
    rng = np.random.default_rng(0)
    parts, labels, first = {}, [], 0
    for part, counts in counts_C.items():
        labels.append(rng.permutation(np.repeat(np.arange(len(counts)), counts)))
        parts[part] = (first, first + sum(counts))
        first += sum(counts)
    labels_N = np.concatenate(labels)
    return ImageSet(
        name="made-up",
        images_NHWC=rng.integers(0, 256, (first, 2, 2, 1), dtype=np.uint8),
        labels_N=labels_N,
        class_names=tuple("ABCDEFGHIJ"[: len(counts_C["train"])]),
        parts=parts,
        provenance=Provenance("made up", "none"),
        groups_N=groups_N,
    )


def cell_over(
    info: DataInfo,
    *,
    seed: int = 0,
    fold: int | None = None,
    val_frac: float = 0.15,
    split_seed: int = 0,
    subset: Subset = Subset(),  # noqa: B008
    **split: object,
) -> CellSpec:
    """Return a cell that divides the set as asked."""
    return CellSpec(
        data=info,
        data_ref=DataRef(name=info.name),
        model="m",
        seed=seed,
        fold=fold,
        protocol=Protocol(image_px=8, color="grey", val_frac=val_frac, split_seed=split_seed),
        subset=subset,
        split=Split.model_validate(split),
    )
