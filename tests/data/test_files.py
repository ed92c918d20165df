"""Files on a disk that may lose power and in folders of strangers."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from neurovisionlab.data import files


def _is_folder(number: int) -> bool:
    return stat.S_ISDIR(os.fstat(number).st_mode)


def test_a_pipe_a_device_and_a_folder_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "circle").symlink_to("circle")
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.fspath(tmp_path / "socket"))
    for name in ("pipe", "link", "circle", "socket", ".", "/dev/zero", "/dev/null"):
        with pytest.raises(OSError), files.opened(tmp_path / name):
            raise AssertionError(f"{name} was opened")
    server.close()


def test_ordinary_files_and_links_to_them_are_read_up_to_a_size(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert files.content_of(tmp_path / "link", 5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        files.content_of(tmp_path / "file", 4)


def test_a_file_is_flushed_before_its_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    flush, replace = os.fsync, Path.replace

    def noted_flush(number: int) -> None:
        order.append("folder" if _is_folder(number) else f"{os.fstat(number).st_size} bytes")
        flush(number)

    def noted_replace(self: Path, target: Path) -> Path:
        order.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_flush)
    monkeypatch.setattr(Path, "replace", noted_replace)
    files.write_whole(tmp_path / "file", b"123")
    assert order == ["3 bytes", "rename", "folder"]
    assert (tmp_path / "file").read_bytes() == b"123"


def test_what_cannot_be_written_leaves_no_draft_and_the_former_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    files.write_whole(path, b"before")

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_whole(path, b"after")
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"file": b"before"}


def test_a_link_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "file").symlink_to("victim")
    files.write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert not (tmp_path / "file").is_symlink()


def test_a_file_system_that_cannot_flush_folders_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def only_files(number: int) -> None:
        if _is_folder(number):
            raise OSError(errno.EINVAL, "Invalid argument")
        flush(number)

    monkeypatch.setattr(os, "fsync", only_files)
    files.write_whole(tmp_path / "file", b"1")
    assert (tmp_path / "file").read_bytes() == b"1"


def test_nothing_but_files_is_written_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match="no ordinary file"):
            files.write_whole(tmp_path / name, b"1")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder", "pipe"]


def test_drafts_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    names = {f".a.{gone.pid}.draft", f".a.{os.getpid()}.draft", ".a.draft", "a.1.draft", ".x"}
    for name in names:
        (tmp_path / name).write_text("")
    files.remove_drafts(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == names - {f".a.{gone.pid}.draft"}


@pytest.mark.parametrize("name", ["x" * 255, "є" * 127, ".", "a" * 200 + ".json"])
def test_the_longest_names_are_written_too(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == ".":
        with pytest.raises(OSError, match="no ordinary file"):
            files.write_whole(path, b"1")
        return
    files.write_whole(path, b"1")
    assert [one.name for one in tmp_path.iterdir()] == [name]
