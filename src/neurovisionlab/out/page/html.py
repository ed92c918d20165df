"""Templates, charts and scripts combined into one self-contained file."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from neurovisionlab.out.charts.drawing import Chart, as_svg, specification
from neurovisionlab.out.neutral import neutral
from neurovisionlab.out.page.engine import engine
from neurovisionlab.out.speech import Voice, number, speaking, voice


class Drawing(NamedTuple):
    """A chart in a page: a static SVG, and the specification of the interactive chart."""

    title: str
    svg: Markup
    spec: Markup


def draw(chart: Chart, title: str) -> Drawing:
    """Return a chart for a page."""
    spec = specification(chart)
    # safe: the renderer escapes text from data
    return Drawing(title, Markup(_named_apart(_unspoken(as_svg(spec)))), as_json(spec))


def _named_apart(svg: str) -> str:
    """Return SVG with unique ids: with equal ids, charts would use each other's clip paths."""
    mark = hashlib.sha256(svg.encode()).hexdigest()[:12]
    return re.sub(r'((?: id="| (?:xlink:)?href="#|url\(#))', rf"\g<1>still-{mark}-", svg)


def drawn(chart: Chart | None, title: str) -> Drawing | None:
    """Return a chart for a page; None for None."""
    return None if chart is None else draw(chart, title)


def _unspoken(svg: str) -> str:
    """Return SVG without Vega's English texts for screen readers: the page has its own."""
    return re.sub(r' (?:aria-[a-z]+|role)="[^"]*"', "", svg)


def as_json(value: object) -> Markup:
    """Return JSON that is safe inside <script>: no text in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(re.sub("[<>&\u2028\u2029]", lambda m: f"\\u{ord(m[0]):04x}", text))


def page(template: str, language: Voice, content: Mapping[str, object]) -> str:
    """Return a template filled in, in a language, with scripts and styles included."""
    environment = Environment(
        loader=PackageLoader("neurovisionlab.out.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        finalize=_shown,
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        language.translate, language.translate_counted, newstyle=True
    )
    environment.filters["number"] = number
    environment.filters["capital"] = lambda text: text[:1].upper() + text[1:]
    with speaking(language):
        return environment.get_template(template).render(
            content,
            language=voice(),
            style=Markup(_read("page.css")),
            script=Markup(_read("page.js")),
            engine=Markup(engine()),
        )


def _shown(value: object) -> object:
    """Return a template's value with active characters of foreign text escaped."""
    return neutral(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _read(name: str) -> str:
    return files("neurovisionlab.out.page").joinpath("templates", name).read_text(encoding="utf-8")
