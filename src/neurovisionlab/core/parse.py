"""Strict parsing of TOML text or plain values into a study, with all mistakes reported at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from neurovisionlab.core.documents import check_plain, mistakes, parse_toml
from neurovisionlab.core.problems import problem_lines
from neurovisionlab.core.spec import Study


def parse_study(
    text: str, where: str = "study", known: Mapping[str, Iterable[str]] | None = None
) -> Study:
    """Read a study from TOML text; all mistakes are reported at once.

    Args:
        text: the TOML document.
        where: name of the document in messages, such as its file name.
        known: valid names for "datasets" and "models"; names with a colon are not looked up.

    Raises:
        SpecError: not TOML, or one line for every key, type, range or name that is wrong.
    """
    return study_from(parse_toml(text, where), where, known)


def study_from(
    document: Mapping[str, Any], where: str, known: Mapping[str, Iterable[str]] | None = None
) -> Study:
    """Build a study from plain values, with strict types: no text in place of a number.

    Raises:
        SpecError: one line for every mistake.
    """
    check_plain(document, where)
    context = {key: list(names) for key, names in (known or {}).items()}
    try:
        # by way of JSON: strict about types, but accepts lists for tuples
        as_json = json.dumps(document, default=str)
        return Study.model_validate_json(as_json, strict=True, context=context)
    except ValidationError as error:
        raise mistakes(where, problem_lines(error, Study)) from None
