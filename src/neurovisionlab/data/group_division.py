"""Choice of groups to hold out whose images come closest to a given share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Chosen = NDArray[np.bool_]  # [G], true for groups held out
CountsGC = NDArray[np.int64]  # [G, C], images per group and class
Sums = NDArray[np.int64]  # [S, C + C + 1], see `_Task`

_FEW = 12  # number of groups up to which all 2^12 choices are compared
_NEAR_FRAC = 0.01  # smaller deviations of shares count as equal: classes decide
_NUM_STARTS = 4
_NUM_NEIGHBOURS = 256
_NUM_STEPS = 200

_Score = tuple[float, ...]


class _Task(NamedTuple):
    """A problem of holding out groups.

    Attributes:
        table: [G, C + C + 1]: images of each class, whether there are any, and 1: sums over groups
            are images, groups of each class and groups.
        frac: share of images to hold out, 0..1.
        num_left: groups to leave, in all and of each class, for later splits.
    """

    table: NDArray[np.int64]
    frac: float
    num_left: int

    def scores(self, held: Sums) -> NDArray[np.float64]:
        """Return [S, 4]: the scores of each choice; less is better, in lexicographic order.

        Missing groups among those left, missing classes among those held out, distance to the
        share, mean distance to the share over classes.
        """
        num_classes = self.table.shape[1] // 2
        total = self.table.sum(axis=0)
        there_C = total[:num_classes] > 0
        total_C, held_SC = total[:num_classes][there_C], held[:, :num_classes][:, there_C]
        left = (total - held)[:, num_classes:][:, [*there_C, True]]
        share_S = held_SC.sum(axis=1) / total_C.sum()
        miss_S = np.maximum(np.abs(share_S - self.frac), _NEAR_FRAC)
        uneven_S = np.abs(held_SC / total_C - share_S[:, None]).mean(axis=1)
        lacking_S = np.maximum(self.num_left - left, 0).sum(axis=1)
        absent_S = (held_SC == 0).sum(axis=1)
        return np.stack([lacking_S, absent_S, miss_S.round(6), uneven_S.round(9)], axis=1)

    def score(self, held: Chosen) -> _Score:
        """Return the scores of one choice."""
        return tuple(self.scores(self.table[held].sum(axis=0)[None])[0].tolist())


def hold_out(counts_GC: CountsGC, frac: float, num_left: int, seed: int) -> Chosen:
    """Choose which of two or more groups to hold out: at least one, not all.

    At least `num_left` groups remain, also of each class, and every class is held out if possible;
    then the share of images is as close to `frac` as possible, to a hundredth; then the classes are
    as even as possible. For more than 12 groups this is approximate, by local search from random
    starts. `seed` decides between equals.

    Args:
        counts_GC: images of each group and class.
        frac: share of images to hold out, 0..1.
        num_left: groups to leave.
        seed: seed of the random choices.

    Returns:
        bool [G], true for groups held out.
    """
    rng = np.random.default_rng(seed)
    ones = np.ones((len(counts_GC), 1), np.int64)
    task = _Task(np.concatenate([counts_GC, counts_GC > 0, ones], axis=1), frac, num_left)
    if len(counts_GC) <= _FEW:
        return _best_of_all(task, rng)
    found = [_improved(task, _start(task, rng), rng) for _ in range(_NUM_STARTS)]
    return min(found, key=task.score)


def _best_of_all(task: _Task, rng: np.random.Generator) -> Chosen:
    num_groups = len(task.table)
    numbers = rng.permutation(np.arange(1, 2**num_groups - 1))  # neither none nor all
    chosen_SG = (numbers[:, None] >> np.arange(num_groups) & 1).astype(bool)
    best: Chosen = chosen_SG[_first_of_best(task.scores(chosen_SG @ task.table))]
    return best


def _first_of_best(scores: NDArray[np.float64]) -> int:
    return int(np.lexsort(scores.T[::-1])[0])


def _start(task: _Task, rng: np.random.Generator) -> Chosen:
    """Return random groups with about the share of images; at least one, not all."""
    sizes_G = task.table[:, : task.table.shape[1] // 2].sum(axis=1)
    order = rng.permutation(len(sizes_G))
    reached = np.cumsum(sizes_G[order]) / sizes_G.sum()
    held = np.zeros(len(order), dtype=bool)
    held[order[: np.abs(reached[:-1] - task.frac).argmin() + 1]] = True
    return held


def _improved(task: _Task, held: Chosen, rng: np.random.Generator) -> Chosen:
    """Move and exchange single groups while the score improves."""
    held = held.copy()
    now, score = task.table[held].sum(axis=0), task.score(held)
    for _ in range(_NUM_STEPS):
        moves = _moves(held, rng)  # [M, 2]
        signs = np.where(moves < 0, 0, np.where(held[moves], -1, 1))
        after = now + (signs[..., None] * task.table[moves]).sum(axis=1)
        scores = task.scores(after)
        best = _first_of_best(scores)
        if tuple(scores[best].tolist()) >= score:
            break
        now, score = after[best], tuple(scores[best].tolist())
        changed = moves[best][moves[best] >= 0]
        held[changed] = ~held[changed]
    return held


def _moves(held: Chosen, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return [M, 2] groups that change sides: two for an exchange, or one and −1."""
    single = rng.permutation(len(held))[:_NUM_NEIGHBOURS]
    inside, outside = np.flatnonzero(held), np.flatnonzero(~held)
    pairs = np.stack([rng.choice(side, _NUM_NEIGHBOURS) for side in (inside, outside)], axis=1)
    return np.concatenate([np.stack([single, np.full(len(single), -1)], axis=1), pairs])
