"""Nouns and rules of a study: what it is, and what happened. No torch, no disk, no clock."""
