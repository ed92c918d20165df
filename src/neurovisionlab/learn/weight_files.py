"""Safe reading of weight files of unknown origin: only tensors are read.

Pickles with code are refused; sizes announced in a file are compared with its size and the free
memory before it is read.
"""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from io import SEEK_SET, BufferedReader
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neurovisionlab.core.errors import ModelError, NvlError, ResourceError, mould, one_line
from neurovisionlab.data.budget import available_bytes
from neurovisionlab.data.files import opened
from neurovisionlab.data.zips import opened_zip
from neurovisionlab.learn.checkpoint import State, whole

# one byte of a pickle can create an empty set, of 216 bytes plus its reference
_PICKLED_RATIO = 256
_PICKLED_BYTES = 1 << 20  # always allowed: 5,000 tensors
_HEAD_BYTES = 16 << 20  # header of a .safetensors file: 100,000 tensors
_REPEATED_BYTES = 64 << 20  # of numbers stored once and repeated in tensors

_REMEDY = "a .safetensors file, or torch.save(model.state_dict(), …)"


def read(path: Path) -> State:
    """Return {name: tensor} of a .safetensors or .pth file; most tensors stay memory-mapped.

    The "state_dict" or "model" of a training checkpoint is unpacked.

    Raises:
        ModelError: the file is truncated, or holds code or objects other than plain tensors.
        ResourceError: the tensors do not fit into memory.
    """
    free_bytes = available_bytes()
    reader = _read_safetensors if path.suffix == ".safetensors" else _read_torch
    content = _sound(path, reader)
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    # a plain dict: without a version, torch fills in counters missing in older files
    tensors = dict(content) if isinstance(content, Mapping) else {}
    problem = next(_problems(content, tensors), None)
    if problem is not None:
        raise ModelError(mould(str(path), "tensors by name", problem, "model.state_dict()"))
    _check_room(path, _checked_bytes(path, tensors), free_bytes)
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def _problems(content: object, tensors: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the objects in a file that are not tensors of plain numbers."""
    if not tensors:
        yield f"a {type(content).__name__} of other things"
    for name, tensor in tensors.items():
        if not isinstance(name, str):
            yield f"a name that is no text: {name!r:.80}"
        elif not isinstance(tensor, Tensor):
            yield f"{shown(name)}, a {type(tensor).__name__}"
        elif tensor.is_meta:
            yield f"{shown(name)}, a tensor without numbers"
        elif tensor.is_nested or tensor.layout != torch.strided or tensor.is_quantized:
            kind = "quantised" if tensor.is_quantized else "nested or sparse"
            yield f"{shown(name)}, a {kind} tensor"
        elif tensor.dtype not in _PLAIN:
            yield f"{shown(name)} of {tensor.dtype}"


_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WHOLE = (torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)
_UNSIGNED = (torch.uint8, torch.uint16, torch.uint32, torch.uint64)
_PLAIN = frozenset((*_FLOATS, *_WHOLE, *_UNSIGNED, torch.complex64, torch.complex128))


def shown(name: str) -> str:
    """Return a tensor's name in printable form: it may be of unknown origin."""
    return repr(name[:80])[1:-1]


def _checked_bytes(path: Path, tensors: Mapping[str, Tensor]) -> int:
    """Return the size of tensors in bytes; refuse sizes far above that of their stored numbers."""
    told = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    storages = {one.data_ptr(): one.nbytes() for one in map(_storage, tensors.values())}
    held = min(sum(storages.values()), path.stat().st_size)
    if told > 2 * held + _REPEATED_BYTES:
        largest = max(tensors, key=lambda name: tensors[name].numel())
        got = f"{shown(largest)} {list(tensors[largest].shape)}, numbers that are repeated"
        raise ModelError(mould(str(path), "tensors as large as the file", got, _REMEDY))
    return told


def _check_room(path: Path, num_bytes: int, free_bytes: int) -> None:
    if num_bytes > free_bytes:
        expected = f"weights of at most {free_bytes / 2**20:,.0f} MiB (the free memory)"
        got = f"{num_bytes / 2**20:,.0f} MiB"
        remedy = "a file of the weights alone, a smaller model, or a larger machine"
        raise ResourceError(mould(str(path), expected, got, remedy))


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()


def _sound(path: Path, reader: Callable[[Path], Any]) -> Any:
    try:
        return reader(path)
    except NvlError:
        raise
    except pickle.UnpicklingError:
        # torch's own message suggests loading it anyway, which would run the code
        got = "a pickle that holds code or other things, or a damaged file; it was not opened"
        raise ModelError(mould(str(path), "tensors alone", got, _REMEDY)) from None
    except Exception as error:  # torch's readers may raise anything for a damaged file
        got, remedy = one_line(error), "to delete it and get it again"
        if "weights_only" in got:
            got = f"a damaged one ({type(error).__name__})"
        raise ModelError(mould(str(path), "a whole file of weights", got, remedy)) from None


# ── safetensors ──────────────────────────────────────────────────────────────────────────────


def _read_safetensors(path: Path) -> State:
    from safetensors import safe_open
    from safetensors.torch import load_file

    with opened(path) as file:
        length = int.from_bytes(file.read(8), "little")
    if length > _HEAD_BYTES:
        raise ValueError(f"a head of {length:,} bytes")
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    return whole(load_file(path), metadata)


# ── torch's own ──────────────────────────────────────────────────────────────────────────────


def _read_torch(path: Path) -> Any:
    with opened(path) as file:
        if file.read(4) == b"PK\3\4":
            _check_zip(path)
            # memory-mapped: unused numbers, such as an optimiser's, are never read, and none can
            # lie outside of the file
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        file.seek(0)
        _check_room(path, os.fstat(file.fileno()).st_size, available_bytes())
        guarded: Any = _Guarded(file)
        return torch.load(guarded, map_location="cpu", weights_only=True)


def _check_zip(path: Path) -> None:
    """Refuse compressed archives, entries larger than the file, programs, and oversized pickles.

    Raises:
        ValueError: compressed or oversized entries.
        pickle.UnpicklingError: the archive is a TorchScript program.
    """
    with opened_zip(path) as archive:
        entries = archive.infolist()
    names = {one.filename.rpartition("/")[2] for one in entries}
    if "constants.pkl" in names:  # TorchScript
        raise pickle.UnpicklingError
    packed = [one for one in entries if one.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise ValueError(f"{shown(packed[0].filename)} compressed, which torch.save never does")
    if sum(one.file_size for one in entries) > path.stat().st_size:
        raise ValueError("parts that are larger than the file")
    most = _most_pickled()
    # all entries except tensor data are read as a whole
    large = [one for one in entries if not _is_data(one) and one.file_size > most]
    if large:
        what = f"{shown(large[0].filename)} of {large[0].file_size:,} bytes"
        raise ValueError(f"{what}, more than fits into memory")


def _is_data(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.split("/")[1:-1] == ["data"]


def _most_pickled() -> int:
    return max(_PICKLED_BYTES, int(0.75 * available_bytes()) // _PICKLED_RATIO)


class _Guarded:
    """A file of torch's legacy format, with a limit on the bytes read as pickles.

    Tensor data follow the pickles, are read by `readinto`, and are limited by the file's size.
    """

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._length = os.fstat(file.fileno()).st_size
        self._left = _most_pickled()

    def read(self, size: int) -> bytes:
        """Return the next bytes of a pickle."""
        self._take(size)
        return self._file.read(size)

    def readline(self) -> bytes:
        """Return a line of a pickle."""
        line = self._file.readline(self._left + 1)
        self._take(len(line))
        return line

    def readinto(self, buffer: memoryview) -> int:
        """Read tensor data into `buffer`; return the number of bytes."""
        return self._file.readinto(buffer)

    def seek(self, place: int, whence: int = SEEK_SET) -> int:
        """Move to a position in the file."""
        return self._file.seek(place, whence)

    def tell(self) -> int:
        """Return the position in the file."""
        return self._file.tell()

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0 or size < 0 or size > self._length:
            raise ValueError("a pickle that is cut, or larger than what fits into memory")
