"""Is a stored file what it should be? What is empty, cut or changed counts as absent.

What a newer version of this program wrote is refused instead: it must not be overwritten.
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
from neurovisionlab.core.records import (
    EVALUATED,
    CellRecord,
    Predictions,
    PredictionsByPart,
    SplitIndices,
    check_answers,
    check_predictions,
)
from neurovisionlab.core.spec import SCHEMA_VERSION
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
    """A stored file that counts as absent; its text says why."""


class Reader:
    """Reads files of a run's folder; those that are damaged count as absent, and are said once."""

    def __init__(self, folder: RunFolder, tell: Tell) -> None:
        self._folder, self._tell = folder, tell
        self._told: set[Path] = set()

    def record(self, kind: type[Record], *pieces: str) -> Record | None:
        """Return the record in a file; None where there is none that can be read.

        Raises:
            StoreError: it is of a newer version, or cannot be read now.
        """
        path = self._folder.root.joinpath(*pieces)
        return self.read(lambda file: parsed(kind, file.read(MOST_BYTES), path), *pieces)

    def read(self, read: Callable[[BinaryIO], Read], *pieces: str) -> Read | None:
        """Return what `read` makes of a file; None where there is none or it finds damage.

        Raises:
            StoreError: it cannot be read now, for want of memory or of open files.
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
        """Say that a file counts as absent, unless that was said."""
        path = self._folder.root.joinpath(*pieces)
        if path not in self._told:
            self._told.add(path)
            self._tell(f"damaged, counts as absent: {path} ({why})")


def _unreadable_now(root: Path, why: str) -> str:
    """Return what to say of a file that may be whole: it is no reason to train a cell anew."""
    return mould(str(root), "a folder one can read", why, "again when less runs beside it")


def parsed(kind: type[Record], content: bytes, path: Path) -> Record:
    """Return the record that a file holds.

    Raises:
        DamageError: it is no such record.
        StoreError: it is one of a newer version.
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
    if isinstance(version, int) and version > SCHEMA_VERSION:
        expected, got = f"schema {SCHEMA_VERSION}", f"{version}, of a newer version of this program"
        raise StoreError(mould(str(path), expected, got, "that version; nothing was changed"))


def read_predictions(file: BinaryIO, record: CellRecord) -> PredictionsByPart:
    """Return what a cell answered, from its .npz, checked against its record.

    Nothing is read whose size is not what the record lets one expect.

    Raises:
        DamageError: another thing than such a file.
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
    """Return a stored division of a data set.

    Raises:
        DamageError: it is none.
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
    except Exception as error:  # whatever a damaged archive makes of its reader
        raise DamageError(f"{type(error).__name__}: {error}"[:200]) from None


def _array(
    archive: zipfile.ZipFile, name: str, kind: type[Number], shape: tuple[int | None, ...]
) -> NDArray[Number]:
    """Return an array of an .npz, of a type and shape that are known but for sizes of None."""
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
        if len(content) != num_bytes or member.read(1):  # at its end the checksum is compared
            raise ValueError(f"{name} is not {num_bytes:,} bytes long")
    order: Literal["F", "C"] = "F" if is_fortran else "C"
    return np.frombuffer(content, kind).reshape(found, order=order)


def are_weights(file: BinaryIO) -> bool:
    """Look at the head of a .safetensors file: 8 bytes of length, JSON of offsets, then numbers.

    Returns True.

    Format: https://github.com/huggingface/safetensors#format

    Raises:
        DamageError: it is no such file, or not as long as its head says.
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
