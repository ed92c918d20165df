"""Find a study by preset name or path, and make a plan of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from typing import NamedTuple

from neurovisionlab.core.errors import SpecError, mould, nearest
from neurovisionlab.core.parse import parse_study
from neurovisionlab.core.spec import DataInfo, DataRef, Study
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.pictures import Watch
from neurovisionlab.data.sources import describe
from neurovisionlab.data.texts import is_there, read_text, user_path
from neurovisionlab.lab.plan import Plan


def presets() -> dict[str, str]:
    """Return {name: TOML text} of the studies that ship with the package."""
    folder = resources.files("neurovisionlab") / "presets"
    files = (entry for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {f.name.removesuffix(".toml"): f.read_text(encoding="utf-8") for f in files}


def read_study(name_or_path: str, known: Mapping[str, Iterable[str]]) -> Study:
    """Return the study of a preset's name or a TOML file's path.

    Raises:
        SpecError: neither exists, or the study has mistakes (all are named).
    """
    path = user_path(name_or_path, "study")
    shipped = presets()
    if path.is_file() if name_or_path in shipped else is_there(path):
        return parse_study(read_text(path), str(path), known)
    if name_or_path in shipped:
        return parse_study(shipped[name_or_path], f"preset {name_or_path}", known)
    near = ", ".join(nearest(name_or_path, sorted(shipped)))
    raise SpecError(mould("study", "a preset's name or a TOML file", repr(name_or_path), near))


def make_plan(study: Study, home: DataHome, watch: Watch = lambda done, total: None) -> Plan:
    """Look at the study's data sets (instant if they are known) and return what is to be run.

    Raises:
        NvlError: a data set is missing or broken, or the study does not fit it.
    """
    infos: list[tuple[DataRef, DataInfo]] = []
    for refs in study.data_refs().values():
        infos += [(ref, describe(ref, home, watch)) for ref in dict.fromkeys(refs)]
    return Plan(study=study, infos=tuple(infos))


class Difference(NamedTuple):
    """A setting that differs between two studies; None where one of them does not have it."""

    setting: str
    first: object
    second: object


def differences(first: Study, second: Study) -> list[Difference]:
    """Return every setting in which two studies differ, sorted by name."""
    one, other = (_flat(study.model_dump(mode="json")) for study in (first, second))
    return [
        Difference(key, one.get(key), other.get(key))
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    ]


def changes(old: Study, new: Study) -> list[str]:
    """Return a line for each setting that differs: "protocol.epochs: 2 → 3"."""
    return [f"{key}: {before} → {after}" for key, before, after in differences(old, new)]


def _flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
