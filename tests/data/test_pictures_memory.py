"""Folders of huge pictures in small files, in a memory control group: read, or one clear error."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import pytest

from limits import Ended, run_limited

SIDE = 9_990  # 99,800,100 pixels, just below what is refused unopened
MIB = 1 << 20
# colour type, bits, channels as stored, channels as read
KINDS = {"RGBA": (6, 8, 4, 3), "16-bit grey": (0, 16, 1, 1), "1-bit": (0, 1, 1, 1)}


def chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(kind: str) -> bytes:
    """Return a large PNG in a few hundred KB: every row is the one above it."""
    colour, bits, channels, _ = KINDS[kind]
    num_bytes = -(-SIDE * bits * channels // 8)
    first = bytes(at // 97 % 100 for at in range(num_bytes))
    packed = zlib.compressobj(6)
    rows = [packed.compress(b"\0" + first)]
    rows += [packed.compress(b"\2" + bytes(num_bytes)) for _ in range(SIDE - 1)]
    head = struct.pack(">IIBBBBB", SIDE, SIDE, bits, colour, 0, 0, 0)
    data = b"".join((*rows, packed.flush()))
    pieces = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + pieces


def hostile_folder(folder: Path, kind: str, count: int) -> None:
    content = png(kind)
    assert len(content) < 500_000
    for number in range(count):
        path = folder / ("cat" if number % 2 else "dog") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def info(folder: Path, limit_bytes: int, *options: str) -> Ended:
    command = "from neurovisionlab.cli.app import main; main()"
    return run_limited(
        [sys.executable, "-c", command, "data", "info", f"folder:{folder}", *options], limit_bytes
    )


@pytest.mark.slow
@pytest.mark.cgroup
@pytest.mark.parametrize("kind", KINDS)
def test_twelve_huge_pictures_take_little_more_than_their_set(tmp_path: Path, kind: str) -> None:
    hostile_folder(tmp_path / "set", kind, 12)
    set_bytes = 12 * SIDE * SIDE * KINDS[kind][3]
    ended = info(tmp_path / "set", int(1.3 * set_bytes) + 300 * MIB)
    assert (ended.code, ended.num_killed) == (0, 0), ended.err


@pytest.mark.slow
@pytest.mark.cgroup
@pytest.mark.parametrize("kind", KINDS)
def test_where_one_does_not_fit_that_is_said_and_nothing_is_killed(
    tmp_path: Path, kind: str
) -> None:
    hostile_folder(tmp_path / "set", kind, 4)
    ended = info(tmp_path / "set", 300 * MIB, "--px", "16")
    assert ended.num_killed == 0
    if kind == "1-bit":
        assert ended.code == 0, ended.err
    else:
        assert ended.code == 2
        assert ".png, decoded: expected at most" in ended.err
        assert "Traceback" not in ended.err
