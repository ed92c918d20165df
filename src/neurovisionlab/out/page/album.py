"""Sources of a report's images: the data set itself, or the images stored in a run.

`nvl run` reads the images named by its user's study, and stores the shown ones in RUN/mistakes; a
report written later opens no other files except below the folder of data sets, since the run may be
of unknown origin.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Annotated

from pydantic import AfterValidator, Field

from neurovisionlab.core.bounds import Amount, Hex
from neurovisionlab.core.errors import NvlError, StoreError
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.spec import DataInfo, DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.sources import load
from neurovisionlab.lab.reach import is_embedded, within_reach
from neurovisionlab.lab.store import Store
from neurovisionlab.out.page.picture import MOST_PX, png

MOST_BYTES = 1 << 25  # of the stored images of one data set
_HEAD = struct.Struct(">8s4s4sII")  # of a PNG: signature; length, type, sizes of its first chunk
Show = Callable[[int], bytes | None]


def _small_png(text: str) -> str:
    """Refuse text that is not a PNG of limited size in base64, before a browser decodes it."""
    try:
        head = base64.b64decode(text[:32], validate=True)
        base64.b64decode(text, validate=True)
        mark, _, kind, width, height = _HEAD.unpack(head)
    except (binascii.Error, ValueError, struct.error):
        raise ValueError("expected a PNG in base64, got other text; try nvl run") from None
    is_png = mark == b"\x89PNG\r\n\x1a\n" and kind == b"IHDR"
    if not (is_png and 0 < width <= MOST_PX and 0 < height <= MOST_PX):
        raise ValueError(f"expected a PNG of at most {MOST_PX} px, got another; try nvl run")
    return text


Base64 = Annotated[str, Field(max_length=1 << 20), AfterValidator(_small_png)]


class Kept(Frozen):
    """Stored images of one data set: {index in the data set: PNG in base64}, and its digest."""

    digest: Hex
    pictures: Annotated[dict[Amount, Base64], Field(max_length=10_000)]


class Album:
    """Images of one data set by index; requested images are kept in `shown`."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self.shown: dict[int, str] = {}

    def picture(self, index: int) -> str | None:
        """Return an image as a data URI; None if it is not available."""
        if index not in self.shown:
            found = self._show(index)
            if found is None:
                return None
            self.shown[index] = base64.b64encode(found).decode()
        return f"data:image/png;base64,{self.shown[index]}"


Infos = Sequence[tuple[DataRef, DataInfo]]


class Albums:
    """Image sources of a run's data sets.

    Args:
        store: the run, with stored images.
        infos: the data sets of its plan.
        home: folder of the data sets; if not given, stored images take precedence over the usual
            folder.
        is_own: the study is the user's own: images are read from any place it names.
    """

    def __init__(
        self,
        store: Store,
        infos: Infos,
        home: DataHome | None = None,
        is_own: bool = False,
    ) -> None:
        self._store, self._infos, self._is_own = store, infos, is_own
        self._is_given = home is not None
        self._home = home or DataHome.find(None)
        self._opened: dict[str, Album] = {}  # by digest; without embedded data sets

    def of(self, dataset: str) -> Album | None:
        """Return the images of a data set; None if the tested images are not available."""
        infos = self._infos
        ref, info = next((pair for pair in infos if pair[1].name == dataset), (None, None))
        if ref is None or info is None:
            return None
        if is_embedded(ref):
            return self._loaded(ref, info)
        ways = [self._loaded, self._kept] if self._is_given else [self._kept, self._loaded]
        return next((album for way in ways if (album := way(ref, info)) is not None), None)

    def _loaded(self, ref: DataRef, info: DataInfo) -> Album | None:
        """Return the images of the data set itself, unless it is missing or has changed."""
        near = ref if self._is_own else within_reach(ref, self._home)
        if near is None:
            return None
        try:
            images = load(near, self._home)
        except NvlError:
            return None
        if images.digest != info.digest:
            return None
        pixels_NHWC = images.images_NHWC
        album = Album(lambda n: png(pixels_NHWC[n]) if 0 <= n < len(pixels_NHWC) else None)
        if not is_embedded(ref):
            self._opened[info.digest] = album
        return album

    def _kept(self, ref: DataRef, info: DataInfo) -> Album | None:
        content = self._store.read_bytes(_path(info.digest), 2 * MOST_BYTES)
        if content is None:
            return None
        with suppress(ValueError):  # truncated, or of unknown origin
            kept = Kept.model_validate_json(content)
            if kept.digest == info.digest:
                found = {n: base64.b64decode(text) for n, text in kept.pictures.items()}
                return Album(found.get)
        return None

    def keep(self) -> None:
        """Store the shown images of data sets outside of the run."""
        for digest, album in self._opened.items():
            kept = Kept(digest=digest, pictures=dict(_up_to(MOST_BYTES, album.shown)))
            if kept.pictures:
                with suppress(StoreError):  # a folder that is not writable keeps no images
                    self._store.write_bytes(_path(digest), kept.model_dump_json().encode())


def _path(digest: str) -> str:
    return f"mistakes/{digest[:16]}.json"


def _up_to(most_bytes: int, pictures: dict[int, str]) -> Iterator[tuple[int, str]]:
    for index, text in list(pictures.items())[:10_000]:
        most_bytes -= len(text) + 20
        if most_bytes < 0:
            return
        yield index, text
