r"""Escaping of active characters in printed text.

Names come from files and runs of unknown origin. Control characters, and characters that change the
direction of text, are printed as \x1b or \u202e. This is the only module in which commands print.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

# control characters except tab and line feed, line and paragraph separators, bidirectional
# overrides
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def neutral(text: str) -> str:
    r"""Return text with active characters as backslash escapes.

    >>> neutral("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return _ACTIVE.sub(_written, text)


def in_one_line(text: str) -> str:
    r"""Return text like `neutral`, with line feeds and tabs escaped as well.

    >>> in_one_line("a\nb")
    'a\\x0ab'
    """
    return re.sub(r"[\n\t]", _written, neutral(text))


def _written(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def echo(text: str = "", err: bool = False, nl: bool = True, **style: Any) -> None:
    """Print text to standard output or error; `style` are arguments of `typer.style`."""
    plain = neutral(text)
    typer.echo(typer.style(plain, **style) if style else plain, err=err, nl=nl)


def neutral_console(**settings: Any) -> Console:
    """Return a rich console that escapes text like `echo`; its own control codes are kept.

    Args:
        settings: arguments of `rich.console.Console`.
    """
    from collections.abc import Iterable

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Neutral(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                if segment.control:
                    yield segment
                else:
                    yield Segment(neutral(segment.text), segment.style)

    return Neutral(highlight=False, emoji=False, **settings)
