"""Estimates of the seeds or test images that would decide an open comparison.

An order of magnitude, not a promise: the measured difference and the measured components of its
variance are taken as true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from neurovisionlab.core.frozen import Frozen
from neurovisionlab.judge.stats import SeedPart, Spread, is_equivalent, t_interval, t_test_p

MOST_SEEDS = 50
MOST_TIMES_IMAGES = 100
ENDLESS = 10**9


class WouldDecide(Frozen):
    """Additional seeds, or test images, that would lead to a verdict, the other unchanged.

    Attributes:
        more_seeds: additional seeds for each of the two models; null for more than 50, or if seeds
            cannot decide.
        seeds_help: false if the variance from images alone keeps the verdict open.
        more_images: additional test images, to one significant digit; null for more than 100 times
            as many, or if images cannot decide.
        images_help: false if the variance from seeds alone keeps the verdict open.
        outcome: the verdict reached first as the interval narrows.
    """

    more_seeds: int | None
    seeds_help: bool
    more_images: int | None
    images_help: bool
    outcome: Literal["better", "equivalent"]


@dataclass(frozen=True)
class Hurdle:
    """Criteria of a verdict: p times `num_tests` below `alpha`, or the 90 % interval in ±delta."""

    alpha: float
    num_tests: int
    delta: float | None


def would_decide(difference: float, parts: Spread, hurdle: Hurdle) -> WouldDecide:
    """Estimate the data that would decide a comparison that is open now.

    Args:
        difference: measured difference, taken as true.
        parts: its measured variance; without seed parts more seeds never help.
        hurdle: the criteria of a verdict.
    """

    def decided(more_seeds: int, more_images: int) -> bool:
        return _is_decided(difference, _grown(parts, more_seeds, more_images), hurdle)

    seeds_help = bool(parts.seeds) and decided(ENDLESS, 0)
    images_help = decided(0, ENDLESS)
    return WouldDecide(
        more_seeds=_first_seeds(lambda k: decided(k, 0)) if seeds_help else None,
        seeds_help=seeds_help,
        more_images=_first_images(lambda n: decided(0, n), parts.num_images)
        if images_help
        else None,
        images_help=images_help,
        outcome=_first_outcome(abs(difference), hurdle),
    )


def _first_outcome(size: float, hurdle: Hurdle) -> Literal["better", "equivalent"]:
    """Compare the standard errors at which the two verdicts are reached, with normal quantiles."""
    normal = NormalDist()
    for_better = size / normal.inv_cdf(1 - hurdle.alpha / hurdle.num_tests / 2)
    for_equivalent = ((hurdle.delta or 0.0) - size) / normal.inv_cdf(0.95)
    return "equivalent" if for_equivalent > for_better else "better"


def _first_seeds(decided: Callable[[int], bool]) -> int | None:
    return next((k for k in range(1, MOST_SEEDS + 1) if decided(k)), None)


def _first_images(decided: Callable[[int], bool], num_images: int) -> int | None:
    """Return the smallest number with one significant digit that decides; None if there is none."""
    steps = (digit * 10**power for power in range(1, 9) for digit in range(1, 10))
    within = (n for n in steps if n <= MOST_TIMES_IMAGES * num_images)
    return next((n for n in within if decided(n)), None)


def _is_decided(difference: float, parts: Spread, hurdle: Hurdle) -> bool:
    if t_test_p(difference, parts) * hurdle.num_tests < hurdle.alpha:
        return True
    return hurdle.delta is not None and is_equivalent(
        *t_interval(difference, parts, 0.90), hurdle.delta
    )


def _grown(parts: Spread, more_seeds: int, more_images: int) -> Spread:
    """Return the expected spread with more seeds and images: equal components, larger divisors."""
    num_images = parts.num_images + more_images
    rest_now = sum(part.residual for part in parts.seeds)
    images = max(0.0, parts.images - rest_now) * parts.num_images / num_images
    seeds = tuple(
        _grown_seeds(part, more_seeds, parts.num_images / num_images) for part in parts.seeds
    )
    return Spread(images + sum(part.residual for part in seeds), num_images, seeds)


def _grown_seeds(part: SeedPart, more_seeds: int, fewer: float) -> SeedPart:
    shrink = part.num_seeds / (part.num_seeds + more_seeds)
    own = max(0.0, part.between - part.residual) * shrink
    residual = part.residual * shrink * fewer
    return SeedPart(own + residual, residual, part.num_seeds + more_seeds)
