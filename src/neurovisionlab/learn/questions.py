"""Queries about a model for a separate process; torch is imported only there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from neurovisionlab.core.protocol import Protocol

if TYPE_CHECKING:
    from neurovisionlab.learn.survey import Facts

Say = Callable[[Any], None]
Build = tuple[int, int, int, Protocol]  # image_px, channels, num_classes, protocol


def identify(name: str, say: Say) -> str | None:
    """Return what identifies a model beyond its name: see `survey.identify`.

    Raises:
        ModelError: the name is unknown.
    """
    from neurovisionlab.learn import survey

    return survey.identify(name)


def check(subject: tuple[str, list[Build]], say: Say) -> list[bool]:
    """Build a model in each way and check its output: see `survey.check`.

    Args:
        subject: its name, and the builds.
        say: not used.

    Raises:
        ModelError: the first build that fails.
    """
    from neurovisionlab.learn import survey
    from neurovisionlab.learn.model_source import ModelShape

    name, builds = subject
    return [survey.check(name, ModelShape(*sizes), protocol) for *sizes, protocol in builds]


def sizes(subjects: list[tuple[str, Build]], say: Say) -> list[float]:
    """Return the size of each model's file of weights, in MiB; nothing is allocated or read.

    Args:
        subjects: names of library models, each with a build.
        say: not used.

    Raises:
        ModelError: a model cannot be built.
    """
    from neurovisionlab.learn.model_source import ModelShape
    from neurovisionlab.learn.named_models import source_of
    from neurovisionlab.learn.survey import built_for_size
    from neurovisionlab.learn.zoo import weights_mib

    found = []
    for name, (image_px, channels, num_classes, protocol) in subjects:
        shape = ModelShape(image_px, channels, num_classes)
        fresh = protocol.changed(pretrained=False)  # as large, and no file of weights is read
        found.append(weights_mib(built_for_size(source_of(name), shape, fresh)))
    return found


def look(name: str, say: Say) -> Facts:
    """Return facts about a model: see `survey.facts`.

    Raises:
        ModelError: the model cannot be built.
    """
    from neurovisionlab.learn import survey

    return survey.facts(name)
