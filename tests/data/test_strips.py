"""Pictures by strips are, to the last bit, what Pillow makes of them as a whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from neurovisionlab.data import strips
from neurovisionlab.data.strips import Upright, flat, write_pixels

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV")
ORIENTATION = 0x0112


def picture_of(mode: str, size: tuple[int, int], orientation: int, is_clear: bool) -> Image.Image:
    rng = np.random.default_rng(size[0])
    rgba = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8))
    picture = rgba.convert("RGB").convert("P") if mode == "P" else rgba.convert(mode)
    if is_clear and mode in ("L", "RGB", "P"):
        picture.info["transparency"] = (200, 30, 7) if mode == "RGB" else 3
    exif = picture.getexif()
    exif[ORIENTATION] = orientation
    picture.info["exif"] = exif.tobytes()
    return picture


def by_pillow(picture: Image.Image, size: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    """Return the whole picture as it was always read."""
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in ("LA", "RGBA", "PA") or "transparency" in upright.info:
        clear = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    upright = upright.convert(mode)
    if upright.size != size:
        upright = upright.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(upright)


SIDES = st.integers(1, 90)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.tuples(st.sampled_from(MODES), st.tuples(SIDES, SIDES), st.integers(0, 9), st.booleans()),
    st.one_of(st.none(), st.tuples(st.integers(1, 24), st.integers(1, 24))),
)
@example(("RGB", (31, 2000), 5, False), (16, 16))  # Pillow resizes its rows first
@example(("RGBA", (2000, 31), 8, False), (1, 1))
def test_strips_give_what_the_whole_gives(
    monkeypatch: pytest.MonkeyPatch,
    stored: tuple[str, tuple[int, int], int, bool],
    wanted: tuple[int, int] | None,
) -> None:
    monkeypatch.setattr(strips, "STRIP_PIXELS", 200)  # many strips
    source = Upright(picture_of(*stored))
    wanted = wanted or source.size
    for channels, final in ((3, "RGB"), (1, "L")):
        out_HWC = np.zeros((wanted[1], wanted[0], channels), np.uint8)
        write_pixels(out_HWC, source)
        whole = by_pillow(picture_of(*stored), wanted, final)
        np.testing.assert_array_equal(out_HWC, whole.reshape(out_HWC.shape))


@pytest.mark.parametrize(("multiple", "rows"), [(1, 13), (5, 10), (13, 13), (40, 13), (999, 13)])
def test_strips_are_small_and_none_lies_across_a_multiple(multiple: int, rows: int) -> None:
    source = Upright(picture_of("L", (1000, 5000), 6, False))
    found = [strip.size for strip in source.strips(multiple)]
    assert {width for width, _ in found} == {5000}
    assert max(height for _, height in found) == rows
    ends = np.cumsum([height for _, height in found])
    assert ends[-1] == 1000
    for start, end in zip([0, *ends], ends, strict=False):
        is_whole = start % multiple == 0 and (end % multiple == 0 or end == 1000)
        assert is_whole or start // multiple == (end - 1) // multiple


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (1, 1), (0, 100, 200, 0))
    assert flat(clear, "RGB").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("value", ["6", (6, 6), b"\6"])
def test_an_orientation_that_is_no_number_is_told(value: object) -> None:
    picture = Image.new("L", (3, 2))
    picture.getexif()[ORIENTATION] = value
    with pytest.raises(ValueError, match=r"orientation is .*6.*, no number"):
        strips.turn_of(picture)
