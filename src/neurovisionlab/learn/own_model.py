"""Models of a user's own: code, which is imported when it is checked, identified or built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurovisionlab.learn.model_source import ModelShape, ModelSource
from neurovisionlab.learn.own_function import own_digest, own_function
from neurovisionlab.learn.weights import Published, WeightsFile, with_suffixes

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class OwnModel(ModelSource):
    """A function "package.module:function", identified by the source of its module."""

    is_code = True

    def check(self) -> None:
        own_function(self.name)

    def digest(self) -> str:
        """Return SHA-256 (hex) of its source: see `own_function.own_digest`."""
        return own_digest(self.name)

    @classmethod
    def names_like(cls, pattern: str) -> list[str]:
        """Return the pattern: whether it is there, its own process will say."""
        return [pattern]

    @property
    def native_px(self) -> int:
        return 28

    def has_own_stem(self, stem: str) -> bool:
        return True

    def published(self) -> Published:
        """Return under which names a user keeps weights: nobody publishes them."""
        return Published(with_suffixes(self.name.replace(":", ".")))

    @property
    def remedy(self) -> str:
        return f"to mend {self.name}"

    def _network(self, shape: ModelShape, weights: WeightsFile | None) -> nn.Module:
        from neurovisionlab.learn.own_network import own_network

        return own_network(self, shape, weights)
