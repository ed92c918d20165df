"""A study with the descriptions of its data and models at the time of preparation."""

from __future__ import annotations

from pydantic import Field

from neurovisionlab.core.expand import expand
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.spec import (
    FILE_VERSION,
    CellSpec,
    DataInfo,
    DataRef,
    FileVersion,
    Study,
)
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.pictures import Watch
from neurovisionlab.data.sources import describe


class Plan(Frozen):
    """A study with the descriptions of its data and models: all input of `cells()`.

    Attributes:
        study: the study.
        infos: (reference, description) of each data set.
        model_digests: digests of models and pretrained weights, as `expand` takes them.
        schema_version: version of stored records.
    """

    study: Study
    infos: tuple[tuple[DataRef, DataInfo], ...]
    model_digests: dict[str, str] = Field(default_factory=dict)
    schema_version: FileVersion = FILE_VERSION

    def cells(self) -> tuple[CellSpec, ...]:
        """Return the study's cells."""
        return expand(self.study, dict(self.infos), self.model_digests)


def make_plan(study: Study, home: DataHome, watch: Watch = lambda done, total: None) -> Plan:
    """Read the descriptions of a study's data sets (instant if cached) and return the plan.

    Raises:
        NvlError: a data set is missing or broken, or does not fit the study.
    """
    infos: list[tuple[DataRef, DataInfo]] = []
    for refs in study.data_refs().values():
        infos += [(ref, describe(ref, home, watch)) for ref in dict.fromkeys(refs)]
    return Plan(study=study, infos=tuple(infos))
