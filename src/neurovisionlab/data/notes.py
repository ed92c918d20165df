"""What is worth knowing about how a data set was read: stored in English, said in any language."""

from __future__ import annotations

from neurovisionlab.core.speech import Sentence

NOT_PUBLISHED = Sentence("{name} is not the published file (its MD5 differs)")
NOT_VERIFIED = Sentence("not verified, no published MD5 is known: {names}")
SKIPPED = Sentence("{count} unreadable pictures skipped: {first}")

NOTES = (NOT_PUBLISHED, NOT_VERIFIED, SKIPPED)
