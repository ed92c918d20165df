"""The protocol: how every model of a study is trained, with all defaults."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from neurovisionlab.core.frozen import Identified
from neurovisionlab.core.recipes import RECIPES, RecipeName

Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
# far beyond real training settings, and within the range of float32 and every export
Magnitude = Annotated[float, Field(ge=-1e30, le=1e30)]
Channels = Annotated[tuple[Magnitude, ...], Field(max_length=16)]
LEAST_PX, MOST_PX = 8, 1024  # range of the side of a model's input, in pixels


class Protocol(Identified):
    """Training settings shared by all models of a study.

    Attributes:
        recipe: name of a base (`core.recipes`) for all fields that are not set explicitly; for
            readers only, since the fields themselves hold the values.
        image_px: side of the square input image, in pixels; "native" keeps the data set's own size.
        color: "grey" (one channel, ITU-R 601 luma), "rgb" (three), or "native".
        scaling: "unit" divides uint8 values by 255; "standardize" then subtracts a mean and divides
            by a standard deviation per channel (of the training images unless given).
        mean, std: constants for "standardize", one per channel, on the 0..1 scale.
        val_frac: share of the training images held out for validation, stratified by class.
        split_seed: seed of every split of a data set; a study's `seeds` do not affect splits.
        optimizer: torch.optim's Adam, AdamW, SGD with momentum 0.9, or Muon (Jordan et al. 2024)
            for the weights between the first and the last layer with AdamW for all others.
        learning_rate: highest learning rate of the schedule.
        schedule: "constant"; "cosine" to zero; "one-cycle" (up over 30 %, then cosine down; Smith &
            Topin 2018); "warm-up" (linear over the first 5 %, then constant).
        batch_size: images per training step.
        epochs: passes over the training images.
        weight_decay: as the optimiser defines it (L2 for Adam and SGD, else decoupled).
        label_smoothing: share of the target spread over all classes, 0..1.
        dropout: "model" keeps the rates of the architecture; "off" sets all to zero.
        augmentation: "none"; "character-safe": small random shift, rotation, scale and elastic
            distortion, but no flip, since a mirrored letter is another letter or none; "gentle":
            the same at half strength, for many images and few epochs.
        unaugmented_frac: share of the epochs, the last ones, trained without augmentation (rounded
            to whole epochs, never all): test images are sharp, resampled ones are not.
        pretrained: start from published ImageNet weights.
        stem: first layers: "imagenet" as published, designed for 224 px; "small" with stride 1 and
            no max-pool; "light" with stride 2 and no max-pool, cheap enough for a CPU.
        stem_weights: with `pretrained`: "adapt" keeps the first layer, summed over colours for grey
            images; "random" reinitialises it.
        keep_epoch: epoch whose weights are tested: the "last", or the "best" by validation
            accuracy.
        precision: arithmetic of training and evaluation ("fp32", or autocast to "bf16", "fp16").
        deterministic: same seed, same numbers, also on a GPU, at some cost in speed; false allows
            nondeterministic algorithms and TF32.
        keep_weights: which weights are stored: of "all" cells, of the "best" seed by validation for
            each data set, model and variant, or "none". Changes no measurement, hence not part of a
            cell's id.
    """

    FREE: ClassVar[frozenset[str]] = frozenset(("recipe", "keep_weights"))
    YOUNGER: ClassVar[frozenset[str]] = frozenset(("unaugmented_frac",))

    recipe: RecipeName | None = None
    image_px: Annotated[int, Field(ge=LEAST_PX, le=MOST_PX)] | Literal["native"] = "native"
    color: Literal["grey", "rgb", "native"] = "native"
    scaling: Literal["unit", "standardize"] = "unit"
    mean: Channels | None = None
    std: Channels | None = None
    val_frac: Annotated[float, Field(gt=0, lt=1)] = 0.15
    split_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    optimizer: Literal["adam", "adamw", "sgd", "muon"] = "adam"
    learning_rate: Annotated[float, Field(gt=0, le=1e30)] = 1e-3
    schedule: Literal["constant", "cosine", "one-cycle", "warm-up"] = "constant"
    batch_size: Count = 64
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 15
    weight_decay: Annotated[float, Field(ge=0, le=1e30)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    dropout: Literal["model", "off"] = "model"
    augmentation: Literal["none", "character-safe", "gentle"] = "none"
    unaugmented_frac: Annotated[float, Field(ge=0, lt=1)] = 0.0
    pretrained: bool = False
    stem: Literal["imagenet", "small", "light"] = "imagenet"
    stem_weights: Literal["adapt", "random"] = "adapt"
    keep_epoch: Literal["last", "best"] = "last"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    deterministic: bool = True
    keep_weights: Literal["all", "best", "none"] = "best"

    @model_validator(mode="after")
    def _take_recipe(self) -> Protocol:
        """Fill in the recipe's values for fields that were not given."""
        given = set(self.model_fields_set)
        for name, value in () if self.recipe is None else RECIPES[self.recipe].items():
            if name not in given:
                object.__setattr__(self, name, value)  # frozen, but not yet visible to callers
                self.__pydantic_fields_set__.add(name)
        return self

    @model_validator(mode="after")
    def _check_constants(self) -> Protocol:
        if (self.mean is None) != (self.std is None):
            raise ValueError("expected mean and std together, got one of them; try both or neither")
        if self.std is not None and min(self.std, default=0) <= 0:
            raise ValueError(f"expected every std above 0, got {list(self.std)}; try [0.3]")
        if self.mean is not None and self.std is not None and len(self.mean) != len(self.std):
            raise ValueError("expected as many means as stds; try one of each per channel")
        return self

    def is_of_recipe(self, name: str) -> bool:
        """Return whether a field has the value that the protocol's recipe gives it."""
        base = {} if self.recipe is None else RECIPES[self.recipe]
        return name in base and bool(getattr(self, name) == base[name])

    @property
    def is_published(self) -> bool:
        """Return whether weights are updated as in the published study, whatever else is set.

        That is Adam at a constant learning rate, chosen for pretrained networks at 224 px.
        """
        return not self.pretrained and all(self.is_default(name) for name in _PUBLISHED)

    @property
    def num_augmented_epochs(self) -> int:
        """Number of epochs, the first ones, that use `augmentation`."""
        return max(1, self.epochs - round(self.unaugmented_frac * self.epochs))


