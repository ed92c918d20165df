"""Small disks of their own in a file: their power can be cut, and they can be full.

Needs root, loop devices and mkfs.ext4; see `can_mount`.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def can_mount() -> bool:
    """Say whether a disk can be made and mounted here."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with mounted(new_disk(Path(folder), size_mib=2)):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def new_disk(folder: Path, size_mib: int) -> Path:
    """Return a file that holds an empty ext4, as most machines have it."""
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(size_mib << 20)
    _call("mkfs.ext4", "-q", "-m", "0", str(image))
    return image


@contextlib.contextmanager
def mounted(image: Path, *options: str) -> Iterator[Path]:
    """Mount a disk while the block runs."""
    place = Path(tempfile.mkdtemp(dir=image.parent))
    _call("mount", "-o", ",".join(("loop", *options)), str(image), str(place))
    try:
        yield place
    finally:
        _call("umount", str(place))
        place.rmdir()


def without_power(image: Path) -> Path:
    """Return a copy of a mounted disk as it is: what the system has not yet written is lost."""
    copy = image.with_name("after.img")
    shutil.copyfile(image, copy)
    return copy


def _call(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
