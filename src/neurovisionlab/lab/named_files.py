"""Studies and publications, by path or by the name of a file that ships with the package."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from neurovisionlab.claims.publication import Publication
from neurovisionlab.claims.publication_file import parse_claims
from neurovisionlab.core.errors import SpecError, mould, nearest
from neurovisionlab.core.parse import parse_study
from neurovisionlab.core.spec import Study
from neurovisionlab.data.texts import is_there, read_text, user_path

PRESETS, PUBLICATIONS = "presets", "publications"


def shipped(folder: str) -> dict[str, str]:
    """Return {name: TOML text} of the files in one of the package's folders."""
    entries = (resources.files("neurovisionlab") / folder).iterdir()
    files = (entry for entry in entries if entry.name.endswith(".toml"))
    return {f.name.removesuffix(".toml"): f.read_text(encoding="utf-8") for f in files}


def read_study(name_or_path: str, known: Mapping[str, Iterable[str]]) -> Study:
    """Load the study of a preset's name or a TOML file's path.

    Args:
        name_or_path: an existing file takes precedence over a preset.
        known: {field of a study: its valid names}.

    Raises:
        SpecError: neither exists, or the study has mistakes (all are listed).
    """
    form = _Form(PRESETS, "study", "a TOML file", "a preset's name or a TOML file")
    return parse_study(*_text(name_or_path, form), known)


def read_publication(name_or_path: str) -> Publication:
    """Load a publication's claims.

    Args:
        name_or_path: an existing file takes precedence over a shipped name.

    Raises:
        SpecError: neither a file nor a shipped name, or the file has mistakes (all are listed).
    """
    form = _Form(PUBLICATIONS, "claims", "a claims file", "a claims file or the name of one")
    return parse_claims(*_text(name_or_path, form))


class _Form(NamedTuple):
    """Folder of a kind of file, with the names that error messages use for it."""

    folder: str
    kind: str
    file: str
    expected: str


def _files_beside(path: Path) -> list[str]:
    """Return the TOML files in the folder of a path, as a user would type them."""
    try:
        names = sorted(entry.name for entry in os.scandir(path.parent) if entry.is_file())
    except OSError:
        return []
    return [str(path.with_name(name)) for name in names if name.endswith(".toml")][:1000]


def _text(name_or_path: str, form: _Form) -> tuple[str, str]:
    """Return the requested TOML text, and its name in error messages."""
    path, texts = user_path(name_or_path, form.kind), shipped(form.folder)
    if path.is_file() if name_or_path in texts else is_there(path):
        return read_text(path, form.file), str(path)
    if name_or_path in texts:
        return texts[name_or_path], f"{form.folder.removesuffix('s')} {name_or_path}"
    near = ", ".join(nearest(name_or_path, [*_files_beside(path), *sorted(texts)]))
    raise SpecError(mould(form.kind, form.expected, repr(name_or_path), near))
