"""Which models of a run are code of somebody's own: imported only for those who trust them."""

from __future__ import annotations

from collections.abc import Iterable

from neurovisionlab.core.costs import CostSpec
from neurovisionlab.core.errors import ModelError, mould
from neurovisionlab.core.model_names import is_own
from neurovisionlab.learn.own_source import check_source


def own_models(specs: Iterable[CostSpec]) -> tuple[str, ...]:
    """Return the models among `specs` that are code, each once."""
    return tuple(dict.fromkeys(spec.model for spec in specs if is_own(spec.model)))


def trusted(specs: Iterable[CostSpec], trust: bool) -> list[CostSpec]:
    """Return what may be measured: without trust all but code, with it code that did not change.

    Nothing is imported.

    Raises:
        ModelError: nothing is left without trust; or code differs from what the run was made
            with, all of which is named.
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


def _check_all(specs: Iterable[CostSpec]) -> None:
    wrong = []
    for model, digest in dict.fromkeys((s.model, s.model_digest) for s in specs if is_own(s.model)):
        try:
            check_source(model, digest)
        except ModelError as error:
            wrong.append(str(error))
    if wrong:
        raise ModelError("\n".join(wrong))
