"""Costs of models, within a run or on their own."""

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
    """Costs of one model.

    Attributes:
        costs: the costs as a record.
    """

    costs: Costs

    @property
    def lines(self) -> tuple[str, ...]:
        """The costs as lines to print."""
        from neurovisionlab.out.cost_tables import costs_lines

        return tuple(costs_lines(self.costs))

    def as_json(self) -> dict[str, object]:
        """Return the costs as JSON-compatible values, notes in English."""
        from neurovisionlab.out.cost_tables import costs_json

        return costs_json(self.costs)

    def _repr_html_(self) -> str:
        head, *rest = self.lines
        return paragraphs_html([(head, [line.strip() for line in rest])])


def check_settings() -> None:
    """Refuse settings with which every cell would fail; import torch only if a device is named.

    Raises:
        ResourceError: a setting has an invalid value, or names a device that is missing.
    """
    num_threads()
    wants_compiling()
    wants_trials()
    if os.environ.get("NVL_DEVICE", "cpu") != "cpu":
        from neurovisionlab.learn.device import wished_device

        wished_device()


def code_of(run: RunLike) -> tuple[str, ...]:
    """Return the models of a run that are users' own code, as "module:function".

    Args:
        run: a run, or its folder.

    Raises:
        StoreError: the folder holds no run.
    """
    return own_models(cost_spec(cell) for cell in store_of(run).plan().cells())


def measure_run(
    run: RunLike, seconds: float, anew: bool = True, trust: bool = False
) -> Iterator[ModelCosts]:
    """Measure the costs of each model of a run, once per shape of data; store and yield them.

    Nothing else should run on the machine meanwhile: load by other processes is detected and
    recorded in the conditions.

    Args:
        run: a run, or its folder.
        seconds: approximate duration of each timing.
        anew: repeat measurements that are already stored.
        trust: import the code that the run names (`code_of`) if it is unchanged since the run;
            otherwise such models are left out.

    Raises:
        StoreError: the folder holds no run, or is not writable.
        ModelError: a model cannot be built, its code changed, or all models are untrusted code.
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
    """Measure the costs of models without a study; yield each result as soon as it is complete.

    Args:
        models: their names.
        shape: (image_px, channels, num_classes).
        batch_size: images per training step.
        seconds: approximate duration of each timing.

    Raises:
        ModelError: a model is unknown, or does not accept such images.
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
