"""Bytes as accidents and attackers leave them, and rounds of them until the time is up.

NVL_FUZZ_SEED chooses other rounds than those of every day, NVL_FUZZ_S how long each test takes.
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from neurovisionlab.core.errors import NvlError

Rng = random.Random

# where programs that count go wrong
_NUMBERS = (0, 1, 2, 7, 8, 15, 16, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 1 << 24)
_LARGE = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE)
_HEAD_BYTES = 128  # most of what decides stands there
_SIGNATURE_BYTES = 12


def mutants(
    seed_bytes: bytes, rng: Rng, count: int, others: Sequence[bytes] = ()
) -> Iterator[bytes]:
    """Yield so many changed copies of some bytes, each changed in one to six places.

    Args:
        seed_bytes: a valid file, say.
        rng: decides everything.
        count: how many.
        others: files to splice pieces from.
    """
    for _ in range(count):
        content = bytearray(seed_bytes)
        for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
            change = rng.choice(_CHANGES)
            change(content, rng)
        if others and rng.random() < 0.1:
            content = _spliced(content, rng.choice(others), rng)
        yield bytes(content)


def rounds(name: str, seconds: float) -> Iterator[tuple[str, Rng]]:
    """Yield (what to print so that it can be repeated, what decides) until the time is up.

    Args:
        name: of the test: others decide otherwise.
        seconds: how long, unless NVL_FUZZ_S says so.
    """
    seed = os.environ.get("NVL_FUZZ_SEED", "0")
    end = time.monotonic() + float(os.environ.get("NVL_FUZZ_S", seconds))
    number = 0
    while number == 0 or time.monotonic() < end:
        yield f"NVL_FUZZ_SEED={seed}, round {number}", Rng(f"{name} {seed} {number}")
        number += 1


@contextlib.contextmanager
def clear_errors(said: str, files: Mapping[str, bytes]) -> Iterator[None]:
    """Let errors pass that are meant for users; of all others show the files that led to them.

    Raises:
        AssertionError: what was raised is a bug.
    """
    try:
        yield
    except NvlError as error:
        assert "expected" in str(error), f"no clear error in {said}: {error}"
    except Exception as error:
        shown = "\n".join(f"{name}: {_shown(content)}" for name, content in files.items())
        raise AssertionError(f"{said}: {error!r} of these files\n{shown}") from error


def _shown(content: bytes) -> str:
    """Return bytes as what `zlib.decompress(base64.b64decode(…))` makes bytes of again."""
    return base64.b64encode(zlib.compress(content, 9)).decode()


def _place(content: bytearray, rng: Rng) -> int:
    """Choose a place; mostly behind the first bytes, without which nobody reads on."""
    reach = min(len(content), _HEAD_BYTES) if rng.random() < 0.5 else len(content)
    first = _SIGNATURE_BYTES if rng.random() < 0.9 and reach > 2 * _SIGNATURE_BYTES else 0
    return rng.randrange(first, max(1, reach))


def _length(rng: Rng) -> int:
    return rng.choice((1, 2, 4, 8, rng.randrange(1, 64), rng.randrange(1, 1024)))


def _flip(content: bytearray, rng: Rng) -> None:
    if content:
        content[_place(content, rng)] ^= 1 << rng.randrange(8)


def _replace(content: bytearray, rng: Rng) -> None:
    if content:
        content[_place(content, rng)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))


def _number(content: bytearray, rng: Rng) -> None:
    """Write a number over two, four or eight bytes, in either order."""
    kind = rng.choice("HHIIIQ")
    order = rng.choice("<>")
    size = struct.calcsize(kind)
    if len(content) >= size:
        place = min(_place(content, rng), len(content) - size)
        old = struct.unpack_from(order + kind, content, place)[0]
        near = old + rng.choice((-1, 1, old, -old // 2))
        value = rng.choice((*_NUMBERS, *_LARGE, near, near, near)) % (1 << 8 * size)
        struct.pack_into(order + kind, content, place, value)


def _cut(content: bytearray, rng: Rng) -> None:
    del content[rng.randrange(len(content) + 1) :]


def _drop(content: bytearray, rng: Rng) -> None:
    place = _place(content, rng)
    del content[place : place + _length(rng)]


def _repeat(content: bytearray, rng: Rng) -> None:
    place = _place(content, rng)
    piece = content[place : place + _length(rng)]
    content[place:place] = piece * rng.choice((1, 1, 2, 50))


def _insert(content: bytearray, rng: Rng) -> None:
    place = _place(content, rng)
    content[place:place] = rng.randbytes(_length(rng))


def _blank(content: bytearray, rng: Rng) -> None:
    place, length = _place(content, rng), _length(rng)
    piece = content[place : place + length]
    content[place : place + length] = rng.choice((b"\0", b"\xff", b" ")) * len(piece)


def _swap(content: bytearray, rng: Rng) -> None:
    one, other, length = _place(content, rng), _place(content, rng), _length(rng)
    first, second = content[one : one + length], content[other : other + length]
    content[one : one + length] = second
    content[other : other + length] = first


_CHANGES: tuple[Callable[[bytearray, Rng], None], ...] = (
    *(_flip, _flip, _flip, _replace, _replace, _number, _number, _number),
    *(_cut, _drop, _repeat, _insert, _blank, _swap),
)


def _spliced(content: bytearray, other: bytes, rng: Rng) -> bytearray:
    at, cut = rng.randrange(len(content) + 1), rng.randrange(len(other) + 1)
    return content[:at] + other[cut:]
