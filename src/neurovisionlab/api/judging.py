"""Conclusions from results: verdicts, advice, and the outcome of published claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from neurovisionlab.api.opened import RunLike, results_of
from neurovisionlab.core.errors import SpecError, mould, nearest
from neurovisionlab.out.notebook import paragraphs_html

if TYPE_CHECKING:
    from neurovisionlab.claims.publication import ClaimRow
    from neurovisionlab.judge.advice import Prefer
    from neurovisionlab.judge.candidates import Advice, Limits
    from neurovisionlab.lab.judgements import Judgements
    from neurovisionlab.out.verdict_paragraphs import Paragraph


@dataclass(frozen=True)
class Verdicts:
    """Conclusions that a run's results support.

    Attributes:
        judgements: the conclusions as a record.
    """

    judgements: Judgements

    @property
    def paragraphs(self) -> tuple[Paragraph, ...]:
        """The conclusions in sentences, headlines first."""
        from neurovisionlab.out.verdict_paragraphs import paragraphs

        return tuple(paragraphs(self.judgements))

    def as_json(self) -> dict[str, object]:
        """Return the conclusions as JSON-compatible values, statements in English."""
        from neurovisionlab.out.said import json_of

        return json_of(self.judgements)

    def _repr_html_(self) -> str:
        return paragraphs_html((one.title, one.lines) for one in self.paragraphs)


def verdicts(run: RunLike) -> Verdicts:
    """Compare the models of a run on each data set.

    Args:
        run: a run, or its folder.

    Returns:
        For each data set, which models are better and which differences remain undecided.

    Raises:
        StoreError: the folder holds no run, or no cell of it is finished.
        DataError: predictions are missing, or of different test images.
    """
    from neurovisionlab.lab.judgements import judge_run

    return Verdicts(judge_run(results_of(run)))


@dataclass(frozen=True)
class Advised:
    """Recommended models.

    Attributes:
        datasets: {data set: advice, one entry for each case asked about}.
    """

    datasets: dict[str, tuple[Advice, ...]]

    def lines(self, dataset: str) -> list[str]:
        """Return the advice for one data set in sentences."""
        from neurovisionlab.out.verdict_paragraphs import advice_paragraph

        return [line for one in self.datasets[dataset] for line in advice_paragraph(one)]

    def as_json(self) -> dict[str, list[dict[str, object]]]:
        """Return the advice as JSON-compatible values, reasons in English."""
        from neurovisionlab.out.said import json_of

        return {name: [json_of(one) for one in given] for name, given in self.datasets.items()}

    def _repr_html_(self) -> str:
        return paragraphs_html((name, self.lines(name)) for name in self.datasets)


def advise(run: RunLike, limits: Limits | None = None, prefer: Prefer | None = None) -> Advised:
    """Recommend a model for each data set, with reasons.

    Without limits and preference, the advice covers the three usual cases.

    Args:
        run: a run, or its folder.
        limits: the highest costs allowed and the lowest quality accepted.
        prefer: criterion among the models within the limits; by default accuracy.

    Raises:
        SpecError: the preference is unknown.
        StoreError, DataError: see `verdicts`.
    """
    from neurovisionlab.judge.advice import Prefer
    from neurovisionlab.judge.candidates import Limits
    from neurovisionlab.lab.judgements import advise_run

    known = get_args(Prefer)
    if prefer is not None and prefer not in known:
        near = ", ".join(nearest(prefer, known))
        raise SpecError(mould("--prefer", "a known preference", repr(prefer), near))
    asked = (limits or Limits()) if limits or prefer else None
    return Advised(advise_run(results_of(run), asked, prefer or "accuracy"))


@dataclass(frozen=True)
class Claims:
    """Outcome of a publication's claims.

    Attributes:
        rows: one row per claim.
    """

    rows: tuple[ClaimRow, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """Two lines per claim: its outcome and the reason."""
        from neurovisionlab.out.claim_lines import claim_lines

        return tuple(claim_lines(self.rows))

    def as_json(self) -> list[dict[str, object]]:
        """Return the rows as JSON-compatible values, reasons in English."""
        from neurovisionlab.out.claim_lines import claims_json

        return claims_json(self.rows)

    def _repr_html_(self) -> str:
        from neurovisionlab.out.claim_lines import claim_row

        rows = ((row.id, claim_row(row)) for row in self.rows)
        return paragraphs_html(
            (f"{name} {texts.verdict}: {texts.text}", (texts.reason,)) for name, texts in rows
        )


def claims(name_or_path: str, run: RunLike | None = None) -> Claims:
    """Check a publication's claims against its own text, or against a run.

    Args:
        name_or_path: path of a claims file, or the name of a shipped one: tretiakov-2025.
        run: a run, or its folder.

    Raises:
        SpecError: the file does not exist or has mistakes; all of them are listed.
        StoreError, DataError: see `verdicts`.
    """
    from neurovisionlab.claims.checks import check_text
    from neurovisionlab.claims.claim_verdicts import judge_claims
    from neurovisionlab.lab.claim_evidence import evidence_of
    from neurovisionlab.lab.named_files import read_publication

    publication = read_publication(name_or_path)
    if run is None:
        return Claims(check_text(publication))
    return Claims(judge_claims(publication, evidence_of(results_of(run))))
