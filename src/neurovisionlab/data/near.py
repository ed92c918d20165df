"""Search for groups of nearly equal images, with few comparisons per image.

Near means: the Pearson correlation over all pixels (and channels) is at least `MIN_CORRELATION`, so
that brightness and contrast do not matter, while a shift or another handwriting does. Candidates
are pairs whose perceptual hashes differ in at most 8 of 63 bits (the signs of the 8 × 8 lowest
frequencies of the grey image's cosine transform, mean left out) and agree in at least one of 5
bands of bits (multi-index hashing, Norouzi et al. 2012). Hashes miss some pairs: in EMNIST letters
they find 65 of the 101 pairs of an exhaustive search.

A group is a connected component of near pairs. Two images of the same group need no comparison, so
that thousands of copies are as fast as thousands of different images: candidates are first compared
with neighbours, and then those still in different groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.data.looks import NUM_BITS, chunks, look, num_bits

# Two images are near copies if their pixels correlate at least this much. In EMNIST letters only
# single straight strokes do so without being copies; different street photographs do not.
MIN_CORRELATION = 0.99
_MAX_HAMMING = 8
_NUM_BANDS = 5
_BAND_BITS = -(-NUM_BITS // _NUM_BANDS)
# Limits at which the search stops and reports it. Hashes are compared in nanoseconds; pixels are
# not, and data sets of similar images without near copies could need N²/2 of either.
MAX_CANDIDATES = 500_000_000
MAX_CORRELATIONS = 100  # per image
_MAX_TRIES = 1024  # per image, among those of its group in another part
# number of neighbours in the order of hashes that each image is compared with first
_NUM_NEIGHBOURS = 16
# maximum number of images of one group with common bounds; bounds of more are too loose
_MAX_RUN = 128
# distance of two vectors of length one that correlate at 0.99; that of their shadows is no larger
_MAX_DISTANCE = float(np.sqrt(2 - 2 * MIN_CORRELATION)) + 1e-4
_PAIRS_AT_ONCE = 1 << 16

Pairs = NDArray[np.int64]  # [M, 2]
Places = NDArray[np.int64]


class Blocks(NamedTuple):
    """For each query a block of members: position of its first member, and its length (int64)."""

    members: Places
    first_Q: Places
    num_Q: Places


class NearSearch:
    """Search among chosen, mutually different images, which are numbered by their position in it.

    Attributes:
        group_M: number of each image's group; each image is its own group before `find_groups`.
        is_complete: false if a limit was reached before all candidates were compared.
        num_compared: pairs (or groups) of hashes compared so far.
        num_correlated: pairs whose pixels were compared so far.
    """

    def __init__(self, images_NHWC: NDArray[np.uint8], chosen_N: Places) -> None:
        self._images_NHWC, self._chosen_M = images_NHWC, chosen_N
        self._looks = look(images_NHWC, chosen_N)
        self._hashes_M, self._shadows_MK = self._looks.hashes_M, self._looks.shadows_MK
        self._found: list[Pairs] = [np.zeros((0, 2), np.int64)]
        self.group_M = np.arange(len(chosen_N))
        self.is_complete = True
        self.num_compared = self.num_correlated = 0
        self._allow(0, 0)

    @property
    def pairs(self) -> Pairs:
        """Near pairs found so far, int64 [M, 2]: not all, but enough to connect every group."""
        return np.concatenate(self._found)

    def find_groups(self) -> None:
        """Merge the groups of all near candidates."""
        self._allow(MAX_CANDIDATES, MAX_CORRELATIONS * len(self.group_M))
        for band in range(_NUM_BANDS):
            order, bucket_M = self._in_buckets(band)
            self._join_neighbours(order, bucket_M, band)
            self._join_rest(order, bucket_M, band)

    def partners(self, queries_Q: Places, among: Blocks) -> Places:
        """Return for each query [Q] a near image among the members of its block, or -1.

        Members are tried one after the other: most images of a group are near to most others.
        """
        self._allow(_MAX_TRIES * len(queries_Q), MAX_CORRELATIONS * len(queries_Q))
        partner_Q = np.full(len(queries_Q), -1)
        open_Q, row = np.flatnonzero(among.num_Q > 0), 0
        while len(open_Q) and self._may_compare(len(open_Q)):
            num = among.num_Q[open_Q]
            other = among.members[among.first_Q[open_Q] + (open_Q + row) % num]
            own = queries_Q[open_Q]
            near = (own != other) & self._are_near(own, other)
            partner_Q[open_Q[near]] = other[near]
            row += 1
            open_Q = open_Q[~near & (row < num)]
        return partner_Q

    # candidates

    def _in_buckets(self, band: int) -> tuple[Places, Places]:
        """Return images ordered by a band's bits, then by hash, and the numbers of their buckets.

        A bucket holds the images with equal bits in the band.
        """
        key_M = _band_of(self._hashes_M, band)
        low_M = self._hashes_M & np.uint64((1 << (64 - _BAND_BITS)) - 1)
        order = np.argsort((key_M << np.uint64(64 - _BAND_BITS)) | low_M, kind="stable")
        is_new_M = np.diff(key_M[order], prepend=np.uint64(1 << 63)) != 0
        return order, np.cumsum(is_new_M) - 1

    def _join_neighbours(self, order: Places, bucket_M: Places, band: int) -> None:
        """Compare each image with the next images of its bucket, cyclically."""
        first_B, num_B = _extents(bucket_M)
        place_M = np.arange(len(order))
        for row in range(1, _NUM_NEIGHBOURS + 1):
            if row.bit_count() == 1:  # at powers of two, skip buckets with a single group
                place_M = place_M[self._are_mixed(order, bucket_M, first_B)[bucket_M[place_M]]]
            place_M = place_M[num_B[bucket_M[place_M]] >= 2 * row]
            if not len(place_M) or not self._may_compare(len(place_M)):
                return
            first_M, num_M = first_B[bucket_M[place_M]], num_B[bucket_M[place_M]]
            other_M = first_M + (place_M - first_M + row) % num_M
            self._join(order[place_M], order[other_M], band)

    def _are_mixed(self, order: Places, bucket_M: Places, first_B: Places) -> NDArray[np.bool_]:
        """Return which buckets have images of more than one group."""
        if not len(order):
            return np.zeros(0, np.bool_)
        group_M = self.group_M[order]
        differs_M = group_M != group_M[first_B][bucket_M]
        mixed: NDArray[np.bool_] = np.logical_or.reduceat(differs_M, first_B)
        return mixed

    def _join_rest(self, order: Places, bucket_M: Places, band: int) -> None:
        """Compare images of different groups in buckets too large for `_join_neighbours`."""
        first_B, num_B = _extents(bucket_M)
        is_left_B = (num_B > 2 * _NUM_NEIGHBOURS + 1) & self._are_mixed(order, bucket_M, first_B)
        is_left_M = is_left_B[bucket_M]
        order, bucket_M = order[is_left_M], bucket_M[is_left_M]
        by_group = np.lexsort((self.group_M[order], bucket_M))
        members, bucket_M = order[by_group], bucket_M[by_group]
        runs = _runs(members, bucket_M, self.group_M[members], self._hashes_M[members])
        for one_P, other_P in self._alike(runs):
            self._join_runs(runs, one_P, other_P, band)

    def _alike(self, runs: _Runs) -> Iterator[tuple[Places, Places]]:
        """Yield pairs of runs of the same bucket whose hashes may be close, in batches."""
        at, step = np.arange(len(runs.stop_R)), 1
        held: list[Pairs] = []
        num_held = 0
        while len(at := at[at + step < runs.stop_R[at]]) and self._may_compare(len(at)):
            found = at[_least_bits(runs, at, at + step) <= _MAX_HAMMING]
            held.append(np.stack([found, found + step]))
            num_held += len(found)
            if num_held >= _PAIRS_AT_ONCE:
                yield _by_first(held)
                held, num_held = [], 0
            step += 1
        yield _by_first(held)

    def _join_runs(self, runs: _Runs, one_P: Places, other_P: Places, band: int) -> None:
        """Compare the images of one run with those of another, while their groups differ."""
        size = _PAIRS_AT_ONCE // 16
        while len(one_P):
            group_R = self.group_M[runs.members[runs.first_R]]
            apart = group_R[one_P] != group_R[other_P]
            one_P, other_P = one_P[apart], other_P[apart]
            num_P = np.cumsum(runs.num_R[one_P] * runs.num_R[other_P])
            take = max(1, int(np.searchsorted(num_P, size, side="right")))
            left, right = _products(runs, one_P[:take], other_P[:take])
            if not self._may_compare(len(left)):
                return
            self._join(left, right, band)
            one_P, other_P = one_P[take:], other_P[take:]
            size = min(2 * size, _PAIRS_AT_ONCE)

    # comparisons

    def _allow(self, num_compared: int, num_correlated: int) -> None:
        """Set the number of further comparisons allowed."""
        self._most_compared = self.num_compared + num_compared
        self._most_correlated = self.num_correlated + num_correlated

    def _may_compare(self, num: int) -> bool:
        """Return whether that many further comparisons are allowed, and count them."""
        if self.num_compared + num > self._most_compared:
            self.is_complete = False
            return False
        self.num_compared += num
        return True

    def _join(self, left: Places, right: Places, band: int) -> None:
        """Merge the groups of near pairs, skipping pairs of the same group."""
        apart = self.group_M[left] != self.group_M[right]
        left, right = left[apart], right[apart]
        differ = self._hashes_M[left] ^ self._hashes_M[right]
        close = num_bits(differ) <= _MAX_HAMMING
        for earlier in range(band):  # compared in that band already
            close &= _band_of(differ, earlier) != 0
        left, right = left[close], right[close]
        near = self._are_near(left, right)
        if near.any():
            self._link(left[near], right[near])

    def _link(self, left: Places, right: Places) -> None:
        self._found.append(np.stack([left, right], axis=1))
        num = len(self.group_M)
        edges = (self.group_M[left], self.group_M[right])
        from scipy.sparse import coo_matrix  # slow to import, and seldom needed
        from scipy.sparse.csgraph import connected_components

        graph = coo_matrix((np.ones(len(left), np.bool_), edges), shape=(num, num))
        joined = connected_components(graph, directed=False)[1]
        self.group_M = joined[self.group_M].astype(np.int64)

    def _are_near(self, left: Places, right: Places) -> NDArray[np.bool_]:
        """Return which pairs are near; pairs beyond the limit of correlations are not."""
        near = self._may_be_near(left, right)
        asked = np.flatnonzero(near)
        allowed = self._most_correlated - self.num_correlated
        if len(asked) > allowed:
            self.is_complete = False
            near[asked[allowed:]] = False
            asked = asked[:allowed]
        self.num_correlated += len(asked)
        near[asked] = self._correlations(left[asked], right[asked]) >= MIN_CORRELATION
        return near

    def _correlations(self, left: Places, right: Places) -> NDArray[np.float64]:
        """Return Pearson's correlation over all pixels and channels of each pair."""
        found = np.zeros(len(left))
        for some in chunks(len(left), self._images_NHWC[:1].size):
            one, other = left[some], right[some]
            products = np.einsum("nd,nd->n", self._centred(one), self._centred(other))
            found[some] = products / (self._looks.lengths_M[one] * self._looks.lengths_M[other])
        return found

    def _centred(self, which: Places) -> NDArray[np.float32]:
        """Return images as rows without their mean."""
        images_NHWC = self._images_NHWC[self._chosen_M[which]]
        rows_ND = images_NHWC.reshape(len(images_NHWC), -1)
        centred_ND: NDArray[np.float32]
        centred_ND = np.subtract(rows_ND, self._looks.means_M[which, None], dtype=np.float32)
        return centred_ND

    def _may_be_near(self, left: Places, right: Places) -> NDArray[np.bool_]:
        """Return which pairs have shadows close enough: the other pairs cannot be near."""
        near = np.zeros(len(left), np.bool_)
        for first in range(0, len(left), _PAIRS_AT_ONCE):
            some = slice(first, first + _PAIRS_AT_ONCE)
            gap = self._shadows_MK[left[some]] - self._shadows_MK[right[some]]
            near[some] = np.einsum("nk,nk->n", gap, gap) <= _MAX_DISTANCE**2
        return near


