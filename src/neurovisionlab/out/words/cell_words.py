"""Sentences about cells that have no part in a judgement."""

from __future__ import annotations

from neurovisionlab.out.speech import Sentence

WORDS: dict[str, Sentence] = {
    "cells.diverged": Sentence("{cell}: diverged"),
    "cells.not_finished": Sentence("{cell}: not finished"),
}
