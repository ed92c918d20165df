"""Differences between two studies, setting by setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from neurovisionlab.core.spec import Study


class Difference(NamedTuple):
    """A setting that differs between two studies; None where a study does not have it."""

    setting: str
    first: object
    second: object


def differences(first: Study, second: Study) -> list[Difference]:
    """Return every setting in which two studies differ, sorted by name."""
    one, other = (flat(study.model_dump(mode="json")) for study in (first, second))
    return [
        Difference(key, one.get(key), other.get(key))
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    ]


def changes(old: Study, new: Study) -> list[str]:
    """Return a line for each setting that differs: "protocol.epochs: 2 → 3"."""
    return [f"{key}: {before} → {after}" for key, before, after in differences(old, new)]


def flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Return nested settings as one level: {"protocol.epochs": 2}."""
    settings: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            settings |= flat(value, f"{prefix}{key}.")
        else:
            settings[prefix + key] = value
    return settings
