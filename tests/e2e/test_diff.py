"""`nvl diff`: what differs between two studies, and the page that shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import typer
from typer.testing import CliRunner

from neurovisionlab.cli.model_commands import diff

DOCS = Path(__file__).parents[2] / "docs"


def _diff(*words: str) -> str:
    app = typer.Typer()
    app.command()(diff)
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_page_shows_what_the_command_says() -> None:
    page = (DOCS / "protocols.md").read_text(encoding="utf-8")
    shown = re.search(r"```text\n\$ nvl diff article notebook\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    assert shown[1] == _diff("article", "notebook")


def test_article_and_notebook_differ_where_they_are_known_to() -> None:
    rows = json.loads(_diff("article", "notebook", "--json"))
    assert {row["setting"] for row in rows} == {
        "datasets",
        "protocol.batch_size",
        "protocol.val_frac",
        "protocol.scaling",
        "protocol.mean",
        "protocol.std",
        "protocol.dropout",
        "protocol.stem_weights",
    }
    by_name = {row["setting"]: row for row in rows}
    assert by_name["protocol.batch_size"] == {
        "setting": "protocol.batch_size", "article": 64, "notebook": 32
    }  # fmt: skip


def test_a_study_does_not_differ_from_itself_under_another_name(tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    text = 'name = "copy"\ndatasets = ["digits"]\nmodels = ["vit-tiny"]\n'
    copy.write_text(text)
    other = tmp_path / "other.toml"
    other.write_text(text.replace("copy", "other") + "[subset]\ntrain_images = 9\n")
    assert _diff(str(copy), str(copy)) == "no difference in protocol or data\n"
    assert "subset.train_images" in _diff(str(copy), str(other))
    assert "–" in _diff(str(copy), str(other))
