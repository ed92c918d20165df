"""Which groups to hold out, so that their images come nearest to a share of all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Chosen = NDArray[np.bool_]  # [G], true for what is held out
Counts = NDArray[np.int64]  # [G, C], images of each group and class

_FEW = 12  # groups: all 2^12 ways of choosing among them are compared
_NEAR_FRAC = 0.01  # shares that differ by no more are equally good: classes decide
_NUM_STARTS = 8
_NUM_NEIGHBOURS = 512
_NUM_STEPS = 200

_Score = tuple[float, ...]


class _Task(NamedTuple):
    counts_GC: Counts
    frac: float

    def scores(self, held_SC: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return a row of four numbers for each way S of holding out; less is better, in order.

        Classes that would not be left, classes that are not held out, the distance to the share,
        the mean distance to the share of each class.
        """
        total_C = self.counts_GC.sum(axis=0)
        held_SC, total_C = held_SC[:, total_C > 0], total_C[total_C > 0]
        share_S = held_SC.sum(axis=1) / total_C.sum()
        miss_S = np.maximum(np.abs(share_S - self.frac), _NEAR_FRAC)
        uneven_S = np.abs(held_SC / total_C - share_S[:, None]).mean(axis=1)
        lost_S, absent_S = (held_SC == total_C).sum(axis=1), (held_SC == 0).sum(axis=1)
        return np.stack([lost_S, absent_S, miss_S.round(6), uneven_S.round(9)], axis=1)


def hold_out(counts_GC: Counts, frac: float, seed: int) -> Chosen:
    """Return which of two or more groups to hold out: some, not all.

    Every class stays on both sides where that can be; then the share of images comes as near to
    `frac` as can be, to a hundredth; then the classes are as even as can be. Of many groups
    (more than 12) nearly so, by search from random beginnings. `seed` decides between equals.
    """
    rng = np.random.default_rng(seed)
    task = _Task(counts_GC, frac)
    if len(counts_GC) <= _FEW:
        return _best_of_all(task, rng)
    found = [_improved(task, _start(task, rng), rng) for _ in range(_NUM_STARTS)]
    return min(found, key=lambda held: _score(task, held))


def _score(task: _Task, held: Chosen) -> _Score:
    return tuple(task.scores(task.counts_GC[held].sum(axis=0)[None])[0].tolist())


def _best_of_all(task: _Task, rng: np.random.Generator) -> Chosen:
    num_groups = len(task.counts_GC)
    numbers = rng.permutation(np.arange(1, 2**num_groups - 1))  # neither none nor all
    chosen_SG = (numbers[:, None] >> np.arange(num_groups) & 1).astype(bool)
    scores = task.scores(chosen_SG @ task.counts_GC)
    best: Chosen = chosen_SG[_first_of_best(scores)]
    return best


def _first_of_best(scores: NDArray[np.float64]) -> int:
    return int(np.lexsort(scores.T[::-1])[0])


def _start(task: _Task, rng: np.random.Generator) -> Chosen:
    """Return random groups, as many as come nearest to the share; at least one, not all."""
    order = rng.permutation(len(task.counts_GC))
    reached = np.cumsum(task.counts_GC[order].sum(axis=1)) / task.counts_GC.sum()
    held = np.zeros(len(order), dtype=bool)
    held[order[: np.abs(reached[:-1] - task.frac).argmin() + 1]] = True
    return held


def _improved(task: _Task, held: Chosen, rng: np.random.Generator) -> Chosen:
    """Move and exchange single groups while that is better."""
    held = held.copy()
    for _ in range(_NUM_STEPS):
        moves = _moves(held, rng)
        signed_GC = np.where(held[:, None], -task.counts_GC, task.counts_GC)
        now_C = task.counts_GC[held].sum(axis=0)
        changes = signed_GC[moves[:, 0]]
        changes = changes + np.where((moves[:, 1] >= 0)[:, None], signed_GC[moves[:, 1]], 0)
        scores = task.scores(now_C + changes)
        best = _first_of_best(scores)
        if tuple(scores[best].tolist()) >= _score(task, held):
            break
        for group in moves[best][moves[best] >= 0]:
            held[group] = not held[group]
    return held


def _moves(held: Chosen, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return [M, 2] pairs of groups that change sides; −1 where it is one group alone."""
    single = rng.permutation(len(held))[:_NUM_NEIGHBOURS]
    inside, outside = np.flatnonzero(held), np.flatnonzero(~held)
    pairs = np.stack([rng.choice(side, _NUM_NEIGHBOURS) for side in (inside, outside)], axis=1)
    return np.concatenate([np.stack([single, np.full(len(single), -1)], axis=1), pairs])
