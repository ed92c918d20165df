"""Text as Markdown shows it: whatever markup a name contains is read as characters."""

from __future__ import annotations

import re
import unicodedata

# what begins emphasis, code, links, HTML, entities, cells, strikes and formulas, wherever it is;
# brackets and braces for footnotes and attributes, that some readers know
_MARKS = re.compile(r"[\\`*_{}\[\]#|~$^]")
# not with backslashes, that not every reader knows before these
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# what begins a list, a rule or the underline of a heading, at the start alone
_STARTS = re.compile(r"^(?=[-+=:])|^(\d+)(?=[.)])")
# controls, line and paragraph separators, halves of characters
_SHAPELESS = ("Cc", "Zl", "Zp", "Cs")
_TURNING = frozenset(
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)  # orders that overrule
# what some readers make a link of, without any mark
_ADDRESSES = re.compile(r"(:)(?=//)|(\bwww)(?=\.)", re.IGNORECASE)


def in_markdown(text: str) -> str:
    r"""Return text in one line that Markdown shows as it is, in a paragraph, heading, item or cell.

    Line breaks and other controls become spaces, as do directions that overrule others.

    >>> in_markdown("a|b *c* <d>")
    'a\\|b \\*c\\* &lt;d&gt;'
    """
    line = "".join(" " if _is_shapeless(one) else one for one in text)
    marked = _MARKS.sub(r"\\\g<0>", line.strip())
    marked = re.sub("[<>&]", lambda found: _ENTITIES[found[0]], marked)
    linkless = _ADDRESSES.sub(lambda found: f"{found[0]}\\", marked)
    return _STARTS.sub(lambda found: f"{found[0]}\\", linkless)


def _is_shapeless(character: str) -> bool:
    return unicodedata.category(character) in _SHAPELESS or character in _TURNING
