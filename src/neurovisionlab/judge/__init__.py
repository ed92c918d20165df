"""Conclusions from records and arrays: how good, which is better, what to take. Pure as `core`."""
