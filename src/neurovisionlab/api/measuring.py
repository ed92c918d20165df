"""What models cost: of a run, or of models alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from neurovisionlab.api.inspection import WORKERS, checked, identified
from neurovisionlab.api.opened import RunLike, store_of
from neurovisionlab.core.costs import Costs, CostSpec, cost_spec, distinct
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.lab.executors import local
from neurovisionlab.lab.measurements import Effort, measure
from neurovisionlab.lab.trust import own_models, trusted
from neurovisionlab.learn.settings import num_threads, wants_compiling, wants_trials
from neurovisionlab.out.notebook import paragraphs_html


@dataclass(frozen=True)
class ModelCosts:
    """What one model costs.

    Attributes:
        costs: all of it as data.
    """

    costs: Costs

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it as people read it."""
        from neurovisionlab.out.cost_tables import costs_lines

        return tuple(costs_lines(self.costs))

    def as_json(self) -> dict[str, object]:
        """Return all of it as JSON holds it, notes in English."""
        from neurovisionlab.out.cost_tables import costs_json

        return costs_json(self.costs)

    def _repr_html_(self) -> str:
        head, *rest = self.lines
        return paragraphs_html([(head, [line.strip() for line in rest])])


def check_settings() -> None:
    """Refuse settings with which every cell would fail; torch is asked only about a device.

    Raises:
        ResourceError: one of them names what cannot be, or is not there.
    """
    num_threads()
    wants_compiling()
    wants_trials()
    if os.environ.get("NVL_DEVICE", "cpu") != "cpu":
        from neurovisionlab.learn.device import wished_device

        wished_device()


def code_of(run: RunLike) -> tuple[str, ...]:
    """Return the models of a run that are code of somebody's own, "module:function".

    Args:
        run: a run, or its folder.

    Raises:
        StoreError: there is no run in that folder.
    """
    return own_models(cost_spec(cell) for cell in store_of(run).plan().cells())


def measure_run(
    run: RunLike, seconds: float, anew: bool = True, trust: bool = False
) -> Iterator[ModelCosts]:
    """Measure what each model of a run costs, once for each shape of data; keep and yield.

    Nothing else should be running: others are noticed, and named in the conditions.

    Args:
        run: a run, or its folder.
        seconds: about how long each timing takes.
        anew: measure again what is known already.
        trust: import the code that the run names (`code_of`), if it is still what the run was
            made with; otherwise such models are left out.

    Raises:
        StoreError: there is no run in that folder, or it cannot be written to.
        ModelError: a model cannot be built, or code changed, or code is all that there is.
    """
    store = store_of(run)
    specs = distinct(cost_spec(cell) for cell in store.plan().cells())
    todo = [spec for spec in specs if anew or store.costs(spec) is None]
    todo = trusted(todo, trust)
    if not todo:
        return
    check_settings()
    from neurovisionlab.learn.measure import measure_part

    effort = Effort(seconds) if anew else Effort(seconds, processes=1)
    with store.writing():
        for costs in measure(todo, measure_part, local(WORKERS), effort):
            store.put_costs(costs)
            yield ModelCosts(costs)


def measure_models(
    models: Sequence[str], shape: tuple[int, int, int], batch_size: int, seconds: float
) -> Iterator[ModelCosts]:
    """Measure what models cost, without a study; yield as they are done.

    Args:
        models: their names.
        shape: (image_px, channels, num_classes).
        batch_size: of a training step.
        seconds: about how long each timing takes.

    Raises:
        ModelError: no such model, or one that does not take such images.
    """
    from neurovisionlab.learn.measure import measure_part

    check_settings()
    image_px, channels, num_classes = shape
    color: Literal["grey", "rgb"] = "grey" if channels == 1 else "rgb"
    protocol = Protocol(image_px=image_px, color=color, batch_size=batch_size)
    specs = []
    for model in models:
        digest = identified(model)
        checked(model, [(image_px, channels, num_classes, protocol)])
        specs.append(
            CostSpec(
                model=model,
                model_digest=digest,
                image_px=image_px,
                channels=channels,
                num_classes=num_classes,
                source_px=image_px,
                protocol=protocol,
            )
        )
    for costs in measure(specs, measure_part, local(WORKERS), Effort(seconds)):
        yield ModelCosts(costs)
