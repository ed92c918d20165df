"""The report of a run: one self-contained HTML page that needs no network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import tomli_w
from babel.dates import format_datetime

from neurovisionlab.claims.claim_verdicts import judge_claims
from neurovisionlab.claims.publication import ClaimRow, Publication
from neurovisionlab.core.records import Failure
from neurovisionlab.core.spec import Study
from neurovisionlab.data.home import DataHome
from neurovisionlab.lab.claim_evidence import evidence_of
from neurovisionlab.lab.cost_rows import cost_rows
from neurovisionlab.lab.judgements import Conclusions, Judgements
from neurovisionlab.lab.named_files import PUBLICATIONS, read_publication, shipped
from neurovisionlab.lab.plan import Plan
from neurovisionlab.lab.results import Results, read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.claim_lines import claim_row
from neurovisionlab.out.language import CODES, voice_of
from neurovisionlab.out.page.album import Albums
from neurovisionlab.out.page.chapters import Chapter, Sources, chapter
from neurovisionlab.out.page.html import page
from neurovisionlab.out.page.opening import machine_lines, opening
from neurovisionlab.out.said import note_text
from neurovisionlab.out.speech import (
    ENGLISH,
    Counted,
    Sentence,
    Voice,
    speaking,
    voice,
)
from neurovisionlab.out.tables import STATUSES, ResultRow, result_rows, summary_tables


def write_report(
    store: Store,
    home: DataHome | None = None,
    language: Voice | None = None,
    is_own: bool = False,
    conclusions: Conclusions | None = None,
) -> Path:
    """Write `report.html` into the run's folder and return its path.

    Args:
        store: the run.
        home: folder of the data sets, from which mistakes are shown as images. By default, for data
            sets outside of the package, the images stored in the run are used, else the usual
            folder.
        language: language of the page (`out.language.voice_of`). By default that of the existing
            page, else English.
        is_own: the study is the user's own, whose images are read from any place it names;
            otherwise only files below `home` are opened (`lab.reach`).
        conclusions: the run's conclusions, if already computed.
    """
    if language is None:
        language = voice_of(_language_of(store))
    conclusions = conclusions or Conclusions(read(store))
    albums = Albums(store, conclusions.results.plan.infos, home, is_own)
    path = store.write_text("report.html", render(conclusions, albums, language))
    albums.keep()
    store.keep_language(language.code)
    return path


# start of the pages of versions that stored no language
_HEAD = re.compile(rb'^\s*<!DOCTYPE html>\s*<html lang="([a-z]+)"', re.IGNORECASE)
_MOST_BYTES = 1 << 28  # of a page


def _language_of(store: Store) -> str:
    """Return the language code of the run's page, English without a page."""
    code = store.language()
    if code is None:
        found = _HEAD.match((store.read_bytes("report.html", _MOST_BYTES) or b"")[:1000])
        code = found[1].decode() if found else None
    return code if code in CODES else ENGLISH.code


def render(conclusions: Conclusions, albums: Albums, language: Voice = ENGLISH) -> str:
    """Return the report of a run as HTML, with images of `albums`; nothing is stored."""
    with speaking(language):
        return page("report.html.j2", language, _content(conclusions, albums))


def _content(conclusions: Conclusions, albums: Albums) -> dict[str, object]:
    results = conclusions.results
    plan, records = results.plan, results.records
    rows = result_rows(results.cells, records, results.failures)
    judged, why_none = conclusions.judged
    sources = Sources(results, albums, cost_rows(results), conclusions.answers, judged)
    return {
        "plan": plan,
        "description": Sentence(plan.study.description),  # the catalogue has those of the presets
        "opening": opening(plan, len(records), judged),
        "why_none": why_none,
        "chapters": _chapters(plan, sources, rows),
        "rows": rows,
        "failures": _open_failures(results),
        "machines": machine_lines(records),
        "publications": _publications(results, judged),
        "study_toml": as_toml(plan.study),
        "protocol_line": protocol_line(plan.study),
        "split_line": split_line(plan.study),
        "statuses": STATUSES,
        "claim_row": claim_row,
        "notes_of": lambda info: [note_text(note) for note in info.notes],
        "finished": _finished(max(record.finished_at for record in records)) if records else None,
    }


def _chapters(plan: Plan, sources: Sources, rows: Sequence[ResultRow]) -> list[Chapter]:
    info_of = {info.name: info for _, info in plan.infos}
    return [chapter(info_of[table.title], table, sources) for table in summary_tables(rows)]


def _open_failures(results: Results) -> list[Failure]:
    """Return the last failure of each cell of the study that has not finished since."""
    ids = {cell.cell_id for cell in results.cells}
    last = {one.cell_id: one for one in results.failures if one.cell_id in ids}
    return [one for one in last.values() if one.cell_id not in results.finished_ids]


def _publications(
    results: Results, judged: Judgements | None
) -> list[tuple[Publication, tuple[ClaimRow, ...]]]:
    """Return the shipped publications with claims that this run can compare, and their rows."""
    if judged is None:  # without verdicts no claims: the first screen gives the reason
        return []
    evidence = evidence_of(results)
    found = []
    for name in shipped(PUBLICATIONS):
        publication = read_publication(name)
        rows = judge_claims(publication, evidence)
        if any(row.measured is not None or row.direction is not None for row in rows):
            found.append((publication, rows))
    return found


PROTOCOL = Sentence(
    "{epochs}, batch {batch}, {optimizer} at {rate:g}, schedule {schedule}, {px}, {weights}"
)
EPOCHS = Counted("{count} epoch", "{count} epochs")
OWN_SIZE, PX = Sentence("images at their own size"), Sentence("images at {px} px")
PRETRAINED, SCRATCH = Sentence("pretrained weights"), Sentence("from scratch")
SPLIT = Sentence(
    "validation {val:g} % of the training images, split seed {seed}; training images used: "
    "{train}, test images: {test}"
)
ALL = Sentence("all")


def protocol_line(study: Study) -> str:
    """Return a line on the training of models."""
    protocol = study.protocol
    px = protocol.image_px
    return PROTOCOL.format(
        epochs=EPOCHS.format(protocol.epochs),
        batch=protocol.batch_size,
        optimizer=protocol.optimizer,
        rate=protocol.learning_rate,
        schedule=protocol.schedule,
        px=OWN_SIZE if px == "native" else PX.format(px=px),
        weights=PRETRAINED if protocol.pretrained else SCRATCH,
    )


def split_line(study: Study) -> str:
    """Return a line on the split of the images."""
    subset = study.subset
    return SPLIT.format(
        val=100 * study.protocol.val_frac,
        seed=study.protocol.split_seed,
        train=subset.train_images or ALL,
        test=subset.test_images or ALL,
    )


def as_toml(study: Study) -> str:
    """Return a study as a TOML file that recreates it, without default values."""
    settings = study.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    return tomli_w.dumps(settings)


def _finished(moment: str) -> str:
    return format_datetime(datetime.fromisoformat(moment), "long", locale=voice().code)
