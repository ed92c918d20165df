"""A run's page, as a report writes it."""

from __future__ import annotations

from neurovisionlab.data.home import DataHome
from neurovisionlab.lab.judgements import Conclusions
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.page.album import Albums
from neurovisionlab.out.page.report import render
from neurovisionlab.out.speech import ENGLISH, Voice


def rendered(store: Store, home: DataHome | None = None, language: Voice = ENGLISH) -> str:
    """Return the report of a run as HTML; nothing is kept."""
    results = read(store)
    return render(Conclusions(results), Albums(store, results.plan.infos, home), language)
