"""Untrusted models of a run: users' code that is imported only with permission."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from neurovisionlab.core.errors import ModelError, mould
from neurovisionlab.core.model_names import is_own
from neurovisionlab.learn.own_source import check_source


class WithModel(Protocol):
    """What names a model: a cell, or what its cost is of."""

    @property
    def model(self) -> str:
        """Its name."""

    @property
    def model_digest(self) -> str | None:
        """What identifies it beyond its name."""


Specified = TypeVar("Specified", bound=WithModel)


def own_models(specs: Iterable[WithModel]) -> tuple[str, ...]:
    """Return the models among `specs` that are code, each once."""
    return tuple(dict.fromkeys(spec.model for spec in specs if is_own(spec.model)))


def trusted(specs: Iterable[Specified], trust: bool) -> list[Specified]:
    """Return what may be imported: without `trust` all but users' code, with it all.

    Nothing is imported here.

    Raises:
        ModelError: nothing is left without `trust`; or code has changed since the run, in which
            case all such models are listed.
    """
    given = list(specs)
    left = [spec for spec in given if not is_own(spec.model)]
    if trust:
        _check_all(given)
        return given
    if given and not left:
        names = ", ".join(own_models(given)[:5])
        raise ModelError(mould(names, EXPECTED, GOT, "--trust, if you know that code"))
    return left


EXPECTED = "a model of the table, timm or torchvision"
GOT = "code that the run names, which is not imported"


def _check_all(specs: Iterable[WithModel]) -> None:
    wrong = []
    for model, digest in dict.fromkeys((s.model, s.model_digest) for s in specs if is_own(s.model)):
        try:
            check_source(model, digest)
        except ModelError as error:
            wrong.append(str(error))
    if wrong:
        raise ModelError("\n".join(wrong))
