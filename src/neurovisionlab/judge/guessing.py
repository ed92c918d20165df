"""Test whether a model does better than always predicting the largest class."""

from __future__ import annotations

from collections.abc import Sequence

# A model that always predicts the largest class has the accuracy of its share. A model is near
# guessing if it closes less than a tenth of the distance from there to 1, and stays below twice the
# share: 12 or 18 % with ten classes, 53 % with two. The second condition spares models that reach 9
# % with a thousand classes.
NEAR_FRAC = 0.1
NEAR_TIMES = 2.0


def largest_share(num_images_C: Sequence[int]) -> float:
    """Return the share of the largest class among images, 0..1; 0 without images.

    Args:
        num_images_C: number of images of each class.
    """
    return max(num_images_C, default=0) / max(sum(num_images_C), 1)


def is_near_guessing(accuracy_frac: float, largest_frac: float) -> bool:
    """Return whether an accuracy is at, near or below the share of the largest class.

    Args:
        accuracy_frac: share of correct predictions, 0..1.
        largest_frac: share of the largest class among the same images, 0..1.
    """
    near_frac = largest_frac + NEAR_FRAC * (1 - largest_frac)
    return accuracy_frac <= largest_frac or accuracy_frac < min(
        near_frac, NEAR_TIMES * largest_frac
    )
