"""Studies: loading by name or path, shipped presets, and differences between two studies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurovisionlab.core.parse import parse_study
from neurovisionlab.core.spec import Study
from neurovisionlab.core.study_differences import Difference, differences
from neurovisionlab.data.sources import SOURCES
from neurovisionlab.lab.named_files import PRESETS, read_study, shipped
from neurovisionlab.out.notebook import tables_html

if TYPE_CHECKING:
    from neurovisionlab.out.tables import Table


def load_study(name_or_path: str) -> Study:
    """Load the study of a preset's name or a TOML file's path.

    Raises:
        SpecError: neither exists, or the study has mistakes; all of them are listed.
    """
    from neurovisionlab.learn.catalogue import MODELS

    return read_study(name_or_path, {"datasets": SOURCES, "models": MODELS})


@dataclass(frozen=True)
class Preset:
    """A study that ships with the package.

    Attributes:
        name: as accepted by `load_study`.
        text: its TOML.
    """

    name: str
    text: str

    @property
    def description(self) -> str:
        """The purpose of the study, in one line."""
        return parse_study(self.text, self.name).description


def presets() -> list[Preset]:
    """Return the studies that ship with the package, sorted by name."""
    return [Preset(name, text) for name, text in sorted(shipped(PRESETS).items())]


class StudyDifferences(tuple[Difference, ...]):
    """Settings that differ between two studies.

    Attributes:
        names: of the studies, as they were asked for.
    """

    names: tuple[str, str]

    @property
    def table(self) -> Table:
        """The differences as a table to print, the first study's values before the second's."""
        from neurovisionlab.out.tables import differences_table

        return differences_table(self, self.names)

    def _repr_html_(self) -> str:
        return tables_html([self.table])


def difference(first: str, second: str) -> StudyDifferences:
    """Return the settings in which two studies differ, given as to `load_study`.

    Names and descriptions of the studies do not count.

    Raises:
        SpecError: see `load_study`.
    """
    every = differences(load_study(first), load_study(second))
    found = StudyDifferences(one for one in every if one.setting not in ("name", "description"))
    found.names = (first, second)
    return found
