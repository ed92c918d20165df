"""Find what a publication claims by the name of a shipped file, or by path."""

from __future__ import annotations

from importlib import resources

from neurovisionlab.claims.publication import Publication
from neurovisionlab.claims.publication_file import parse_claims
from neurovisionlab.core.errors import SpecError, mould, nearest
from neurovisionlab.data.texts import is_there, read_text, user_path


def shipped() -> dict[str, str]:
    """Return {name: TOML text} of the claims files that ship with the package."""
    folder = resources.files("neurovisionlab") / "publications"
    files = [one for one in folder.iterdir() if one.name.endswith(".toml")]
    return {one.name.removesuffix(".toml"): one.read_text(encoding="utf-8") for one in files}


def read_publication(name_or_path: str) -> Publication:
    """Return what a publication claims.

    Raises:
        SpecError: neither a file nor a shipped name, or the file has mistakes (all are named).
    """
    path = user_path(name_or_path, "claims")
    texts = shipped()
    if path.is_file() if name_or_path in texts else is_there(path):
        return parse_claims(read_text(path, "a claims file"), str(path))
    if name_or_path in texts:
        return parse_claims(texts[name_or_path], name_or_path)
    near = ", ".join(nearest(name_or_path, sorted(texts)))
    got = repr(name_or_path)
    raise SpecError(mould("claims", "a claims file or the name of one", got, near))
