"""Text escaped for Markdown."""

from __future__ import annotations

import re
import unicodedata

# starts of emphasis, code, links, HTML, entities, cells, strikes and formulas, anywhere; brackets
# and braces for the footnotes and attributes of some renderers
_MARKS = re.compile(r"[\\`*_{}\[\]#|~$^]")
# not as backslash escapes, which not every renderer supports for these
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# starts of lists, rules or underlines of headings, only at the beginning
_STARTS = re.compile(r"^(?=[-+=:])|^(\d+)(?=[.)])")
# control characters, line and paragraph separators, lone surrogates
_SHAPELESS = ("Cc", "Zl", "Zp", "Cs")
_TURNING = frozenset(
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)  # bidirectional overrides
# addresses that some renderers turn into links
_ADDRESSES = re.compile(r"(:)(?=//)|(\bwww)(?=\.)", re.IGNORECASE)


def in_markdown(text: str) -> str:
    r"""Return text in one line that Markdown renders as it is, in any block.

    Line breaks and other control characters become spaces, and so do bidirectional overrides.

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
