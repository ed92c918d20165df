r"""What names and messages may do to whoever reads them: nothing but be read.

Names come from files and runs of strangers. Characters that a terminal obeys, or that turn the
order of others around, are shown as \x1b or \u202e; the one place where commands print.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

# controls but for tab and line feed, separators of lines and paragraphs, directions that overrule
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def neutral(text: str) -> str:
    r"""Return text in which nothing is obeyed: what would be is written with backslashes.

    >>> neutral("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return _ACTIVE.sub(_written, text)


def in_one_line(text: str) -> str:
    r"""Return text as `neutral` does, line feeds and tabs written as well.

    >>> in_one_line("a\nb")
    'a\\x0ab'
    """
    return re.sub(r"[\n\t]", _written, neutral(text))


def _written(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def echo(text: str = "", err: bool = False, nl: bool = True, **style: Any) -> None:
    """Print text to standard output or error; `style` as `typer.style` takes it."""
    plain = neutral(text)
    typer.echo(typer.style(plain, **style) if style else plain, err=err, nl=nl)


def neutral_console(**settings: Any) -> Console:
    """Return a console of rich's that shows names as `echo` does; its own codes pass.

    Args:
        settings: as `rich.console.Console` takes them.
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
