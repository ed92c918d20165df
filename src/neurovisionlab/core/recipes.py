"""Named bases of a protocol: settings that belong together, found on validation.

A study names one by `[protocol] recipe = "small-images"`; every field that it sets itself goes
before the recipe's. The name enters no identity: what counts are the settings it stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

RecipeName = Literal["small-images"]

RECIPES: Mapping[RecipeName, Mapping[str, Any]] = MappingProxyType(
    {
        # Characters and signs of 28 to 64 px, from scratch, a thousand images and more; found as in
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
