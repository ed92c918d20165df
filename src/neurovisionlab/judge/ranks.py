"""Comparison of models across data sets: wins, ties, losses, mean ranks, and rank tests.

Every data set counts once, however many seeds it has. Where a model was not run on a data set,
ranks are derived from pairs, each averaged over the data sets with both models, so that a weak
opponent met often weighs no more than a strong one met once.

Shape suffixes: D data sets, M models, B draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from scipy import stats as distributions

from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.metrics import Floats
from neurovisionlab.core.protocol import PositiveInt
from neurovisionlab.judge.samples import DEFAULT_RULES, LOWER_IS_BETTER, Metric, Rules
from neurovisionlab.judge.stats import holm
from neurovisionlab.judge.verdicts import DatasetVerdicts, ModelEstimate, PairVerdict

FEWEST_DATASETS = 5
FEWEST_PAIRS = 6


class Refusal(Frozen):
    """A method that is not applied because it could not show anything here.

    `reason`: "ranks of few data sets" (a critical-difference diagram would show no difference
    whatever the scores), "p cannot get small" (an exact Wilcoxon test of five pairs never falls
    below 0.0625), or "cells are missing".
    """

    method: Literal["critical-difference diagram", "Wilcoxon signed-rank test"]
    reason: Literal["ranks of few data sets", "p cannot get small", "cells are missing"]
    needed: int
    got: int


class Standing(Frozen):
    """One model across data sets.

    `wins` and `losses` count verdicts of "better", `ties` those of "equivalent", `undecided` those
    of "cannot tell", about the models. `mean_rank` is 1 for a model that is first everywhere; its
    95 % interval concerns the same data sets with other seeds and test images. Null if the model
    shares no data set with one of the others.
    """

    model: str
    wins: int
    ties: int
    losses: int
    undecided: int
    mean_rank: float | None
    low: float | None
    high: float | None
    num_datasets: PositiveInt


class CriticalDifference(Frozen):
    """Friedman's test and Nemenyi's critical difference of mean ranks (Demšar 2006)."""

    friedman_chi2: float
    friedman_p: float
    critical_difference: float
    num_datasets: int


class SignedRanks(Frozen):
    """Wilcoxon's signed-rank test of two models over the data sets that have both.

    `leading` has the larger sum of ranks; null if the sums are equal. `p_holm` is corrected for the
    number of tested pairs.
    """

    a: str
    b: str
    leading: str | None
    p: float
    p_holm: float
    num_datasets: PositiveInt


class Overall(Frozen):
    """All models across all data sets, for one score.

    `is_balanced` is false if cells are missing and ranks were derived from pairs.
    """

    metric: Metric
    standings: tuple[Standing, ...]
    is_balanced: bool
    one_seed: bool
    critical: CriticalDifference | None
    refusals: tuple[Refusal, ...]
    signed_ranks: tuple[SignedRanks, ...] = ()


def friedman(scores_DM: Floats, higher_is_better: bool = True) -> tuple[Floats, float, float]:
    """Return mean ranks float64 [M], Friedman's χ² corrected for ties, and its p.

    Source: Friedman 1937; the correction as in Conover 1999, section 5.8.
    """
    ranks_DM = distributions.rankdata(-scores_DM if higher_is_better else scores_DM, axis=1)
    num_datasets, num_models = scores_DM.shape
    mean_M = ranks_DM.mean(axis=0)
    around = float(((ranks_DM - (num_models + 1) / 2) ** 2).sum()) / (num_models - 1)
    # without ties `around` is D M (M + 1)/12; it is 0 if all models score alike on every data set
    squares = num_datasets**2 * float(((mean_M - (num_models + 1) / 2) ** 2).sum())
    chi2 = squares / around if around > 0 else 0.0
    return mean_M, chi2, float(distributions.chi2.sf(chi2, num_models - 1))


def critical_difference(num_models: int, num_datasets: int, alpha: float = 0.05) -> float:
    """Return Nemenyi's critical difference of mean ranks (Demšar 2006, section 3.2.2)."""
    quantile = distributions.studentized_range.ppf(1 - alpha, num_models, np.inf) / 2**0.5
    return float(quantile * (num_models * (num_models + 1) / (6 * num_datasets)) ** 0.5)


def wilcoxon(differences: Sequence[float]) -> float | Refusal:
    """Return the two-sided p of Wilcoxon's signed-rank test, or the reason not to test.

    Args:
        differences: one per pair, of data sets or of seeds; with fewer than 6 the smallest exact p
            is 0.0625 or more.
    """
    if len(differences) < FEWEST_PAIRS:
        return _no_wilcoxon(len(differences))
    if not any(differences):
        return 1.0
    return float(distributions.wilcoxon(differences).pvalue)


