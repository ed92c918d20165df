"""What every model is before it is built: a name, and what is known by it. Imports no torch.

A `ModelSource` is cheap to make: nothing is looked up or imported before a method asks for it.
`named_models.source_of` makes one of a name; each of the four kinds has a file of its own.
"""

from __future__ import annotations

import fnmatch
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from neurovisionlab.core.errors import ModelError, mould, nearest, one_line
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.weights import Published, WeightsFile, find

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelShape:
    """What goes in and what comes out: square images [B, channels, px, px] → [B, classes]."""

    image_px: int
    channels: int
    num_classes: int


@dataclass(frozen=True)
class ModelSource(ABC):
    """A model by its name: checked, identified, found weights for, built.

    Attributes:
        name: as a study writes it.
        prefix: with which names of this kind begin.
        is_listed: whether our table says what of other models only building them shows; such a
            model is checked without torch, in any process.
        is_code: whether it is code of a user's own, which may lie in the current folder; what is
            asked of it is asked in a process of its own.
    """

    name: str
    prefix: ClassVar[str] = ""
    is_listed: ClassVar[bool] = False
    is_code: ClassVar[bool] = False

    # what it is

    @abstractmethod
    def check(self) -> None:
        """Refuse a name that nothing stands for.

        Raises:
            ModelError: the three nearest names are given.
        """

    def digest(self) -> str | None:
        """Return what identifies the model beyond its name; None where the name says all.

        Raises:
            ModelError: nothing stands for the name, where that must be looked up.
        """
        return None

    @classmethod
    @abstractmethod
    def names_like(cls, pattern: str) -> list[str]:
        """Return the names of this kind that match "*" and "?" in a pattern.

        Raises:
            ModelError: nothing matches.
        """

    @property
    def bare(self) -> str:
        """The name without its prefix."""
        return self.name.removeprefix(self.prefix)

    @property
    def title(self) -> str:
        """One line for lists; "" where nobody wrote one."""
        return ""

    # what it takes

    @property
    @abstractmethod
    def native_px(self) -> int:
        """The image side that the model was made for, in pixels; 28 where none is known."""

    @property
    def usual_shape(self) -> ModelShape:
        """With what a list shows the model: grey images of its own size, ten classes."""
        return ModelShape(self.native_px, 1, 10)

    def check_size(self, image_px: int) -> None:
        """Refuse images whose size does not suit, as far as that is known before it is built.

        Raises:
            ModelError: the nearest sizes that suit are given.
        """
        return

    def has_own_stem(self, stem: str) -> bool:
        """Return whether the first layers stay as their author chose, though `stem` is asked for.

        So do a user's own models, and those of the table that list no such stem.
        """
        return False

    # its weights

    @abstractmethod
    def published(self) -> Published:
        """Return whose weights the name stands for. Imports a library for its names alone."""

    def weights(self) -> WeightsFile:
        """Return the file of weights that the model starts from when it is pretrained.

        Raises:
            ModelError: see `weights.find`.
        """
        return find(self.name, self.published())

    # the model itself

    def build(self, shape: ModelShape, protocol: Protocol, reads_weights: bool = True) -> nn.Module:
        """Build the model; what is not pretrained is drawn from torch's global generator.

        Args:
            shape: of input and output.
            protocol: of the study.
            reads_weights: False builds the same network without reading the published weights
                that the protocol asks for: it will be given others.

        Raises:
            ModelError: no such model, a size it cannot take, weights that are missing or do not
                fit.
        """
        from neurovisionlab.learn.dropout import drop_nothing
        from neurovisionlab.learn.stems import change_stem, draw_anew

        weights = self.weights() if protocol.pretrained and reads_weights else None
        model = self._network(shape, weights)
        keeps_first = protocol.pretrained and protocol.stem_weights == "adapt"
        if not self.has_own_stem(protocol.stem):
            change_stem(model, protocol.stem, keeps_first)
        if weights is not None and not keeps_first:
            draw_anew(model)
        if protocol.dropout == "off":
            drop_nothing(model)
        return model

    @abstractmethod
    def _network(self, shape: ModelShape, weights: WeightsFile | None) -> nn.Module:
        """Build the model as its author wrote it, with the weights of a file if there is one."""

    # when it fails

    @property
    def remedy(self) -> str:
        """What to try where the model can be built, and neither trained nor asked."""
        return "another model, image_px or optimizer"

    def wrong_size(self, shape: ModelShape, error: Exception) -> ModelError:
        """Return the error for images that a library's own message says the model cannot take."""
        own_px = self.native_px
        got = f"{shape.image_px} px ({one_line(error)})"
        larger = f"image_px = {own_px}" if own_px != shape.image_px else "another model"
        expected, remedy = "images of a size it can take", f'{larger}, stem = "small"'
        return ModelError(mould(self.name, expected, got, remedy))


def matching(pattern: str, prefix: str, known: Collection[str]) -> list[str]:
    """Return the names of a library that match, with its prefix.

    Args:
        pattern: with the prefix.
        prefix: of the library.
        known: its names, without the prefix.

    Raises:
        ModelError: none; the three nearest are given.
    """
    found = fnmatch.filter(known, pattern.removeprefix(prefix))
    if not found:
        raise unknown(pattern, prefix, known)
    return [prefix + one for one in found]


def unknown(name: str, prefix: str, known: Collection[str]) -> ModelError:
    """Return the error for a name that a library does not have; arguments as of `matching`."""
    near = (prefix + one for one in nearest(name.removeprefix(prefix), known))
    return ModelError(mould("model", "a known name", repr(name), ", ".join(near)))