class _Runs(NamedTuple):
    """Consecutive images of one bucket and one group.

    Bits that all hashes of a run share, and that are inverted in all hashes of another run, give a
    lower bound on the distance of any two of them.

    Attributes:
        members: images, run after run.
        first_R, num_R: start of a run in `members`, and its length, at most `_MAX_RUN`.
        stop_R: number of the first run of the next bucket.
        ones_R, zeros_R: bits that are one, or zero, in all hashes of a run.
    """

    members: Places
    first_R: Places
    num_R: Places
    stop_R: Places
    ones_R: NDArray[np.uint64]
    zeros_R: NDArray[np.uint64]


def _runs(
    members: Places, bucket_M: Places, group_M: Places, hashes_M: NDArray[np.uint64]
) -> _Runs:
    """Split members, sorted by bucket and group, into runs."""
    if not len(members):
        none, bits = np.zeros(0, np.int64), np.zeros(0, np.uint64)
        return _Runs(members, none, none, none, bits, bits)
    is_new_M = (np.diff(bucket_M, prepend=-1) != 0) | (np.diff(group_M, prepend=-1) != 0)
    place_M = np.arange(len(members))
    since_M = place_M - np.maximum.accumulate(np.where(is_new_M, place_M, 0))
    first_R = np.flatnonzero(since_M % _MAX_RUN == 0)
    return _Runs(
        members,
        first_R,
        np.diff(first_R, append=len(members)),
        np.searchsorted(bucket_M[first_R], bucket_M[first_R], side="right").astype(np.int64),
        np.bitwise_and.reduceat(hashes_M, first_R),
        np.bitwise_and.reduceat(~hashes_M, first_R),
    )


