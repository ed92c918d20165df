"""Validation of stored files: empty, truncated or altered files count as absent.

Files of a newer version of this program are refused instead, so that they are not overwritten.
"""

from __future__ import annotations

import contextlib
import json
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar

import numpy as np
import pydantic_core
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from neurovisionlab.core.errors import NvlError, StoreError, mould
from neurovisionlab.core.evaluations import Evaluation
from neurovisionlab.core.predictions import (
    Predictions,
    PredictionsByPart,
    SplitIndices,
    check_answers,
    check_predictions,
)
from neurovisionlab.core.records import EVALUATED, CellRecord
from neurovisionlab.core.spec import FILE_VERSION
from neurovisionlab.data.files import is_shortage
from neurovisionlab.lab.folder import MOST_BYTES, RunFolder

Record = TypeVar("Record", bound=BaseModel)
Read = TypeVar("Read")
Number = TypeVar("Number", bound=np.generic)
Tell = Callable[[str], None]

_MOST_HEADER_BYTES = 1 << 16
_MOST_ARRAY_BYTES = 1 << 34
_MOST_PACKED_BYTES = 1 << 30  # of a division of a data set; predictions are not packed


class DamageError(Exception):
    """A stored file is damaged and counts as absent; the text is the reason."""


class Reader:
    """Reader of a run's folder; damaged files count as absent, with one warning each."""

    def __init__(self, folder: RunFolder, tell: Tell) -> None:
        self._folder, self._tell = folder, tell
        self._told: set[Path] = set()

    def record(self, kind: type[Record], *pieces: str) -> Record | None:
        """Return the record in a file; None if the file is missing or damaged.

        Raises:
            StoreError: the record is of a newer version, or cannot be read at present.
        """
        path = self._folder.root.joinpath(*pieces)
        return self.read(lambda file: parsed(kind, file.read(MOST_BYTES), path), *pieces)

    def read(self, read: Callable[[BinaryIO], Read], *pieces: str) -> Read | None:
        """Return the result of `read` on a file; None if the file is missing or damaged.

        Raises:
            StoreError: the file cannot be read at present, for lack of memory or file descriptors.
        """
        try:
            with self._folder.opened(*pieces) as file:
                return read(file)
        except FileNotFoundError:
            return None
        except (OSError, MemoryError) as error:
            why = getattr(error, "strerror", None) or str(error) or "no memory for it"
            if is_shortage(error):
                raise StoreError(_unreadable_now(self._folder.root, why)) from None
            self.say(why, *pieces)
        except DamageError as why:
            self.say(why, *pieces)
        return None

    def say(self, why: object, *pieces: str) -> None:
        """Report that a file counts as absent, once per file."""
        path = self._folder.root.joinpath(*pieces)
        if path not in self._told:
            self._told.add(path)
            self._tell(f"damaged, counts as absent: {path} ({why})")


def _unreadable_now(root: Path, why: str) -> str:
    """Return the message for a file that may be intact: its cell must not be trained again."""
    return mould(str(root), "a folder one can read", why, "again when less runs beside it")