# fields whose values are valid alone but not in every combination: `_check_constants`
TOGETHER = ("mean", "std")
_PUBLISHED = ("optimizer", "learning_rate", "schedule", "weight_decay", "label_smoothing")


def without_effect(protocol: Protocol) -> dict[str, str]:
    """Return the settings that have no effect: {field: reason}.

    A setting without effect causes a warning, and `normalised` resets it, so that protocols with
    the same effect have the same identity.
    """
    found: dict[str, str] = {}
    if not protocol.pretrained and protocol.stem_weights != "adapt":
        found["stem_weights"] = "pretrained is false, every weight is random anyway"
    if protocol.scaling == "unit" and protocol.mean is not None:
        found["mean"] = found["std"] = 'scaling is "unit"; constants belong to "standardize"'
    if protocol.unaugmented_frac > 0 and protocol.augmentation == "none":
        found["unaugmented_frac"] = "no epoch changes the images"
    elif protocol.unaugmented_frac > 0 and protocol.num_augmented_epochs == protocol.epochs:
        found["unaugmented_frac"] = "it comes to no whole epoch after the first"
    return found


def normalised(protocol: Protocol) -> Protocol:
    """Return the protocol with settings that have no effect reset to their defaults.

    `unaugmented_frac` becomes the share that corresponds to its whole number of epochs.
    """
    share = (protocol.epochs - protocol.num_augmented_epochs) / protocol.epochs
    defaults = {name: Protocol.model_fields[name].default for name in without_effect(protocol)}
    return protocol.changed(**{"unaugmented_frac": share} | defaults)
