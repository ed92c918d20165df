"""Text on the outcome of a publication's claims."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from neurovisionlab.claims.publication import ClaimRow
from neurovisionlab.out.said import said, said_all, text_of
from neurovisionlab.out.speech import Sentence
from neurovisionlab.out.words.claim_words import WORDS


class ClaimTexts(NamedTuple):
    """Texts of a row of the table of claims."""

    text: str
    verdict: str
    printed: str
    reason: str


def claim_row(row: ClaimRow) -> ClaimTexts:
    """Return the texts of a claim's outcome, in the current language."""
    # the sentences of shipped publications have translations, too
    text = str(Sentence(row.text)) if isinstance(row.text, str) else said(row.text)
    verdict = str(WORDS[f"claims.verdicts.{row.verdict}"])
    return ClaimTexts(text, verdict, text_of(row.printed), said_all(row.reasons))


def claim_lines(rows: Sequence[ClaimRow]) -> Iterator[str]:
    """Yield two lines per claim: its outcome and the reason."""
    for row in rows:
        texts = claim_row(row)
        printed = f" [{texts.printed}]" if texts.printed else ""
        yield f"{row.id:5} {texts.verdict.upper()}: {texts.text}{printed}"
        yield f"      {texts.reason}"


def claims_json(rows: Sequence[ClaimRow]) -> list[dict[str, object]]:
    """Return claims as JSON-compatible values, reasons as one text."""
    return [_json(row) for row in rows]


def _json(row: ClaimRow) -> dict[str, object]:
    texts = claim_row(row)
    words = {"text": texts.text, "printed": texts.printed}
    kept = row.model_dump(mode="json", exclude={"reasons"})
    return {**kept, **words, "reason": texts.reason}
