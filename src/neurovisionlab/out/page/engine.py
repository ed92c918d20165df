"""The scripts that draw charts in a page: bundled by vl-convert, and kept in the cache.

Bundling takes seconds in every process that writes a page; the bundle changes with the version of
vl-convert alone. A cached one counts only if it is whole: its first line is its digest.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import vl_convert

from neurovisionlab.core.errors import NvlError
from neurovisionlab.data.files import content_of, write_whole
from neurovisionlab.data.home import DataHome

_MOST_BYTES = 1 << 25


@cache
def engine() -> str:
    """Return Vega, Vega-Lite and Vega-Embed (BSD-3-Clause), as included in vl-convert."""
    path = _path()
    content = None if path is None else _cached(path)
    if content is None:
        bundle: str = vl_convert.javascript_bundle(None)  # type: ignore[arg-type]  # its stub forgets the default
        content = bundle.encode()
        if path is not None:
            _keep(path, content)
    return content.decode().replace("</script", "<\\/script")


def _path() -> Path | None:
    """Return where the bundle is kept; None where there is no cache."""
    try:
        return DataHome.find().cache_dir / "scripts" / f"vega-{version('vl-convert-python')}.js"
    except NvlError:
        return None


def _cached(path: Path) -> bytes | None:
    """Return a bundle that was kept whole; None where there is none."""
    try:
        head, _, content = content_of(path, _MOST_BYTES).partition(b"\n")
    except OSError:
        return None
    return content if head == _seal(content) else None


def _keep(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _seal(content) + b"\n" + content)
    except OSError:
        pass  # a cache that cannot be written costs seconds, no page


def _seal(content: bytes) -> bytes:
    return b"// " + hashlib.sha256(content).hexdigest().encode()
