"""The example of the documentation is a claims file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from neurovisionlab.claims.publication import METRICS, Verdict
from neurovisionlab.claims.publication_file import KINDS, parse_claims

PAGE = (Path(__file__).parents[2] / "docs" / "claims.md").read_text(encoding="utf-8")


def test_the_documented_example_is_read() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    publication = parse_claims(example)
    assert len(publication.printed()) == 3
    assert len(publication.claims) == 1


def test_every_kind_metric_and_verdict_is_documented() -> None:
    for name in (*KINDS, *METRICS):
        assert f"`{name}`" in PAGE, name
    for verdict in get_args(Verdict):
        assert verdict in PAGE, verdict
