"""The forms of a model's name, and which of them are refused; what stands behind one is `learn`'s.

NAME                        of the table
timm:NAME                   of a library
torchvision:NAME
package.module:function     code of a user's own
"""

from __future__ import annotations

import re

TIMM = "timm:"
TORCHVISION = "torchvision:"

_EXAMPLES = {TIMM: "timm:convnext_atto", TORCHVISION: "torchvision:resnet18"}
_LIBRARY_NAME = re.compile(r"[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*")


def is_own(name: str) -> bool:
    """Return whether a name stands for code: "module:function" and whatever resembles it.

    >>> [is_own(name) for name in ("vit-tiny", "timm:convnext_atto", "my_models:tiny")]
    [False, False, True]
    """
    return ":" in name and not name.startswith((TIMM, TORCHVISION))


def is_of_main(name: str) -> bool:
    """Return whether a name stands for code of the program that is running.

    >>> [is_of_main(name) for name in ("__main__:net", "my_models:tiny")]
    [True, False]
    """
    return name.startswith("__main__:")


def no_address(name: str) -> str:
    """Return a name; refuse what timm would take for an address: local-dir:, hf-hub: and others.

    Raises:
        ValueError: it is no name of that library.
    """
    for prefix, example in _EXAMPLES.items():
        if name.startswith(prefix) and not _LIBRARY_NAME.fullmatch(name, len(prefix)):
            expected = f"{prefix}NAME of letters, digits, dots, dashes and underscores"
            raise ValueError(f"expected {expected}, got {name[:80]!r}; try {example}")
    return name
