"""Presentation of results: tables, figures, reports. Reads records, never trains."""