def parsed(kind: type[Record], content: bytes, path: Path) -> Record:
    """Parse a record from the bytes of a file.

    Raises:
        DamageError: the content is not such a record.
        StoreError: the record is of a newer version.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        _refuse_newer(content, path)
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        why = f"{where}: {first['msg']}" if where else first["msg"]
        raise DamageError("it is empty" if not content.strip(b"\0 \n") else why) from None


def _refuse_newer(content: bytes, path: Path) -> None:
    try:
        written = pydantic_core.from_json(content)
    except ValueError:
        return
    version = written.get("schema_version") if isinstance(written, dict) else None
    if isinstance(version, int) and version > FILE_VERSION:
        expected, got = f"schema {FILE_VERSION}", f"{version}, of a newer version of this program"
        raise StoreError(mould(str(path), expected, got, "that version; nothing was changed"))


def read_predictions(file: BinaryIO, record: CellRecord) -> PredictionsByPart:
    """Return what a cell answered, from its .npz, checked against its record.

    Arrays are read only if they have the size that the record implies.

    Raises:
        DamageError: the file is damaged or does not match the record.
    """
    told: PredictionsByPart = {}
    with _archive(file) as archive:
        for part in EVALUATED:
            shape = record.num_images[part], record.cell.num_classes
            told[part] = _predictions(archive, part, shape)
            check_predictions(record, part, told[part])
    return told


def read_answers(file: BinaryIO, evaluation: Evaluation) -> Predictions:
    """Return what a cell's model answered about another set, checked against its record.

    Raises:
        DamageError: another thing than such a file.
    """
    scores, info = evaluation.scores, evaluation.spec.data
    with _archive(file) as archive:
        answers = _predictions(archive, "asked", (scores.num_images, len(scores.per_class)))
        check_answers(answers, evaluation.spec.evaluation_id, sum(info.num_images.values()))
    return answers


def _predictions(archive: zipfile.ZipFile, part: str, shape: tuple[int, int]) -> Predictions:
    logits_NC = _array(archive, f"{part}_logits", np.float32, shape)
    labels_N = _array(archive, f"{part}_labels", np.int64, shape[:1])
    indices_N = _array(archive, f"{part}_indices", np.int64, shape[:1])
    return Predictions(logits_NC, labels_N, indices_N)


def read_split(file: BinaryIO) -> SplitIndices:
    """Read a stored split of a data set.

    Raises:
        DamageError: the file is damaged.
    """
    with _archive(file) as archive:
        return SplitIndices.of(
            *(_array(archive, part, np.int64, (None,)) for part in ("train", *EVALUATED))
        )


@contextlib.contextmanager
def _archive(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except MemoryError:
        raise
    except NvlError as error:
        raise DamageError(str(error)) from None
    except Exception as error:  # a damaged archive can cause any exception
        raise DamageError(f"{type(error).__name__}: {error}"[:200]) from None


def _array(
    archive: zipfile.ZipFile, name: str, kind: type[Number], shape: tuple[int | None, ...]
) -> NDArray[Number]:
    """Read an array of the given type and shape from an .npz; None in the shape is any size."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type != zipfile.ZIP_STORED and entry.file_size > _MOST_PACKED_BYTES:
        raise ValueError(f"{name} unpacks to {entry.file_size:,} bytes")
    with archive.open(entry) as member:
        version = npy.read_magic(member)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        found, is_fortran, dtype = read(member, max_header_size=_MOST_HEADER_BYTES)
        sizes = zip(found, shape, strict=True)
        if dtype != kind or any(wanted not in (size, None) for size, wanted in sizes):
            raise ValueError(f"{name} is {dtype} {list(found)}, not {list(shape)}")
        num_bytes = math.prod(found) * dtype.itemsize
        if num_bytes > _MOST_ARRAY_BYTES:
            raise ValueError(f"{name} of {num_bytes:,} bytes")
        content = member.read(num_bytes)
        if len(content) != num_bytes or member.read(1):  # reading to the end verifies the checksum
            raise ValueError(f"{name} is not {num_bytes:,} bytes long")
    order: Literal["F", "C"] = "F" if is_fortran else "C"
    return np.frombuffer(content, kind).reshape(found, order=order)


def are_weights(file: BinaryIO) -> bool:
    """Check the header of a .safetensors file: 8 bytes of length, JSON of offsets, then numbers.

    Returns True.

    Format: https://github.com/huggingface/safetensors#format

    Raises:
        DamageError: not a safetensors file, or its length does not match its header.
    """
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if not 0 < length <= size - 8:
        raise DamageError(f"{size:,} bytes, which are no weights")
    try:
        head: Mapping[str, Any] = json.loads(file.read(length))
        ends = [one["data_offsets"][1] for key, one in head.items() if key != "__metadata__"]
        wanted = 8 + length + max(ends, default=0)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise DamageError("its head cannot be read") from None
    if size != wanted:
        raise DamageError(f"{size:,} bytes of {wanted:,}")
    return True
