"""Arrays and published files in a control group that holds 1.3 times their data, and 300 MiB."""

from __future__ import annotations

import gzip
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from data.test_mat import mat_bytes, part, variable
from limits import Ended, run_limited

pytestmark = [pytest.mark.slow, pytest.mark.cgroup]

MIB = 1 << 20
SIDE = 64
COUNT = 192 * 1024  # images of 4 KiB: 768 MiB
IMAGE_BYTES = SIDE * SIDE

# what each image holds is known from its number, so that none can be in another's place
PIXELS = np.zeros((1024, SIDE, SIDE), np.uint8)
PIXELS[:, 0] = np.random.default_rng(0).integers(0, 256, (1024, SIDE), dtype=np.uint8)

READ = """
import sys
import numpy as np
from pathlib import Path
from neurovisionlab.core.errors import NvlError
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.sources import load
try:
    images = load(DataRef(name=sys.argv[1]), DataHome(Path(sys.argv[2]), Path(sys.argv[2])))
except NvlError as error:
    sys.exit(f"refused: {error}")
pixels, labels = images.images_NHWC, images.labels_N
print(len(pixels), *(int(pixels[i].astype(int).sum()) for i in (0, 1023, len(pixels) - 1)),
      int(labels[5]), int(labels[-1]))
"""


def images_from(first: int, count: int) -> Iterator[NDArray[np.uint8]]:
    """Yield images in pieces of 1024."""
    for start in range(first, first + count, 1024):
        yield np.roll(PIXELS, -start, 0)


def load_limited(name: str, folder: Path, data_mib: float) -> Ended:
    limit = int((1.3 * data_mib + 300) * MIB)
    return run_limited([sys.executable, "-c", READ, name, str(folder)], limit)


def write_npy(file: zipfile.ZipFile, name: str, shape: tuple[int, ...], content: object) -> None:
    with file.open(f"{name}.npy", "w", force_zip64=True) as stream:
        head = {"shape": shape, "fortran_order": False, "descr": "|u1"}
        np.lib.format.write_array_header_1_0(stream, head)
        for piece in content:
            stream.write(piece.tobytes())


def write_npz(path: Path, count: int, packing: int, first: int = 0) -> None:
    with zipfile.ZipFile(path, "w", packing, compresslevel=1) as file:
        write_npy(file, "images", (count, SIDE, SIDE), images_from(first, count))
        write_npy(file, "labels", (count,), [np.arange(first, first + count).astype(np.uint8)])
        # nobody asks for this one
        write_npy(file, "masks", (count, SIDE, SIDE), images_from(first, count))


def told(first: int, last: int, count: int) -> str:
    """Return what is to be printed of a set that ends with the image `last`."""
    sums = [int(PIXELS[i % 1024].astype(int).sum()) for i in (first, first + 1023, last)]
    return " ".join(map(str, (count, *sums, first + 5, last % 256)))


@pytest.mark.parametrize(
    ("packing", "parts"),
    [(zipfile.ZIP_STORED, 1), (zipfile.ZIP_DEFLATED, 1), (zipfile.ZIP_DEFLATED, 3)],
)
def test_npz(tmp_path: Path, packing: int, parts: int) -> None:
    count = COUNT // parts // 1024 * 1024
    for number, name in enumerate(("train", "val", "test")[:parts]):
        write_npz(tmp_path / f"{name}.npz", count, packing, number * count)
    ended = load_limited(f"npz:{tmp_path}", tmp_path, parts * count * IMAGE_BYTES / MIB)
    assert (ended.num_killed, ended.err) == (0, "")
    assert ended.out.strip() == told(0, parts * count - 1, parts * count)


