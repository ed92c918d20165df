"""Execution of many cells: reading studies, running pending cells, storing results."""
