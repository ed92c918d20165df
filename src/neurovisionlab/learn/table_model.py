"""Models of our own table: all but building them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurovisionlab.learn.catalogue import MODELS, patch_side, recipe_of
from neurovisionlab.learn.model_source import ModelShape, ModelSource, matching
from neurovisionlab.learn.weights import (
    Published,
    WeightsFile,
    published_by_torchvision,
    with_suffixes,
)

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class TableModel(ModelSource):
    """A line of `catalogue.MODELS`, identified by the revision of the network behind its name."""

    is_listed = True

    def check(self) -> None:
        recipe_of(self.name)

    def digest(self) -> str | None:
        revision = recipe_of(self.name).revision
        return f"revision {revision}" if revision > 1 else None

    @classmethod
    def names_like(cls, pattern: str) -> list[str]:
        return matching(pattern, cls.prefix, MODELS)

    @property
    def title(self) -> str:
        return recipe_of(self.name).title

    @property
    def native_px(self) -> int:
        return 224 if recipe_of(self.name).patch_px else 28

    def check_size(self, image_px: int) -> None:
        patch_side(self.name, image_px)

    def has_own_stem(self, stem: str) -> bool:
        return stem not in recipe_of(self.name).stems

    def published(self) -> Published:
        recipe = recipe_of(self.name)
        stems = [self.name] if recipe.timm_name is None else [recipe.timm_name, self.name]
        files = tuple(file for stem in stems for file in with_suffixes(stem))
        if recipe.weights_file is None or recipe.torchvision_name is None:
            return Published(files)
        edition = "IMAGENET1K_V1"
        return published_by_torchvision(
            recipe.torchvision_name, recipe.weights_file, edition, files
        )

    def _network(self, shape: ModelShape, weights: WeightsFile | None) -> nn.Module:
        from neurovisionlab.learn.table_network import table_network

        return table_network(self.name, shape, weights)
