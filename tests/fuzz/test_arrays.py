"""Changed copies of arrays, published files and weights: read as they are, or a clear error."""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from safetensors.torch import save
from torch import nn

from data.stand_ins import home_in
from data.test_formats import idx_bytes
from data.test_mat import WAYS
from fuzz.mutations import Rng, clear_errors, mutants, rounds
from learn.test_weight_files import legacy, rewritten, zipped
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.sources import load
from neurovisionlab.learn.loading import load_into
from neurovisionlab.learn.weight_files import read
from neurovisionlab.learn.weights import WeightsFile

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
LABELS = np.arange(6) % 3


def npz(save_npz: Callable[..., None] = np.savez, **arrays: object) -> bytes:
    stream = io.BytesIO()
    save_npz(stream, **({"images": PICTURES, "labels": LABELS} | arrays))
    return stream.getvalue()


def mat(compress: bool) -> bytes:
    stream = io.BytesIO()
    content = {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((4, 1), np.uint8)}
    scipy.io.savemat(stream, content, do_compression=compress)
    return stream.getvalue()


@cache
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(model().state_dict())


def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 3))


def mutated_parts(content: bytes, rng: Rng) -> bytes:
    """Change what is inside of a zip, and leave the zip a sound one."""
    chosen = rng.random

    def change(name: str, part: bytes) -> bytes:
        return next(mutants(part, rng, 1)) if chosen() < 0.5 else part

    return rewritten(content, change)


Seeds = dict[str, list[bytes]]


@cache
def seeds() -> Seeds:
    """Return files to begin with, by the name under which they are read."""
    names = np.array(["a", "b", "き"])
    whole_idx = idx_bytes(PICTURES)
    return {
        "train.npz": [
            npz(),
            npz(np.savez_compressed, class_names=names),
            npz(labels=names[LABELS]),
            npz(images=np.asfortranarray(PICTURES), labels=np.eye(3)[LABELS]),
            npz(images=PICTURES.astype(np.float32), masks=PICTURES),
            npz(labels=np.array([None] * 6, dtype=object)),
        ],
        "train-images-idx3-ubyte": [whole_idx],
        "train-labels-idx1-ubyte": [idx_bytes(LABELS.astype(np.uint8))],
        "train-images-idx3-ubyte.gz": [gzip.compress(whole_idx, mtime=0)],
        "train_32x32.mat": [mat(False), mat(True), *WAYS.values()],
        "x.pth": [zipped(weights()), legacy(weights()), zipped({"state_dict": weights()})],
        "x.safetensors": [
            save(weights()),
            save(weights(), {"shared": '{"4.weight": "3.weight"}', "complex": '["0.bias"]'}),
        ],
    }


def read_file(name: str, content: bytes, folder: Path) -> None:
    """Read a file as a command would, with sound ones beside it."""
    home = home_in(folder)
    if name.endswith((".pth", ".safetensors")):
        path = folder / name
        path.write_bytes(content)
        load_into(model(), read(path), WeightsFile(path, "a stranger's", ""))
        return
    if name.endswith(".npz"):
        (folder / name).write_bytes(content)
        ref = DataRef(name=f"npz:{folder}")
    else:
        ref = DataRef(name="svhn" if name.endswith(".mat") else "mnist")
        write_beside(name, content, home.data_dir)
    load(ref, home)


def write_beside(name: str, content: bytes, data_dir: Path) -> None:
    raw = data_dir / ("SVHN" if name.endswith(".mat") else "MNIST/raw")
    raw.mkdir(parents=True, exist_ok=True)
    for old in raw.iterdir():
        old.unlink()
    if name.endswith(".mat"):
        (raw / "test_32x32.mat").write_bytes(mat(True))
    else:
        for part in ("train", "t10k"):
            (raw / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(PICTURES))
            labels = idx_bytes(LABELS.astype(np.uint8))
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(labels)
        (raw / name.removesuffix(".gz")).unlink()
    (raw / name).write_bytes(content)


def once(said: str, rng: Rng, folder: Path) -> None:
    """Change one file in three ways, and read each."""
    name = rng.choice(list(seeds()))
    chosen = rng.choice(seeds()[name])
    others = [one for more in seeds().values() for one in more]
    changed = list(mutants(chosen, rng, 3, others))
    if chosen[:2] == b"PK":
        changed.append(mutated_parts(chosen, rng))
    if name.endswith(".gz"):
        inside = gzip.decompress(chosen)
        changed += [gzip.compress(one, 1, mtime=0) for one in mutants(inside, rng, 2)]
    for content in changed:
        with clear_errors(f"{said}, {name}", {name: content}), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's and torch's about old files
            read_file(name, content, folder)


def test_every_seed_is_read_or_refused(tmp_path: Path) -> None:
    for name, contents in seeds().items():
        for number, content in enumerate(contents):
            with clear_errors(f"seed {number}", {name: content}):
                read_file(name, content, tmp_path)


def test_a_few_changed_arrays_end_in_clear_errors(tmp_path: Path) -> None:
    for number in range(60):
        once(f"round {number} of the few", Rng(number), tmp_path)


@pytest.mark.slow
def test_changed_arrays_end_in_clear_errors(tmp_path: Path) -> None:
    for said, rng in rounds("arrays", 35):
        once(said, rng, tmp_path)