def test_npz_with_a_header_of_a_gigabyte(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "train.npz", "w", zipfile.ZIP_DEFLATED) as file,
        file.open("images.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(b"\x93NUMPY\x02\0" + struct.pack("<I", 1 << 30))
        for _ in range(1024):
            stream.write(b" " * MIB)
    ended = load_limited(f"npz:{tmp_path}", tmp_path, 0)
    assert ended.num_killed == 0
    assert "a header of 1,073,741,824 bytes" in ended.err


def idx_head(*shape: int) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def write_idx(path: Path, shape: tuple[int, ...], pieces: Iterator[NDArray[np.uint8]]) -> None:
    with gzip.open(path, "wb", 1) if path.suffix == ".gz" else path.open("wb") as file:
        file.write(idx_head(*shape))
        for piece in pieces:
            file.write(piece.tobytes())


@pytest.mark.parametrize(("name", "suffix"), [("mnist", ""), ("emnist-digits", ".gz")])
def test_idx(tmp_path: Path, name: str, suffix: str) -> None:
    own = "EMNIST" if name.startswith("emnist") else "MNIST"
    raw = tmp_path / own / "raw"
    raw.mkdir(parents=True)
    files = (("train", COUNT - 1024), ("test" if own == "EMNIST" else "t10k", 1024))
    first = 0
    for part_name, count in files:
        stem = raw / (f"{name}-{part_name}" if own == "EMNIST" else part_name)
        images, labels = (f"{stem}-{kind}-ubyte{suffix}" for kind in ("images-idx3", "labels-idx1"))
        write_idx(Path(images), (count, SIDE, SIDE), images_from(first, count))
        numbers = (np.arange(first, first + count) % 10).astype(np.uint8)
        write_idx(Path(labels), (count,), iter([numbers]))
        first += count
    ended = load_limited(name, tmp_path, COUNT * IMAGE_BYTES / MIB)
    assert (ended.num_killed, ended.err) == (0, "")
    last = (COUNT - 1) % 10
    assert ended.out.split() == [*told(0, COUNT - 1, COUNT).split()[:-1], str(last)]


@pytest.mark.parametrize("packed", [False, True])
def test_a_label_file_of_256_mebi(tmp_path: Path, packed: bool) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    suffix = ".gz" if packed else ""
    for name in ("train", "t10k"):
        write_idx(raw / f"{name}-images-idx3-ubyte", (4, 28, 28), iter([np.zeros(3136, np.uint8)]))
        zeros = (np.zeros(MIB, np.uint8) for _ in range(256))
        write_idx(raw / f"{name}-labels-idx1-ubyte{suffix}", (256 * MIB,), zeros)
    ended = load_limited("mnist", tmp_path, 0)
    assert ended.num_killed == 0
    assert "expected [N, H, W] and [N], got [4, 28, 28] and [268435456]" in ended.err


def packed_mat(name: bytes, shape: tuple[int, ...], pieces: Iterator[NDArray[np.uint8]]) -> bytes:
    """Return a compressed matrix of bytes, made piece by piece."""
    import zlib

    whole = variable(name, np.zeros((0,) * len(shape), np.uint8))
    num = int(np.prod(shape))
    head = part(6, struct.pack("<2I", 9, 0)) + part(5, struct.pack(f"<{len(shape)}i", *shape))
    head += part(1, name) + struct.pack("<2I", 2, num)
    assert whole[:4] == struct.pack("<I", 14)
    squeeze = zlib.compressobj(1)
    content = [squeeze.compress(struct.pack("<2I", 14, len(head) + num) + head)]
    content += [squeeze.compress(piece.tobytes()) for piece in pieces]
    packed = b"".join([*content, squeeze.flush()])
    return struct.pack("<2I", 15, len(packed)) + packed


def plain_mat(name: bytes, shape: tuple[int, ...], pieces: Iterator[NDArray[np.uint8]]) -> bytes:
    num = int(np.prod(shape))
    head = part(6, struct.pack("<2I", 9, 0)) + part(5, struct.pack(f"<{len(shape)}i", *shape))
    head += part(1, name) + struct.pack("<2I", 2, num)
    content = b"".join(piece.tobytes() for piece in pieces)
    return struct.pack("<2I", 14, len(head) + num + -num % 8) + head + content + bytes(-num % 8)


@pytest.mark.parametrize("write", [plain_mat, packed_mat])
def test_mat(tmp_path: Path, write: Callable[..., bytes]) -> None:
    count = COUNT // 4  # images of 32 × 32 in colour: 144 MiB; three copies would not fit
    for name, num in (("train", 4 * count), ("test", 1024)):
        pixels = (one.reshape(-1)[: 1024 * 3072] for one in images_from(0, num))
        labels = [(np.arange(num) % 10 + 1).astype(np.uint8)]
        images = write(b"X", (32, 32, 3, num), pixels)
        content = mat_bytes(images, write(b"y", (num, 1), iter(labels)))
        (tmp_path / f"{name}_32x32.mat").write_bytes(content)
    ended = load_limited("svhn", tmp_path, (4 * count + 1024) * 3080 / MIB)
    assert (ended.num_killed, ended.err) == (0, "")
    shown = PIXELS.reshape(-1)[: 1024 * 3072].reshape(-1, 3072).astype(int).sum(1)
    assert ended.out.split()[:3] == [str(4 * count + 1024), str(shown[0]), str(shown[1023])]


@pytest.mark.parametrize("kind", ["a name", "a variable", "numbers"])
def test_a_mat_that_unpacks_to_two_gigabytes(tmp_path: Path, kind: str) -> None:
    zeros = (np.zeros(MIB, np.uint8) for _ in range(2048))
    if kind == "a name":
        head = part(6, struct.pack("<2I", 9, 0)) + part(5, struct.pack("<2i", 1, 1))
        content = mat_bytes(part(14, head + struct.pack("<2I", 1, 1 << 31)))
    elif kind == "a variable":
        content = mat_bytes(packed_mat(b"other", (2 * 1024, MIB), zeros))
    else:
        content = mat_bytes(
            packed_mat(b"X", (1024, 1024, 3, 683), zeros), variable(b"y", np.ones((5, 1), np.uint8))
        )
    for name in ("train", "test"):
        (tmp_path / f"{name}_32x32.mat").write_bytes(content)
    ended = load_limited("svhn", tmp_path, 0)
    assert ended.num_killed == 0
    assert "expected" in ended.err and "; try " in ended.err
