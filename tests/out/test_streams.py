"""Output that is closed, full or of another alphabet, and goes on."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from neurovisionlab.out.streams import unfailing


def _stream(number: int, encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(number, "w", closefd=False), encoding=encoding)


def test_letters_that_an_encoding_lacks_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for encoding, shown in (
        ("ascii", rb"\u2713 \xe9 \udcff"),
        ("latin-1", b"\\u2713 \xe9 \\udcff"),
    ):
        with (tmp_path / encoding).open("wb") as file:
            monkeypatch.setattr(sys, "stdout", _stream(file.fileno(), encoding))
            with unfailing() as streams:
                print("✓ é \udcff", end="")
        assert (tmp_path / encoding).read_bytes() == shown
        assert streams[0].failure is None


def test_a_reader_that_has_gone_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    monkeypatch.setattr(sys, "stdout", _stream(theirs))
    with unfailing() as streams:
        print("first")
        assert os.read(ours, 100) == b"first\n"
        os.close(ours)
        for _ in range(1000):
            print("x" * 1000)
        sys.stdout.flush()
    os.close(theirs)
    assert streams[0].failure is None


def test_a_full_disk_is_remembered_and_nothing_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stdout", _stream(full.fileno()))
        with unfailing() as streams:
            print("x" * 100_000)
            print("more")
    assert streams[0].failure is not None
    assert "No space left" in str(streams[0].failure)


def test_a_reader_that_is_slow_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    monkeypatch.setattr(sys, "stdout", _stream(theirs))
    got: list[bytes] = []

    def read() -> None:
        while piece := os.read(ours, 4096):
            got.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    with unfailing() as streams:
        print("x" * 300_000, end="")
    os.close(theirs)
    reader.join()
    os.close(ours)
    assert b"".join(got) == b"x" * 300_000  # more than the pipe holds at once
    assert streams[0].failure is None


def test_streams_that_were_closed_take_everything_and_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    own = io.StringIO()
    monkeypatch.setattr(sys, "stderr", own)
    with unfailing() as streams:
        print("✓")
        print("said", file=sys.stderr)
    assert streams == []
    assert (sys.stdout, own.getvalue()) == (None, "said\n")