def _no_wilcoxon(num: int, needed: int = FEWEST_PAIRS) -> Refusal:
    return Refusal(
        method="Wilcoxon signed-rank test",
        reason="p cannot get small",
        needed=needed,
        got=num,
    )


def overall(
    datasets: Sequence[DatasetVerdicts], metric: Metric, rules: Rules = DEFAULT_RULES
) -> Overall:
    """Summarise the verdicts of all data sets for one score.

    Args:
        datasets: verdicts of each data set; a model may be missing from some.
        metric: the score.
        rules: `num_draws` and `draw_seed` apply to the intervals of mean ranks.
    """
    models = sorted({one.model for data in datasets for one in _estimates(data, metric)})
    means_DM = np.array([_means(data, metric, models) for data in datasets])
    rng = np.random.default_rng(rules.draw_seed)
    drawn_BDM = np.stack([_drawn(data, (metric, models), rules, rng) for data in datasets], axis=1)
    sign = -1 if metric in LOWER_IS_BETTER else 1
    ranks_M = _mean_ranks(sign * means_DM[None])[0]
    ranks_BM = _mean_ranks(sign * drawn_BDM)
    standings = [
        _standing(model, datasets, metric, (ranks_M[place], ranks_BM[:, place]))
        for place, model in enumerate(models)
    ]
    standings.sort(key=lambda one: (one.mean_rank is None, one.mean_rank, one.model))
    critical, refusals = _critical(means_DM, metric)
    return Overall(
        metric=metric,
        standings=tuple(standings),
        is_balanced=bool(np.isfinite(means_DM).all()),
        one_seed=any(one.num_seeds == 1 for d in datasets for one in _estimates(d, metric)),
        critical=critical,
        refusals=refusals,
        signed_ranks=_signed_ranks(sign * means_DM, models),
    )


def _signed_ranks(scores_DM: Floats, models: Sequence[str]) -> tuple[SignedRanks, ...]:
    """Test every pair with enough data sets in common; larger scores are better."""
    if len(models) < 2:
        return ()
    needed = fewest_datasets(len(models))
    found: list[tuple[str, str, Floats, float]] = []
    for (i, a), (j, b) in combinations(enumerate(models), 2):
        gaps_D = scores_DM[:, i] - scores_DM[:, j]
        gaps_D = gaps_D[np.isfinite(gaps_D)]
        p = wilcoxon(gaps_D.tolist())
        if not isinstance(p, Refusal) and len(gaps_D) >= needed:
            found.append((a, b, gaps_D, p))
    corrected = holm([p for *_, p in found])
    return tuple(
        SignedRanks(
            a=a, b=b, leading=_leading(a, b, gaps_D), p=p, p_holm=p_holm, num_datasets=len(gaps_D)
        )
        for (a, b, gaps_D, p), p_holm in zip(found, corrected, strict=True)
    )


def fewest_datasets(num_models: int) -> int:
    """Return the number of data sets Wilcoxon's test needs for its corrected p to fall under 0.05.

    The smallest exact two-sided p of n pairs is 2^(1-n); Holm multiplies the smallest of all p by
    the number of pairs of models.

    >>> [fewest_datasets(num_models) for num_models in (2, 3, 4)]
    [6, 7, 8]
    """
    num_pairs = num_models * (num_models - 1) // 2
    return 1 + max(FEWEST_PAIRS - 1, math.floor(math.log2(num_pairs / 0.05)) + 1)


def _leading(a: str, b: str, gaps_D: Floats) -> str | None:
    balance = float((np.sign(gaps_D) * distributions.rankdata(np.abs(gaps_D))).sum())
    return None if balance == 0 else a if balance > 0 else b


def _estimates(data: DatasetVerdicts, metric: Metric) -> list[ModelEstimate]:
    return [one for one in data.estimates if one.metric == metric]


def _pairs(data: DatasetVerdicts, metric: Metric) -> list[PairVerdict]:
    return [pair for pair in data.pairs if pair.metric == metric]


def _means(data: DatasetVerdicts, metric: Metric, models: Sequence[str]) -> list[float]:
    value = {one.model: one.value for one in _estimates(data, metric)}
    return [value.get(model, np.nan) for model in models]


