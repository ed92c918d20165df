"""Groups of exact and near copies in a data set, counted per part."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.frozen import Frozen
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.near import Blocks, NearSearch, Pairs, Places

_NUM_EXAMPLES = 20


class Copies(Frozen):
    """Groups of copies, and their effect on each part of a data set.

    Attributes:
        num_within: {part: images to remove so that each group has one image left in it}. Equal
            images in a group of near copies count once.
        num_across: {"train/test": images of the second part with a copy in the first}.
        num_other_label: images in groups with more than one label.
        examples: pairs of positions in the whole data set; pairs across parts first.
        num_groups: groups of copies. None, like all following fields, in records of earlier
            versions.
        num_in_groups: images in groups.
        num_in_largest: images in the largest group.
        num_groups_across: groups with images of more than one part.
        num_groups_other_label: groups with more than one label.
    """

    num_within: dict[str, int]
    num_across: dict[str, int]
    num_other_label: int
    examples: tuple[tuple[int, int], ...]
    num_groups: int | None = None
    num_in_groups: int | None = None
    num_in_largest: int | None = None
    num_groups_across: int | None = None
    num_groups_other_label: int | None = None

    @property
    def num_images(self) -> int:
        """Number of copies within all parts and across them."""
        return sum(self.num_within.values()) + sum(self.num_across.values())


class _Grouped(NamedTuple):
    """Copies of one kind (exact or near).

    Attributes:
        group_N: number of each image's group, -1 outside of groups.
        item_N: images of a group with the same number here count as one.
        across: {"train/test": positions in the second part with a copy in the first}.
        pairs: pairs of copies: at least one per group, and per image in `across`.
    """

    group_N: NDArray[np.int64]
    item_N: NDArray[np.int64]
    across: Mapping[str, Places]
    pairs: Pairs


def contents_of(images_NHWC: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return int64 [N], equal for images with equal pixels (by a 128-bit BLAKE2 hash).

    Args:
        images_NHWC: the images.
    """
    hashes = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images_NHWC]
    return np.unique(np.array(hashes, "V16"), return_inverse=True)[1].astype(np.int64)


def exact_copies(images: ImageSet, contents_N: NDArray[np.int64]) -> Copies:
    """Return the groups of equal images.

    Args:
        images: the data set.
        contents_N: int64, from `contents_of`.
    """
    first_PG = _first_places(images, contents_N)
    own = np.arange(len(contents_N))
    part_N = _part_numbers(images)
    across, pairs = {}, [np.zeros((0, 2), np.int64)]
    for one, other in itertools.combinations_with_replacement(range(len(images.parts)), 2):
        first_N = first_PG[one][contents_N]
        where = np.flatnonzero((part_N == other) & (first_N >= 0) & (first_N != own))
        pairs.append(np.stack([first_N[where], where], axis=1))
        if one != other:
            across[_key(images, one, other)] = where
    is_grouped_N = np.bincount(contents_N)[contents_N] > 1
    group_N = np.where(is_grouped_N, contents_N, -1)
    return _copies(images, _Grouped(group_N, own, across, np.concatenate(pairs)))


def near_copies(
    images: ImageSet, contents_N: NDArray[np.int64], constant_N: NDArray[np.bool_]
) -> tuple[Copies, bool]:
    """Return the groups of near copies, and whether the search was complete.

    Equal images are compared once; constant images have no near copies.

    Args:
        images: the data set.
        contents_N: int64, from `contents_of`.
        constant_N: bool, whether an image has a single value.
    """
    is_chosen_G = np.ones(contents_N.max(initial=-1) + 1, np.bool_)
    is_chosen_G[contents_N[constant_N]] = False
    first_G = np.unique(contents_N, return_index=True)[1]
    node_N = np.where(is_chosen_G, np.cumsum(is_chosen_G) - 1, -1)[contents_N]
    search = NearSearch(images.images_NHWC, first_G[is_chosen_G])
    search.find_groups()
    across, pairs = _near_across(images, node_N, search)
    pairs.append(first_G[is_chosen_G][search.pairs])
    alone_M = np.bincount(search.group_M, minlength=1)[search.group_M] == 1
    group_M = np.append(np.where(alone_M, -1, search.group_M), -1)  # the last element is for -1
    grouped = _Grouped(group_M[node_N], node_N, across, np.concatenate(pairs))
    return _copies(images, grouped), search.is_complete


