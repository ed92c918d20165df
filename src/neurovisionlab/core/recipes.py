"""Named bases of a protocol: settings that belong together, chosen by validation accuracy.

A study selects a recipe by `[protocol] recipe = "small-images"`; fields that the study sets itself
take precedence. The name is not part of an identity, only the settings are.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

RecipeName = Literal["small-images"]

RECIPES: Mapping[RecipeName, Mapping[str, Any]] = MappingProxyType(
    {
        # For characters and signs of 28 to 64 px, from scratch, a thousand images and more; search:
        # docs/speed-log.md, "The recipe small-images", by benchmarks/recipes/small_images.py.
        "small-images": MappingProxyType(
            {
                "scaling": "standardize",
                "optimizer": "adamw",
                "learning_rate": 0.005,
                "schedule": "one-cycle",
                "batch_size": 32,
                "epochs": 40,
                "weight_decay": 0.05,
                "label_smoothing": 0.1,
                "augmentation": "character-safe",
                "unaugmented_frac": 0.2,
                "stem": "light",
            }
        ),
    }
)
