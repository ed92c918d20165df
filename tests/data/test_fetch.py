"""Downloads against a server on this machine that cuts, lies, stalls and forgets."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import filelock
import numpy as np
import pytest

from neurovisionlab.core.errors import DataError, ResourceError
from neurovisionlab.data.fetch import Download, Patience, downloads_of, missing, obtain
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.official import OFFICIAL

BODY = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
QUICK = Patience(timeout_s=5, attempts=2, backoff_s=0.001)


@dataclass
class Site:
    """What the server serves, how it behaves, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: int | None = None  # bytes per answer
    knows_ranges: bool = True
    says_length: bool = True
    stall_s: float = 0.0
    failures: list[int] = field(default_factory=list)  # codes of the next answers
    asked: list[tuple[str, str | None]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        site = self.site
        asked_range = self.headers.get("Range")
        site.asked.append((self.path, asked_range))
        time.sleep(site.stall_s)
        if site.failures:
            self.send_error(site.failures.pop(0))
            return
        body = site.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        first = 0
        if asked_range and site.knows_ranges:
            first = int(asked_range.removeprefix("bytes=").removesuffix("-"))
            if first >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        if site.says_length:
            self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        stop = len(body) if site.cut_after is None else first + site.cut_after
        self.wfile.write(body[first:stop])


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()
    handler = type("Own", (Handler,), {"site": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    served.url = f"http://127.0.0.1:{server.server_port}"
    served.files["/a.bin"] = BODY
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def home(tmp_path: Path) -> DataHome:
    return DataHome(tmp_path / "data", tmp_path / "cache")


def one(site: Site, *paths: str) -> Download:
    return Download("X/raw/a.bin", tuple(site.url + path for path in paths or ("/a.bin",)), MD5)


def test_arrives_whole_with_progress(site: Site, home: DataHome) -> None:
    seen: list[tuple[int, int]] = []
    paths = obtain(one(site), home, lambda done, total: seen.append((done, total)), QUICK)
    assert paths == [home.data_dir / "X/raw/a.bin"]
    assert paths[0].read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert [path.name for path in paths[0].parent.iterdir()] == ["a.bin"]


def test_cut_connections_go_on_where_they_stopped(site: Site, home: DataHome) -> None:
    site.cut_after = 70_000
    (path,) = obtain(one(site), home, patience=QUICK)
    assert path.read_bytes() == BODY
    starts = [asked for _, asked in site.asked]
    assert starts == [None, *(f"bytes={n}-" for n in (70_000, 140_000, 210_000, 280_000))]


def test_goes_on_after_an_earlier_run(site: Site, home: DataHome) -> None:
    site.cut_after, site.failures = 100_000, []
    with pytest.raises(DataError, match="503"):
        site_down = replace_failures(site)
        obtain(one(site_down), home, patience=replace(QUICK, attempts=1))
    part = home.data_dir / "X/raw/a.bin.part"
    part.write_bytes(BODY[:123])
    site.cut_after = None
    obtain(one(site), home, patience=QUICK)
    assert site.asked[-1] == ("/a.bin", "bytes=123-")
    assert not part.exists()


def replace_failures(site: Site) -> Site:
    site.failures = [503]
    return site


def test_a_server_without_range_starts_anew(site: Site, home: DataHome) -> None:
    site.knows_ranges = False
    part = home.data_dir / "X/raw/a.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"old" * 1000)
    (path,) = obtain(one(site), home, patience=QUICK)
    assert path.read_bytes() == BODY
    assert len(site.asked) == 1


def test_a_foreign_beginning_is_thrown_away(site: Site, home: DataHome) -> None:
    part = home.data_dir / "X/raw/a.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"junk" * 1000)
    (path,) = obtain(one(site), home, patience=QUICK)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("extra", [b"", b"more than the file has"])
def test_a_full_part_is_taken_or_replaced(site: Site, home: DataHome, extra: bytes) -> None:
    part = home.data_dir / "X/raw/a.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BODY + extra)
    (path,) = obtain(one(site), home, patience=QUICK)
    assert path.read_bytes() == BODY


def test_without_a_length_the_total_is_unknown(site: Site, home: DataHome) -> None:
    site.says_length = False
    seen: list[tuple[int, int]] = []
    (path,) = obtain(one(site), home, lambda done, total: seen.append((done, total)), QUICK)
    assert path.read_bytes() == BODY
    assert {total for _, total in seen} == {0}


def test_a_wrong_checksum_leaves_nothing(site: Site, home: DataHome) -> None:
    site.files["/a.bin"] = b"something else"
    with pytest.raises(DataError, match=rf"a\.bin: expected .*wrong checksum .*{MD5}.*; try "):
        obtain(one(site), home, patience=QUICK)
    assert list((home.data_dir / "X/raw").iterdir()) == []


def test_the_second_source_serves_what_the_first_lacks(site: Site, home: DataHome) -> None:
    (path,) = obtain(one(site, "/gone", "/a.bin"), home, patience=QUICK)
    assert path.read_bytes() == BODY
    assert [asked for asked, _ in site.asked] == ["/gone", "/a.bin"]  # a 404 is not asked twice


def test_the_second_source_mends_what_the_first_spoils(site: Site, home: DataHome) -> None:
    site.files["/bad"] = b"<html>log in first</html>"
    (path,) = obtain(one(site, "/bad", "/a.bin"), home, patience=QUICK)
    assert path.read_bytes() == BODY


def test_every_source_is_named_when_none_serves(site: Site, home: DataHome) -> None:
    with pytest.raises(DataError, match=r"2 sources.*/gone: 404.*/lost: 404.*; try "):
        obtain(one(site, "/gone", "/lost"), home, patience=QUICK)


def test_a_busy_server_is_asked_again(site: Site, home: DataHome) -> None:
    site.failures = [503, 429]
    (path,) = obtain(one(site), home, patience=replace(QUICK, attempts=3))
    assert path.read_bytes() == BODY
    assert len(site.asked) == 3


def test_silence_ends_in_a_time_out(site: Site, home: DataHome) -> None:
    site.stall_s = 0.5
    with pytest.raises(DataError, match="no answer in time"):
        obtain(one(site), home, patience=replace(QUICK, timeout_s=0.05))
    assert len(site.asked) == QUICK.attempts


def test_no_network(home: DataHome) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    download = Download("X/a.bin", (f"http://127.0.0.1:{port}/a.bin",), MD5)
    with pytest.raises(DataError, match="no connection"):
        obtain(download, home, patience=QUICK)


def test_a_full_disk_is_told_before_the_download(
    site: Site, home: DataHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(home.data_dir.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(ResourceError, match="room"):
        obtain(one(site), home, patience=QUICK)


def test_a_disk_that_fills_up_meanwhile(
    site: Site, home: DataHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watch(done: int, total: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ResourceError, match="room"):
        obtain(one(site), home, watch, QUICK)


def test_a_file_where_a_folder_belongs(site: Site, home: DataHome) -> None:
    home.data_dir.write_text("not a folder")
    with pytest.raises(DataError, match="--data DIR"):
        obtain(one(site), home, patience=QUICK)


def test_two_at_a_time_are_refused(site: Site, home: DataHome) -> None:
    home.cache_dir.mkdir()
    lock = filelock.FileLock(home.cache_dir / "fetch.lock", thread_local=False)
    with lock, pytest.raises(DataError, match="another at work"):
        obtain(one(site), home, patience=QUICK)


def zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"gzip/{name}", content)
    return buffer.getvalue()


def test_only_the_wanted_split_of_an_archive_is_unpacked(site: Site, home: DataHome) -> None:
    (published,) = downloads_of("emnist-balanced")
    others = ("emnist-mnist-test-labels-idx1-ubyte.gz",)
    body = zip_of({name: gzip.compress(name.encode()) for name in (*published.wanted, *others)})
    site.files["/gzip.zip"] = body
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    download = replace(published, urls=(f"{site.url}/gzip.zip",), md5=md5)
    paths = obtain(download, home, patience=QUICK)
    raw = home.data_dir / "EMNIST/raw"
    assert sorted(path.name for path in paths) == sorted(published.wanted)
    assert {path.name for path in raw.iterdir()} == {"gzip.zip", *published.wanted}
    assert gzip.decompress(paths[0].read_bytes()).decode() == paths[0].name
    # a second time nothing is fetched; another split comes out of the archive that is there
    assert missing("emnist-balanced", home, (download,)) == []
    obtain(replace(download, wanted=others), home, patience=QUICK)
    assert (raw / others[0]).is_file()
    assert len(site.asked) == 1


def test_an_archive_without_the_wanted_file(site: Site, home: DataHome) -> None:
    site.files["/a.bin"] = body = zip_of({"other.gz": b""})
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    with pytest.raises(DataError, match=r"a zip with wanted\.gz"):
        obtain(replace(one(site), md5=md5, wanted=("wanted.gz",)), home, patience=QUICK)


def test_sound_files_are_left_and_others_replaced(
    site: Site, home: DataHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = downloads_of("mnist")[:2]
    mine = tuple(replace(one(site), path=d.path) for d in (first, second))
    published = tuple((Path(d.path).name, MD5) for d in mine)
    monkeypatch.setitem(OFFICIAL, "mnist", replace(OFFICIAL["mnist"], md5=published))
    for download, content in zip(mine, (BODY, b"another file"), strict=True):
        (home.data_dir / download.path).parent.mkdir(parents=True, exist_ok=True)
        (home.data_dir / download.path).write_bytes(content)
    assert missing("mnist", home, mine) == [mine[1]]
    assert obtain(mine[1], home, patience=QUICK) == [home.data_dir / second.path]
    assert missing("mnist", home, mine) == []
    assert (home.data_dir / second.path).read_bytes() == BODY
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("digits", "is embedded|embedded, needs no fetching"),
        ("pen-letters", "embedded, needs no fetching"),
        ("folder:letters", "your own"),
        ("emnist-leters", "unknown name; try emnist-letters"),
    ],
)
def test_names_that_cannot_be_fetched(name: str, words: str, home: DataHome) -> None:
    with pytest.raises(DataError, match=words):
        missing(name, home)


@pytest.mark.parametrize("name", list(OFFICIAL))
def test_every_published_set_has_its_files_and_checksums(name: str) -> None:
    downloads = downloads_of(name)
    files = [f for d in downloads for f in d.wanted or (Path(d.path).name,)]
    expected = [file for pair in OFFICIAL[name].files.values() for file in pair]
    assert [file.removesuffix(".gz") for file in files] == expected
    assert all(len(d.md5) == 32 and d.urls for d in downloads)
    assert all(url.endswith(Path(d.path).name) for d in downloads for url in d.urls)


def test_real_files_that_are_complete_need_no_network(real_data: Path, tmp_path: Path) -> None:
    assert missing("emnist-letters", DataHome(real_data, tmp_path)) == []
    kmnist = missing("kmnist", DataHome(real_data, tmp_path))
    assert [Path(d.path).name for d in kmnist] == ["train-images-idx3-ubyte.gz"]
