"""Classifiers of torchvision: what it says of them, asked when it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neurovisionlab.core.model_names import TORCHVISION
from neurovisionlab.learn.model_source import ModelShape, ModelSource, matching, unknown
from neurovisionlab.learn.weights import (
    Published,
    WeightsFile,
    published_by_torchvision,
    with_suffixes,
)

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class TorchvisionModel(ModelSource):
    """A classifier of `torchvision.models`."""

    prefix = TORCHVISION

    def check(self) -> None:
        if self.bare not in _known():
            raise unknown(self.name, self.prefix, _known())

    @classmethod
    def names_like(cls, pattern: str) -> list[str]:
        return matching(pattern, cls.prefix, _known())

    @property
    def native_px(self) -> int:
        return int(self._best().transforms().crop_size[0])

    @property
    def usual_shape(self) -> ModelShape:
        """As published: colour images of its own size, 1,000 classes."""
        return ModelShape(self.native_px, 3, 1000)

    def published(self) -> Published:
        file = self._best().url.rsplit("/", 1)[-1]
        return published_by_torchvision(self.bare, file, "DEFAULT", with_suffixes(self.bare))

    def _best(self) -> Any:
        """Return the entry of torchvision's best weights for the model."""
        from torchvision import models  # type: ignore[import-untyped]

        return models.get_model_weights(self.bare)["DEFAULT"]

    def _network(self, shape: ModelShape, weights: WeightsFile | None) -> nn.Module:
        from neurovisionlab.learn.torchvision_network import torchvision_network

        return torchvision_network(self, shape, weights)


def _known() -> list[str]:
    from torchvision import models

    return list(models.list_models(module=models))
