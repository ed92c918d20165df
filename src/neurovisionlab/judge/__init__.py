"""Conclusions from records and arrays: quality, comparison, advice. Pure, as `core` is."""
