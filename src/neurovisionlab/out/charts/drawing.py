"""Functions shared by all charts: colours, padding, and conversion to SVG, PNG and PDF.

Neither network nor browser is needed: vl-convert includes Vega.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Literal

import altair as alt
import numpy as np
import vl_convert
from anyascii import anyascii
from PIL import Image

from neurovisionlab.out.speech import Sentence, voice

Chart = Any  # an altair chart, whose methods are typed to return Any
Row = dict[str, Any]  # of a chart's data

# Okabe & Ito's palette, distinguishable for colour-blind readers; grey instead of their black,
# which would be invisible on a dark page
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8c8c8c"]
# text of several charts
MODEL, IMAGES = Sentence("model"), Sentence("images")
ACCURACY, TEST_ACCURACY = Sentence("accuracy, %"), Sentence("test accuracy, %")


def colour(models: Iterable[str], has_legend: bool = True) -> alt.Color:
    """Return the colours of models: the same in every chart for the same list of models."""
    names = list(dict.fromkeys(models))
    colours = [PALETTE[i % len(PALETTE)] for i in range(len(names))]
    scale = alt.Scale(domain=names, range=colours)
    legend = alt.Undefined if has_legend else None
    return alt.Color("model:N", title=None, scale=scale, legend=legend)


def toggled(chart: Chart) -> Chart:
    """Return a chart with a legend to select models: a click shows one alone, shift-click more."""
    shown = alt.selection_point(fields=["model"], bind="legend")
    return chart.encode(opacity=alt.condition(shown, alt.value(0.9), alt.value(0.08))).add_params(
        shown
    )


def zoomable(chart: Chart, axes: Sequence[Literal["x", "y"]] = ("x", "y")) -> Chart:
    """Return a chart with drag and zoom along axes; the wheel without Ctrl scrolls the page."""
    view = alt.selection_interval(bind="scales", encodings=list(axes), zoom="wheel![event.ctrlKey]")
    return chart.add_params(view)


def specification(chart: Chart) -> dict[str, Any]:
    """Return a chart as Vega-Lite, padded for labels: fonts of readers may be wider."""
    spec: dict[str, Any] = chart.properties(
        padding={"left": 28, "right": 48, "top": 6, "bottom": 6}
    ).to_dict(validate=False)  # the charts are tested; validation takes half of the time
    spec["background"] = None  # the page's background, light or dark
    clean: dict[str, Any] = _with_texts(spec, _drawable)
    return clean


# Characters outside of this set: those that XML 1.0 (section 2.2) forbids, at which the renderer
# ends the process; line separators, at which its expressions break; bidirectional overrides.
_NOT_DRAWABLE = re.compile(
    "[^\t\n\r\x20-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)


def _drawable(text: str) -> str:
    return _NOT_DRAWABLE.sub("\ufffd", text)


def _number_format() -> Any:
    """Return d3's number format of the current language."""
    language = voice()
    return {
        "decimal": language.decimal,
        "thousands": language.group,
        "grouping": [3],
        "currency": ["", ""],
    }


def as_svg(spec: dict[str, Any]) -> str:
    """Return a specification as SVG text."""
    svg: str = vl_convert.vegalite_to_svg(spec, format_locale=_number_format())
    return svg


def to_files(chart: Chart) -> Iterator[tuple[str, bytes]]:
    """Yield (file extension, content) of a chart: .svg, .png (double size) and .pdf, on white.

    Words without glyphs in the installed fonts are transliterated to ASCII.
    """
    spec = spelt(specification(chart)) | {"background": "white"}
    numbers = _number_format()
    yield "svg", as_svg(spec).encode()
    yield "png", vl_convert.vegalite_to_png(spec, scale=2, format_locale=numbers)
    yield "pdf", vl_convert.vegalite_to_pdf(spec, format_locale=numbers)


# transliteration of words without glyphs


def spelt(spec: Any) -> Any:
    """Return a specification with texts in ASCII if the fonts lack one of their characters.

    Different words stay different: a number distinguishes equal transliterations.
    """
    words = sorted({text for text in _texts(spec) if not text.isascii()})
    missing = set(_lacking("".join(sorted(set("".join(words))))))
    names = {word: anyascii(word) or "?" for word in words if set(word) & missing}
    taken = [*names.values(), *(text for text in _texts(spec) if text not in names)]
    unique = {
        word: name if taken.count(name) == 1 else f"{name} {number}"
        for number, (word, name) in enumerate(names.items(), 1)
    }
    return _with_texts(spec, lambda text: unique.get(text, text))


def _texts(spec: Any) -> Iterator[str]:
    if isinstance(spec, dict):
        for value in spec.values():
            yield from _texts(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from _texts(value)
    elif isinstance(spec, str):
        yield spec


def _with_texts(spec: Any, change: Callable[[str], str]) -> Any:
    """Return a specification with every text changed; names of properties are kept."""
    if isinstance(spec, dict):
        return {key: _with_texts(value, change) for key, value in spec.items()}
    if isinstance(spec, list):
        return [_with_texts(value, change) for value in spec]
    return change(spec) if isinstance(spec, str) else spec


_NO_GLYPH = "\U0010fffd"  # the last private-use code point, which fonts lack
_SIDE_PX = 20


@cache
def _lacking(characters: str) -> str:
    """Return the characters that are drawn as the placeholder for missing glyphs."""
    drawn = _drawn([_NO_GLYPH, *characters])
    return "".join(
        character
        for character, picture in zip(characters, drawn[1:], strict=True)
        if np.array_equal(picture, drawn[0])
    )


def _drawn(characters: Sequence[str]) -> list[np.ndarray[Any, Any]]:
    """Return an image of each character, each drawn at the same place of its own square."""
    rows = [{"x": _SIDE_PX * (i + 0.5), "text": text} for i, text in enumerate(characters)]
    width = _SIDE_PX * len(characters)
    plain = alt.Scale(domain=[0, width], nice=False, zero=True)
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_text(fontSize=12)
        .encode(x=alt.X("x:Q", axis=None, scale=plain), text="text:N")
        .properties(width=width, height=_SIDE_PX, padding=0)
        .configure_view(stroke=None)
    )
    png = vl_convert.vegalite_to_png(chart.to_dict())
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    return [pixels[:, _SIDE_PX * i : _SIDE_PX * (i + 1)] for i in range(len(characters))]
