"""A study and what was known of its data and models when it was prepared."""

from __future__ import annotations

from pydantic import Field

from neurovisionlab.core.expand import expand
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.spec import (
    SCHEMA_VERSION,
    CellSpec,
    DataInfo,
    DataRef,
    Study,
    ThisVersion,
)


class Plan(Frozen):
    """A study and what was known of its data and models: `cells()` needs nothing else."""

    study: Study
    infos: tuple[tuple[DataRef, DataInfo], ...]
    model_digests: dict[str, str] = Field(default_factory=dict)
    schema_version: ThisVersion = SCHEMA_VERSION

    def cells(self) -> tuple[CellSpec, ...]:
        """Return the study's cells."""
        return expand(self.study, dict(self.infos), self.model_digests)
