"""Text as Markdown shows it: whatever markup a name contains is read as characters."""

from __future__ import annotations

import re
import unicodedata

# what begins emphasis, code, links, HTML, entities, cells, strikes and formulas, wherever it is;
# brackets and braces for footnotes and attributes, that some readers know
_MARKS = re.compile(r"[\\`*_{}\[\]<>#|~$&^]")
# what begins a list, a rule or the underline of a heading, at the start alone
_STARTS = re.compile(r"^(?=[-+=:])|^(\d+)(?=[.)])")
# controls, line and paragraph separators, halves of characters
_SHAPELESS = ("Cc", "Zl", "Zp", "Cs")
# what some readers make a link of, without any mark
_ADDRESSES = re.compile(r"(:)(?=//)|(\bwww)(?=\.)", re.IGNORECASE)


def in_markdown(text: str) -> str:
    r"""Return text in one line that Markdown shows as it is, in a paragraph, heading, item or cell.

    Line breaks and other controls become spaces.

    >>> in_markdown("a|b *c* <d>")
    'a\\|b \\*c\\* \\<d\\>'
    """
    line = "".join(" " if unicodedata.category(one) in _SHAPELESS else one for one in text)
    marked = _MARKS.sub(r"\\\g<0>", line.strip())
    linkless = _ADDRESSES.sub(lambda found: f"{found[0]}\\", marked)
    return _STARTS.sub(lambda found: f"{found[0]}\\", linkless)
