"""The scripts of a page are bundled once, and never taken from a cache that is not whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import vl_convert

from neurovisionlab.out.page import engine as module
from neurovisionlab.out.page.engine import engine


@pytest.fixture(autouse=True)
def bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return a list of bundles made; each is told apart by its number."""
    made: list[str] = []

    def bundle(_: None) -> str:
        made.append(f"let bundle = {len(made)}; '</script>'")
        return made[-1]

    monkeypatch.setenv("NVL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    engine.cache_clear()
    yield made
    engine.cache_clear()


def _again() -> str:
    engine.cache_clear()  # as in another process
    return engine()


def test_a_bundle_is_made_once_for_all_processes(bundles: list[str]) -> None:
    first = engine()
    assert first == "let bundle = 0; '<\\/script>'"
    assert _again() == first
    assert len(bundles) == 1


@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "folder"])
def test_a_damaged_one_is_made_anew(tmp_path: Path, bundles: list[str], damage: str) -> None:
    engine()
    (path,) = (tmp_path / "cache" / "scripts").iterdir()
    content = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        spoilt = {"cut": content[:-3], "empty": b"", "changed": content.replace(b"0", b"7")}
        path.write_bytes(spoilt[damage])
    assert "bundle = 1" in _again()
    assert len(bundles) == 2


def test_another_version_has_another_bundle(
    bundles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine()
    monkeypatch.setattr(module, "version", lambda _: "99.0")
    assert "bundle = 1" in _again()


def test_a_page_needs_no_cache(
    tmp_path: Path, bundles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in its place")
    monkeypatch.setenv("NVL_CACHE", str(tmp_path / "file" / "below"))
    assert "bundle = 0" in engine()
    assert "bundle = 1" in _again()