def _near_across(
    images: ImageSet, node_N: NDArray[np.int64], search: NearSearch
) -> tuple[dict[str, Places], list[Pairs]]:
    """Find images of each part with a near copy, not just a common group, in an earlier part.

    Returns:
        {"train/test": positions in the second part}, and pairs of positions.
    """
    first_PM = _first_places(images, node_N)
    part_N = _part_numbers(images)
    across, pairs = {}, []
    for one, other in itertools.combinations(range(len(images.parts)), 2):
        queries = np.flatnonzero(first_PM[other] >= 0)
        partner_Q = search.partners(queries, _by_group(search, first_PM[one] >= 0, queries))
        queries, partner_Q = queries[partner_Q >= 0], partner_Q[partner_Q >= 0]
        where = np.flatnonzero((part_N == other) & np.isin(node_N, queries))
        across[_key(images, one, other)] = where
        pairs.append(np.stack([first_PM[one][partner_Q], first_PM[other][queries]], axis=1))
    return across, pairs


def _by_group(search: NearSearch, chosen_M: NDArray[np.bool_], queries: Places) -> Blocks:
    """Return for each query the chosen images of its group."""
    members = np.flatnonzero(chosen_M)
    members = members[np.argsort(search.group_M[members], kind="stable")]
    sorted_M, wanted_Q = search.group_M[members], search.group_M[queries]
    first_Q = np.searchsorted(sorted_M, wanted_Q, side="left")
    return Blocks(members, first_Q, np.searchsorted(sorted_M, wanted_Q, side="right") - first_Q)


def _first_places(images: ImageSet, number_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return [P, numbers]: first position of each number in each part; -1 if it does not occur."""
    first_PM = np.full((len(images.parts), number_N.max(initial=-1) + 1), -1)
    for part, (first, stop) in enumerate(images.parts.values()):
        where = np.arange(first, stop)[number_N[first:stop] >= 0][::-1]
        first_PM[part, number_N[where]] = where
    return first_PM


def _part_numbers(images: ImageSet) -> NDArray[np.int64]:
    """Return the number of each image's part; outside of all parts, the number of parts."""
    numbers_N = np.full(len(images.labels_N), len(images.parts), dtype=np.int64)
    for number, (first, stop) in enumerate(images.parts.values()):
        numbers_N[first:stop] = number
    return numbers_N


def _key(images: ImageSet, one: int, other: int) -> str:
    names = list(images.parts)
    return f"{names[one]}/{names[other]}"


def _copies(images: ImageSet, grouped: _Grouped) -> Copies:
    """Count groups, and their effect on each part."""
    where = np.flatnonzero(grouped.group_N >= 0)
    group_K, part_K = grouped.group_N[where], _part_numbers(images)[where]
    mixed_K = np.isin(group_K, _groups_of_several(group_K, images.labels_N[where]))
    sizes_G = np.unique(group_K, return_counts=True)[1]
    num_within = {
        name: _num_extra(group_K[part_K == part], grouped.item_N[where][part_K == part])
        for part, name in enumerate(images.parts)
    }
    return Copies(
        num_within=num_within,
        num_across={pair: len(there) for pair, there in grouped.across.items()},
        num_other_label=int(mixed_K.sum()),
        examples=_examples(images, grouped.pairs),
        num_groups=len(sizes_G),
        num_in_groups=len(where),
        num_in_largest=int(sizes_G.max(initial=0)),
        num_groups_across=len(_groups_of_several(group_K, part_K)),
        num_groups_other_label=len(np.unique(group_K[mixed_K])),
    )


def _num_extra(group_K: NDArray[np.int64], item_K: NDArray[np.int64]) -> int:
    return len(_distinct(group_K, item_K)) - len(np.unique(group_K))


def _groups_of_several(group_K: NDArray[np.int64], value_K: NDArray[np.int64]) -> Places:
    """Return the groups whose images have more than one value."""
    groups, counts = np.unique(_distinct(group_K, value_K)[:, 0], return_counts=True)
    several: Places = groups[counts > 1]
    return several


def _distinct(one_K: NDArray[np.int64], other_K: NDArray[np.int64]) -> Pairs:
    """Return the distinct pairs of values, [D, 2]."""
    order = np.lexsort((other_K, one_K))
    pairs_K2 = np.stack([one_K[order], other_K[order]], axis=1)
    is_new_K = np.ones(len(order), np.bool_)
    is_new_K[1:] = (pairs_K2[1:] != pairs_K2[:-1]).any(axis=1)
    distinct: Pairs = pairs_K2[is_new_K]
    return distinct


def _examples(images: ImageSet, pairs: Pairs) -> tuple[tuple[int, int], ...]:
    """Return a few pairs, each in ascending order, pairs across parts first."""
    pairs = np.sort(pairs, axis=1)
    pairs = _distinct(pairs[:, 0], pairs[:, 1])
    part_N = _part_numbers(images)
    is_within = part_N[pairs[:, 0]] == part_N[pairs[:, 1]]
    chosen = pairs[np.argsort(is_within, kind="stable")][:_NUM_EXAMPLES]
    return tuple((int(one), int(other)) for one, other in chosen)
