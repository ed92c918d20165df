"""Validation of a study's [vary]: fields of the protocol, each with valid values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from neurovisionlab.core.errors import nearest
from neurovisionlab.core.problems import problem_lines
from neurovisionlab.core.protocol import Protocol


def _alone(field: str, value: Any) -> dict[str, Any]:
    """Return a value together with its required companion: mean and std come in pairs."""
    pair = {"mean": "std", "std": "mean"}.get(field)
    size = len(value) if isinstance(value, list | tuple) else 1
    return {field: value} | ({pair: [1.0] * size} if pair else {})


def vary_problems(vary: Mapping[str, tuple[Any, ...]]) -> Iterator[str]:
    """Yield a message for every mistake in a study's [vary]."""
    for field, values in vary.items():
        if field == "recipe":
            yield "recipe: expected a field of the protocol, got a base of many; try two studies"
            continue
        if field not in Protocol.model_fields:
            close = ", ".join(nearest(field, Protocol.model_fields))
            yield f"{field}: expected a protocol field, got {field!r}; try {close}"
            continue
        if not values:
            yield f"{field}: expected a list of values, got an empty one; try to leave it out"
        for value in values:
            try:
                Protocol.model_validate_json(json.dumps(_alone(field, value)), strict=True)
            except ValidationError as error:
                yield from (f"{line}" for line in problem_lines(error, Protocol))
