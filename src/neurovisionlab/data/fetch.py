"""Downloads of the published data sets: the only module that uses the network.

A file is downloaded as NAME.part, resumed after interruptions, verified against its published MD5,
and only then renamed.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import filelock

from neurovisionlab.core.errors import DataError, ResourceError, mould, nearest
from neurovisionlab.data.files import flush, flushed
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.official import OFFICIAL, md5_of, md5_unpacked
from neurovisionlab.data.pictures import Watch
from neurovisionlab.data.sources import OWN_KINDS, SOURCES

# base addresses of the files named in `OFFICIAL`, in order of preference
MIRRORS: dict[str, tuple[str, ...]] = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    "kmnist": ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    "svhn": ("http://ufldl.stanford.edu/housenumbers/",),
    "svhn-extra": ("http://ufldl.stanford.edu/housenumbers/",),
}

# one archive holds every split of EMNIST, as gzip/emnist-*.gz
EMNIST_ZIP_URL = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
EMNIST_ZIP_MD5 = "58c8d27c78d21e728a6bc7b3cc06412e"

_BLOCK_BYTES = 1 << 18
# HTTP status codes after which a retry may succeed
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))


@dataclass(frozen=True)
class Download:
    """One file to download.

    Attributes:
        path: its path below the data folder.
        urls: its addresses, in order of preference.
        md5: its published checksum.
        wanted: for a zip archive, the names of the files to extract beside it.
    """

    path: str
    urls: tuple[str, ...]
    md5: str
    wanted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Patience:
    """Limits on waiting for one source before the next is tried.

    Attributes:
        timeout_s: longest silence of a server in seconds.
        attempts: number of attempts at one source without a single new byte.
        backoff_s: pause after the first failure in seconds; doubles each time.
    """

    timeout_s: float = 30.0
    attempts: int = 4
    backoff_s: float = 1.0


class _SourceError(Exception):
    """A source does not serve the file; `may_pass`: a retry may help."""

    def __init__(self, message: str, may_pass: bool) -> None:
        super().__init__(message)
        self.may_pass = may_pass


def downloads_of(name: str) -> tuple[Download, ...]:
    """Return all downloads of a published data set.

    Raises:
        DataError: the name is not that of a data set for download.
    """
    _check_name(name)
    official = OFFICIAL[name]
    folder = official.folders[0]
    files = [file for pair in official.files.values() for file in pair]
    if name not in MIRRORS:
        members = tuple(f"{file}.gz" for file in files)
        return (Download(f"{folder}/gzip.zip", (EMNIST_ZIP_URL,), EMNIST_ZIP_MD5, members),)
    published = dict(official.md5)
    served = [file if file in published else f"{file}.gz" for file in files]
    return tuple(
        Download(f"{folder}/{f}", tuple(base + f for base in MIRRORS[name]), published[f])
        for f in served
    )


def _check_name(name: str) -> None:
    if name in OFFICIAL:
        return
    known = ", ".join(nearest(name, OFFICIAL))
    if name in SOURCES:
        got = "one that is embedded, needs no fetching"
        remedy = f"`nvl data info {name}`"
    elif name.partition(":")[0] in OWN_KINDS:
        got, remedy = "images of your own, which no server has", known
    else:
        got, remedy = "an unknown name", known
    raise DataError(mould(name, "a published set", got, remedy))


def missing(
    name: str, home: DataHome, downloads: tuple[Download, ...] | None = None
) -> list[Download]:
    """Return the downloads with a file that is missing or differs from the published one.

    Raises:
        DataError: the name is not that of a data set for download.
    """
    _check_name(name)
    return [
        download
        for download in (downloads_of(name) if downloads is None else downloads)
        if not all(_is_sound(name, file, home) for file in _files_of(download))
    ]


def _files_of(download: Download) -> tuple[str, ...]:
    return download.wanted or (Path(download.path).name,)


def _is_sound(name: str, file: str, home: DataHome) -> bool:
    """Return whether a file exists, plain or gzipped, and matches its checksum, if known."""
    plain = file.removesuffix(".gz")
    published = dict(OFFICIAL[name].md5)
    for folder in (home.data_dir / one for one in OFFICIAL[name].folders):
        if (folder / plain).is_file():
            return plain not in published or md5_of(folder / plain) == published[plain]
        packed = folder / f"{plain}.gz"
        if packed.is_file():
            if packed.name in published:
                return md5_of(packed) == published[packed.name]
            return plain not in published or md5_unpacked(packed) == published[plain]
    return False


def obtain(
    download: Download,
    home: DataHome,
    watch: Watch = lambda done, total: None,
    patience: Patience = Patience(),
) -> list[Path]:
    """Download, verify and place a file, extract the wanted members, and return the files.

    Raises:
        DataError: no source serves the file, or another `nvl data fetch` is running.
        ResourceError: the disk is full.
    """
    target = home.data_dir / download.path
    with _disk_problems(target), _alone(home):
        target.parent.mkdir(parents=True, exist_ok=True)
        # archives are kept: the next split of EMNIST then only needs extraction
        if not (download.wanted and target.is_file() and md5_of(target) == download.md5):
            _from_any_source(download, target, watch, patience)
        return _unpack(target, download.wanted) if download.wanted else [target]


@contextlib.contextmanager
def _alone(home: DataHome) -> Iterator[None]:
    home.cache_dir.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(home.cache_dir / "fetch.lock", timeout=0):
            yield
    except filelock.Timeout:
        raise DataError(
            mould("nvl data fetch", "one at a time", "another at work", "again when it is done")
        ) from None


@contextlib.contextmanager
def _disk_problems(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(target, "room for the file") from None
        got = error.strerror or str(error)
        raise DataError(
            mould(str(target), "a folder to write to", got, "another folder with --data DIR")
        ) from None


def _disk_full(target: Path, expected: str) -> ResourceError:
    free_mib = shutil.disk_usage(target.parent).free / 2**20
    got = f"{free_mib:,.0f} MiB free"
    return ResourceError(
        mould(str(target), expected, got, "to make room (what has arrived is kept), or --data DIR")
    )


def _from_any_source(download: Download, target: Path, watch: Watch, patience: Patience) -> None:
    part = target.with_name(f"{target.name}.part")
    failures = []
    for url in download.urls:
        try:
            _from_source(url, part, watch, patience)
            _check(part, download.md5, url, watch, patience)
        except _SourceError as error:
            failures.append(f"{url}: {error}")
        else:
            flush(part)
            part.replace(target)
            flush(target.parent)
            return
    raise DataError(
        mould(
            target.name,
            f"the published file from {_count(len(failures), 'source')}",
            "; ".join(failures),
            f"again later (what has arrived is kept), or to put the file into {target.parent}",
        )
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _check(part: Path, md5: str, url: str, watch: Watch, patience: Patience) -> None:
    """Verify the checksum; remove a file that is not the published one.

    Its beginning may be from another source or an earlier version: download once more from zero.
    """
    if md5_of(part) == md5:
        return
    part.unlink()
    _from_source(url, part, watch, patience)
    got = md5_of(part)
    if got != md5:
        part.unlink()
        message = f"wrong checksum (MD5 {got}, published {md5}), file removed"
        raise _SourceError(message, may_pass=False)


def _from_source(url: str, part: Path, watch: Watch, patience: Patience) -> None:
    """Download `part` from one address, resuming after interruptions that brought new bytes."""
    failed = 0
    while True:
        before = _size(part)
        try:
            _receive(url, part, watch, patience.timeout_s)
        except _SourceError as error:
            failed = 1 if _size(part) > before else failed + 1
            if failed >= patience.attempts or not error.may_pass:
                raise
            time.sleep(min(patience.backoff_s * 2 ** (failed - 1), 60.0))
        else:
            return


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _receive(url: str, part: Path, watch: Watch, timeout_s: float) -> None:
    """Append the missing bytes to `part`; restart if the server does not support ranges."""
    have = _size(part)
    with _answer(url, have, part, timeout_s) as answer:
        if answer.status != 206 or not _starts_at(answer, have):
            have = 0
        length = answer.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else 0
        _check_room(part, total - have)
        with part.open("ab" if have else "wb") as file:
            for block in _blocks(answer):
                file.write(block)
                have += len(block)
                watch(have, total)
    if have < total:
        raise _SourceError(f"connection cut at {have:,} of {total:,} bytes", may_pass=True)


def _answer(url: str, have: int, part: Path, timeout_s: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": "neurovisionlab", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        request = urllib.request.Request(url, headers=headers)
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing beyond `have`: complete, or longer than the published file
            return _answer_beyond(url, part, timeout_s)
        message = f"{error.code} {error.reason}"
        raise _SourceError(message, may_pass=error.code in _PASSING) from None
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(error) from None
    return answer


def _answer_beyond(url: str, part: Path, timeout_s: float) -> http.client.HTTPResponse:
    part.unlink()
    return _answer(url, 0, part, timeout_s)


def _unreachable(error: Exception) -> _SourceError:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return _SourceError("no answer in time", may_pass=True)
    return _SourceError(f"no connection ({reason or type(reason).__name__})", may_pass=True)


def _starts_at(answer: http.client.HTTPResponse, first: int) -> bool:
    return answer.headers.get("Content-Range", "").startswith(f"bytes {first}-")


def _check_room(part: Path, num_bytes: int) -> None:
    if num_bytes > shutil.disk_usage(part.parent).free:
        raise _disk_full(part, f"{num_bytes / 2**20:,.0f} MiB of room")


def _blocks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            block = answer.read1(_BLOCK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(error) from None
        if not block:
            return
        yield block


def _unpack(archive: Path, wanted: tuple[str, ...]) -> list[Path]:
    """Extract the wanted members of a zip beside it, regardless of their folder in it."""
    try:
        with zipfile.ZipFile(archive) as content:
            member_of = {Path(entry.filename).name: entry for entry in content.infolist()}
            for name in wanted:
                with content.open(member_of[name]) as member:
                    _copy(member, archive.parent / name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(
            mould(archive.name, f"a zip with {', '.join(wanted)}", str(error), "to report this")
        ) from None
    return [archive.parent / name for name in wanted]


def _copy(member: IO[bytes], target: Path) -> None:
    part = target.with_name(f"{target.name}.part")
    with flushed(part) as file:
        shutil.copyfileobj(member, file)
    part.replace(target)
    flush(target.parent)
