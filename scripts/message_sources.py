"""What `make messages` collects beyond code and templates: from shipped claims and presets."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import IO, Any


def claims(
    file: IO[bytes], keywords: Any, comment_tags: Any, options: Any
) -> Iterator[tuple[int, None, str, list[str]]]:
    """Yield each claim of a claims file, as babel wants its extractors to."""
    for claim in tomllib.loads(file.read().decode("utf-8")).get("claims", []):
        yield 1, None, claim["text"], []


def presets(
    file: IO[bytes], keywords: Any, comment_tags: Any, options: Any
) -> Iterator[tuple[int, None, str, list[str]]]:
    """Yield the description of a preset."""
    yield 1, None, tomllib.loads(file.read().decode("utf-8"))["description"], []
