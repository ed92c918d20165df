"""Whether a model has learnt more than to name the largest class, whatever it is shown."""

from __future__ import annotations

from collections.abc import Sequence

# A model that names the largest class always has the accuracy of its share. Nearer to that than a
# tenth of the way to no mistakes, and below its double, a model is called near guessing: 12 or 18 %
# of ten classes, 53 % of two. The double keeps models apart that know 9 % of a thousand classes.
NEAR_FRAC = 0.1
NEAR_TIMES = 2.0


def largest_share(num_images_C: Sequence[int]) -> float:
    """Return the share of the largest class among images, 0 to 1; 0 without images."""
    return max(num_images_C, default=0) / max(sum(num_images_C), 1)


def is_near_guessing(accuracy_frac: float, largest_frac: float) -> bool:
    """Return whether an accuracy is at or near the share of the largest class, or below it.

    Args:
        accuracy_frac: share of right answers, 0 to 1.
        largest_frac: share of the largest class among the same images, 0 to 1.
    """
    near_frac = largest_frac + NEAR_FRAC * (1 - largest_frac)
    return accuracy_frac <= largest_frac or accuracy_frac < min(
        near_frac, NEAR_TIMES * largest_frac
    )
