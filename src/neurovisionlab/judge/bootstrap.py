"""Bootstrap of scores that are not means over images, such as macro F1.

Images are drawn with replacement, the same draws for all networks. Images with the same label and
the same predictions by all networks form a *pattern*; drawing how often each pattern occurs is
exact (multinomial distribution) and far cheaper than drawing images. Seeds need no draws: see
`stats.spread`.

Shape suffixes: R networks, N images, C classes, P patterns, B draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from neurovisionlab.core.metrics import Floats

Counts = NDArray[np.floating]  # numbers of images; float32 is exact up to 16 million

MACRO_SCORES = ("macro_f1", "macro_recall", "macro_precision")

COMMON = 8  # patterns of more images are drawn as such, the images of others one by one
CHUNK = 100  # draws per chunk: keeps memory small and caches warm


@dataclass(frozen=True)
class Patterns:
    """Distinct columns of (label, predictions of all networks), with the number of images of each.

    Patterns with at most `COMMON` images come last.

    Attributes:
        labels_P: true class, int64.
        predicted_RP: predicted class, int64.
        counts_P: number of images, int64.
        num_common: number of patterns with more than `COMMON` images.
    """

    labels_P: NDArray[np.int64]
    predicted_RP: NDArray[np.int64]
    counts_P: NDArray[np.int64]
    num_common: int


def patterns_of(predicted_RN: NDArray[np.integer], labels_N: NDArray[np.integer]) -> Patterns:
    """Group images into patterns, in an order independent of the order of images.

    Args:
        predicted_RN: predicted classes, integers [R, N].
        labels_N: true classes, integers [N].
    """
    rows = np.vstack([labels_N, predicted_RN])
    # big-endian bytes sort as the numbers do; two of them hold most numbers of classes
    kind = np.dtype(">u2") if rows.max(initial=0) < 1 << 16 else np.dtype(">u4")
    columns = np.ascontiguousarray(rows.T.astype(kind))
    keys = columns.view(np.dtype((np.void, columns.shape[1] * kind.itemsize))).ravel()
    _, first_P, counts_P = np.unique(keys, return_index=True, return_counts=True)
    order = np.argsort(counts_P <= COMMON, kind="stable")
    found = columns[first_P[order]].astype(np.int64)
    common = int((counts_P > COMMON).sum())
    return Patterns(found[:, 0], found[:, 1:].T, counts_P[order].astype(np.int64), common)


def drawn_counts(patterns: Patterns, num_draws: int, seed: int) -> Iterator[Counts]:
    """Yield float32 [P, up to CHUNK]: number of images of each pattern in resampled test sets."""
    rng = np.random.default_rng(seed)
    common_P, rare_P = np.split(patterns.counts_P, [patterns.num_common])
    owners = np.repeat(np.arange(len(rare_P)), rare_P)  # one entry for each image of a rare pattern
    num_images = int(patterns.counts_P.sum())
    shares = np.append(common_P, rare_P.sum()) / num_images
    for begin in range(0, num_draws, CHUNK):
        num = min(CHUNK, num_draws - begin)
        drawn = rng.multinomial(num_images, shares, size=num)
        counts_BP = np.empty((num, len(patterns.counts_P)), np.float32)
        counts_BP[:, : len(common_P)] = drawn[:, :-1]
        # draw by draw: a few thousand numbers stay in the L1 cache
        for row_P, rare in zip(counts_BP, drawn[:, -1], strict=True):
            picked = owners[rng.integers(0, max(1, len(owners)), rare, dtype=np.uint32)]
            row_P[len(common_P) :] = np.bincount(picked, minlength=len(rare_P))
        yield np.ascontiguousarray(counts_BP.T)


@dataclass(frozen=True)
class _Ledger:
    """Sparse matrices that turn counts of patterns into counts per class and network."""

    truth: sparse.csr_array  # [C, P]: images of a class
    missed: sparse.csr_array  # [R C, P]: images of a class, predicted wrongly
    false: sparse.csr_array  # [R C, P]: wrong predictions of a class


def _ledger(patterns: Patterns, num_classes: int) -> _Ledger:
    num_networks, num = patterns.predicted_RP.shape
    rows, columns = np.nonzero(patterns.predicted_RP != patterns.labels_P)
    named = patterns.predicted_RP[rows, columns]
    shape = (num_networks * num_classes, num)
    ones = np.ones(len(rows), np.float32)

    def sums(classes: NDArray[np.int64]) -> sparse.csr_array:
        return sparse.csr_array((ones, (rows * num_classes + classes, columns)), shape)

    own = (np.ones(num, np.float32), (patterns.labels_P, np.arange(num)))
    truth = sparse.csr_array(own, (num_classes, num))
    return _Ledger(truth, sums(patterns.labels_P[columns]), sums(named))


def _macro_scores(counts_PB: Counts, ledger: _Ledger) -> tuple[Floats, ...]:
    """Return macro F1, recall, precision, each [R, B], by the conventions of `metrics.score`."""
    truth_CB = ledger.truth @ counts_PB
    shape = (-1, *truth_CB.shape)
    missed_RCB = (ledger.missed @ counts_PB).reshape(shape)
    false_RCB = (ledger.false @ counts_PB).reshape(shape)
    hits_RCB = truth_CB - missed_RCB
    guesses_RCB = hits_RCB + false_RCB
    either_RCB = truth_CB + guesses_RCB
    seen_RB = np.maximum(1, (either_RCB > 0).sum(axis=1))
    # hits are 0 where the denominator is: a class without images or predictions scores 0
    lower = (either_RCB, np.broadcast_to(truth_CB, hits_RCB.shape), guesses_RCB)
    tops = (2 * hits_RCB, hits_RCB, hits_RCB)
    return tuple(
        (top / np.maximum(low, 1)).sum(axis=1, dtype=np.float64) / seen_RB
        for top, low in zip(tops, lower, strict=True)
    )


def macro_samples(
    patterns: Patterns, num_classes: int, num_draws: int, seed: int = 0
) -> dict[str, tuple[Floats, Floats]]:
    """Return {score: (value per network [R], value per network and resampled test set [R, B])}.

    Args:
        patterns: of all networks to be compared, so that they share their draws.
        num_classes: C; predictions and labels lie in 0..C-1.
        num_draws: B, at least 2.
        seed: seed of the draws.

    Returns:
        float64 scores in 0..1 for each of `MACRO_SCORES`.
    """
    ledger = _ledger(patterns, num_classes)
    whole = _macro_scores(patterns.counts_P[:, None].astype(np.float64), ledger)
    draws = [_macro_scores(chunk, ledger) for chunk in drawn_counts(patterns, num_draws, seed)]
    return {
        name: (score_R1[:, 0], np.concatenate([draw[place] for draw in draws], axis=1))
        for place, (name, score_R1) in enumerate(zip(MACRO_SCORES, whole, strict=True))
    }