def _least_bits(runs: _Runs, one_P: Places, other_P: Places) -> NDArray[np.uint8]:
    """Return a lower bound on the number of different bits for images of two runs."""
    sure = runs.ones_R[one_P] & runs.zeros_R[other_P]
    return num_bits(sure | (runs.zeros_R[one_P] & runs.ones_R[other_P]))


def _by_first(held: list[Pairs]) -> tuple[Places, Places]:
    """Return pairs of runs sorted by the first, so that comparisons share images."""
    one_P, other_P = np.concatenate([np.zeros((2, 0), np.int64), *held], axis=1)
    order = np.argsort(one_P, kind="stable")
    return one_P[order], other_P[order]


def _products(runs: _Runs, one_P: Places, other_P: Places) -> tuple[Places, Places]:
    """Return all pairs of an image of one run and an image of the other."""
    num_P = runs.num_R[one_P] * runs.num_R[other_P]
    pair = np.repeat(np.arange(len(num_P)), num_P)
    cell = np.arange(len(pair)) - np.repeat(np.cumsum(num_P) - num_P, num_P)
    row, column = np.divmod(cell, runs.num_R[other_P][pair])
    left, right = runs.first_R[one_P][pair] + row, runs.first_R[other_P][pair] + column
    return runs.members[left], runs.members[right]


def _extents(bucket_M: Places) -> tuple[Places, Places]:
    """Return start and size of each bucket, for sorted bucket numbers without gaps."""
    num_B = np.bincount(bucket_M)
    return np.cumsum(num_B) - num_B, num_B


def _band_of(words: NDArray[np.uint64], band: int) -> NDArray[np.uint64]:
    """Return the bits of one band of hashes."""
    return (words >> np.uint64(band * _BAND_BITS)) & np.uint64((1 << _BAND_BITS) - 1)