def _mean_ranks(scores_BDM: Floats) -> Floats:
    """Return [B, M] mean ranks; NaN scores are missing, NaN ranks lack a common data set."""
    num_models = scores_BDM.shape[2]
    ranks_BM = np.ones((len(scores_BDM), num_models))
    for one in range(num_models):
        for other in range(num_models):
            if one != other:
                gap_BD = scores_BDM[:, :, other] - scores_BDM[:, :, one]
                met_D = np.isfinite(gap_BD[0])
                if not met_D.any():
                    ranks_BM[:, one] = np.nan
                    continue
                # half a rank for equal scores
                ranks_BM[:, one] += (0.5 + np.sign(gap_BD[:, met_D]) / 2).mean(axis=1)
    return ranks_BM


def _drawn(
    data: DatasetVerdicts,
    of: tuple[Metric, Sequence[str]],
    rules: Rules,
    rng: np.random.Generator,
) -> Floats:
    """Draw [B, M] scores of one data set from the joint t distribution of its models' means.

    Covariances follow from the variances of single means and of differences; they represent the
    images that models share.
    """
    metric, models = of
    singles = {one.model: one for one in _estimates(data, metric)}
    present = [place for place, model in enumerate(models) if model in singles]
    names = [models[place] for place in present]
    variance_M = np.array([singles[name].standard_error ** 2 for name in names])
    covariance = np.diag(variance_M)
    for pair in _pairs(data, metric):
        a, b = names.index(pair.a), names.index(pair.b)
        shared = (variance_M[a] + variance_M[b] - pair.standard_error**2) / 2
        covariance[a, b] = covariance[b, a] = shared
    # entries are estimated one by one: drop negative eigenvalues
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    normal_BM = rng.standard_normal((rules.num_draws, len(names))) @ root.T
    df = min([one.df for one in singles.values()] + [pair.df for pair in _pairs(data, metric)])
    scale_B = np.sqrt(rng.chisquare(df, rules.num_draws) / df)
    drawn_BM = np.full((rules.num_draws, len(models)), np.nan)
    means_M = np.array([singles[name].value for name in names])
    drawn_BM[:, present] = means_M + normal_BM / scale_B[:, None]
    return drawn_BM


def _standing(
    model: str,
    datasets: Sequence[DatasetVerdicts],
    metric: Metric,
    ranks: tuple[float, Floats],
) -> Standing:
    rank, ranks_B = ranks
    mine = [p for data in datasets for p in _pairs(data, metric) if model in (p.a, p.b)]
    kinds = [pair.about_models for pair in mine]
    wins = sum(p.better == model for p in mine if p.about_models == "better")
    known = bool(np.isfinite(rank))
    low, high = np.percentile(ranks_B, [2.5, 97.5]) if known else (None, None)
    return Standing(
        model=model,
        wins=wins,
        ties=kinds.count("equivalent"),
        losses=kinds.count("better") - wins,
        undecided=kinds.count("cannot tell"),
        mean_rank=float(rank) if known else None,
        low=low,
        high=high,
        num_datasets=sum(any(e.model == model for e in _estimates(d, metric)) for d in datasets),
    )


def _critical(
    means_DM: Floats, metric: Metric
) -> tuple[CriticalDifference | None, tuple[Refusal, ...]]:
    num_datasets, num_models = means_DM.shape
    if num_models < 2:
        return None, ()
    needed = fewest_datasets(num_models)
    shared = max(
        int(np.isfinite(means_DM[:, i] - means_DM[:, j]).sum())
        for i, j in combinations(range(num_models), 2)
    )
    refusals = (_no_wilcoxon(shared, needed),) if shared < needed else ()
    no_diagram = _no_diagram(num_datasets, int(np.isfinite(means_DM).all(axis=1).sum()))
    if no_diagram:
        return None, (no_diagram, *refusals)
    _, chi2, p = friedman(means_DM, metric not in LOWER_IS_BETTER)
    found = CriticalDifference(
        friedman_chi2=chi2,
        friedman_p=p,
        critical_difference=critical_difference(num_models, num_datasets),
        num_datasets=num_datasets,
    )
    return found, refusals


def _no_diagram(num_datasets: int, num_complete: int) -> Refusal | None:
    few = num_datasets < FEWEST_DATASETS
    if not few and num_complete == num_datasets:
        return None
    return Refusal(
        method="critical-difference diagram",
        reason="ranks of few data sets" if few else "cells are missing",
        needed=FEWEST_DATASETS if few else num_datasets,
        got=num_datasets if few else num_complete,
    )
