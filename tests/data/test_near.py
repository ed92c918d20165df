"""The search for near copies against comparing every pair, and how its work grows."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.fft import dctn

from neurovisionlab.data import near as near_module
from neurovisionlab.data.near import Blocks, NearSearch

SIDE = 28


def smooth(num: int, seed: int = 0, side: int = SIDE) -> NDArray[np.uint8]:
    """Random pictures with structure: 7×7 noise enlarged."""
    small = np.random.default_rng(seed).integers(0, 256, (num, 7, 7, 1), dtype=np.uint8)
    return small.repeat(side // 7, axis=1).repeat(side // 7, axis=2)


def noisy(images_NHWC: NDArray[np.uint8], noise: int, seed: int = 0) -> NDArray[np.uint8]:
    """Add noise of each pixel of at most so much; 4 leaves copies near, 13 some, 20 none."""
    added = np.random.default_rng(seed).integers(-noise, noise + 1, images_NHWC.shape)
    return np.clip(images_NHWC + added, 0, 255).astype(np.uint8)


def clusters(num: int, size: int, noise: int = 4, seed: int = 0) -> NDArray[np.uint8]:
    """Return so many clusters of so many noisy copies, mixed."""
    mixed = np.random.default_rng(seed).permutation(num * size)
    return noisy(smooth(num, seed).repeat(size, axis=0)[mixed], noise, seed)


def fade(num: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return a picture that turns into another: neighbours are near, the ends are not."""
    one, other = smooth(2, seed).astype(float)
    share_N111 = np.linspace(0, 1, num)[:, None, None, None]
    blend = one * (1 - share_N111) + other * share_N111
    return noisy(np.round(blend).astype(np.uint8), 1, seed)


def searched(images_NHWC: NDArray[np.uint8]) -> NearSearch:
    search = NearSearch(images_NHWC, np.arange(len(images_NHWC)))
    search.find_groups()
    return search


def groups(group_M: NDArray[np.int64]) -> set[frozenset[int]]:
    """Return the groups of more than one."""
    found = (np.flatnonzero(group_M == number) for number in np.unique(group_M))
    return {frozenset(map(int, one)) for one in found if len(one) > 1}


def bits(image_HWC: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the hash as the definition says it, bit by bit."""
    grey_HW = image_HWC.mean(axis=2, dtype=np.float32)
    spectrum = np.zeros((8, 8), np.float32)
    low = dctn(grey_HW)[:8, :8]
    spectrum[: low.shape[0], : low.shape[1]] = low
    return np.asarray(spectrum.ravel()[1:] > 0)


def near_matrix(images_NHWC: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(np.corrcoef(images_NHWC.reshape(len(images_NHWC), -1)) >= 0.99)


def all_pairs(images_NHWC: NDArray[np.uint8]) -> set[tuple[int, int]]:
    """Compare every pair by the definition in the head of `data.near`."""
    hashes = [bits(image) for image in images_NHWC]
    found = set()
    for i, j in np.argwhere(np.triu(near_matrix(images_NHWC), 1)).tolist():
        same = hashes[i] == hashes[j]
        shares_band = any(same[first : first + 13].all() for first in range(0, 63, 13))
        if (~same).sum() <= 8 and shares_band:
            found.add((i, j))
    return found


def joined(num: int, pairs: set[tuple[int, int]]) -> set[frozenset[int]]:
    """Join pairs, one after the other."""
    group = {place: frozenset([place]) for place in range(num)}
    for one, other in pairs:
        both = group[one] | group[other]
        group |= dict.fromkeys(both, both)
    return {one for one in group.values() if len(one) > 1}


MIXTURES: dict[str, Callable[[int], NDArray[np.uint8]]] = {
    "unlike": lambda seed: smooth(60, seed),
    "clusters": lambda seed: clusters(4, 15, 4, seed),
    "at the limit": lambda seed: clusters(3, 20, 13, seed),
    "none near": lambda seed: clusters(2, 30, 20, seed),
    "fade": lambda seed: fade(60, seed),
    "all of it": lambda seed: np.concatenate(
        [smooth(20, seed + 1), clusters(2, 15, 4, seed), clusters(1, 15, 13, seed), fade(20, seed)]
    ),
    "2 px": lambda seed: np.random.default_rng(seed).integers(0, 256, (60, 2, 2, 1), np.uint8),
    "a row": lambda seed: np.random.default_rng(seed).integers(0, 256, (60, 1, 3, 1), np.uint8),
}


@pytest.mark.parametrize("is_narrow", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("mixture", MIXTURES)
def test_groups_are_those_of_all_pairs(
    mixture: str, seed: int, is_narrow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_narrow:  # whatever is done with more than 33 images in a bucket is done with four
        monkeypatch.setattr(near_module, "_NUM_NEIGHBOURS", 1)
        monkeypatch.setattr(near_module, "_MAX_RUN", 3)
        monkeypatch.setattr(near_module, "_PAIRS_AT_ONCE", 32)
    images_NHWC = MIXTURES[mixture](seed)
    search, expected = searched(images_NHWC), all_pairs(images_NHWC)
    assert search.is_complete
    assert groups(search.group_M) == joined(len(images_NHWC), expected)
    seen = {(int(min(pair)), int(max(pair))) for pair in search.pairs}
    assert seen <= expected
    assert joined(len(images_NHWC), seen) == joined(len(images_NHWC), expected)


def test_the_mixtures_hold_what_they_are_meant_to() -> None:
    """Without this the test above could compare nothing with nothing."""
    sizes = {
        name: sorted(len(one) for one in groups(searched(make(0)).group_M))
        for name, make in MIXTURES.items()
    }
    assert sizes["unlike"] == sizes["none near"] == []
    assert sizes["clusters"] == [15, 15, 15, 15]
    assert len(sizes["at the limit"]) > 1
    assert sizes["fade"][-1] >= 20
    (largest,) = [one for one in groups(searched(fade(60)).group_M) if len(one) >= 20]
    assert not near_matrix(fade(60)[sorted(largest)]).all()  # joined through others
    assert sizes["2 px"]
    assert sizes["a row"]


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    noise=st.sampled_from([2, 4, 13, 20]),
    seed=st.integers(0, 2**16),
)
def test_the_order_of_images_does_not_matter(sizes: list[int], noise: int, seed: int) -> None:
    images_NHWC = noisy(smooth(len(sizes), seed).repeat(sizes, axis=0), noise, seed)
    order = np.random.default_rng(seed).permutation(len(images_NHWC))
    there = groups(searched(images_NHWC[order]).group_M)
    back = {frozenset(int(order[place]) for place in one) for one in there}
    assert back == groups(searched(images_NHWC).group_M)


def _work_by_image(images_NHWC: NDArray[np.uint8]) -> NDArray[np.float64]:
    search = searched(images_NHWC)
    assert search.is_complete
    return np.array([search.num_compared, search.num_correlated]) / len(images_NHWC)


@pytest.mark.parametrize(
    "make",
    [
        lambda num: clusters(8, num // 8),
        lambda num: clusters(1, num),
        lambda num: clusters(num // 20, 20),
        fade,
    ],
    ids=["8 clusters", "one cluster", "clusters of 20", "fade"],
)
def test_work_grows_with_the_images_not_with_their_square(
    make: Callable[[int], NDArray[np.uint8]],
) -> None:
    few, many = _work_by_image(make(800)), _work_by_image(make(3200))
    # all pairs would be four times as many an image, and some 400 for one cluster of 800
    assert (many <= 2 * few + 1).all()
    assert (many <= [80, 8]).all()


def test_groups_that_cannot_be_near_are_not_compared_image_by_image() -> None:
    """Two large groups and strangers that share a band of bits."""
    images_NHWC = clusters(2, 200)
    search = NearSearch(images_NHWC, np.arange(400))
    search._hashes_M &= np.uint64((1 << 63) - (1 << 13))  # the others as they are
    search.find_groups()
    assert len(groups(search.group_M)) == 2
    assert search.num_compared < 20 * 400  # of 40,000 pairs between the two


@pytest.mark.parametrize(("name", "most"), [("MAX_CANDIDATES", 500), ("MAX_CORRELATIONS", 2)])
def test_a_search_that_gives_up_says_so(
    monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    images_NHWC = clusters(1, 100, noise=20)  # candidates all, near none
    assert searched(images_NHWC).is_complete
    monkeypatch.setattr(near_module, name, most)
    search = searched(images_NHWC)
    assert not search.is_complete
    assert search.num_compared <= 500 or name == "MAX_CORRELATIONS"
    assert search.num_correlated <= 200 or name == "MAX_CANDIDATES"


def test_partners_are_near_themselves_not_through_others() -> None:
    images_NHWC = fade(60)
    search = searched(images_NHWC)
    queries, members = np.arange(40, 60), np.arange(40)
    whole = Blocks(members, np.zeros(20, np.int64), np.full(20, 40))
    partner_Q = search.partners(queries, whole)
    near_QM = near_matrix(images_NHWC)[40:, :40]
    assert (partner_Q >= 0).tolist() == near_QM.any(axis=1).tolist()
    assert 0 < near_QM.any(axis=1).sum() < 20
    found = np.flatnonzero(partner_Q >= 0)
    assert near_QM[found, partner_Q[found]].all()


def test_no_image_is_its_own_partner() -> None:
    search = searched(smooth(3))
    own = Blocks(np.arange(3), np.arange(3), np.ones(3, np.int64))
    assert search.partners(np.arange(3), own).tolist() == [-1, -1, -1]


@pytest.mark.parametrize("num", [0, 1, 2])
def test_a_set_of_hardly_any_images(num: int) -> None:
    search = searched(smooth(num))
    assert search.group_M.tolist() == list(range(num))
    assert search.is_complete


def test_a_shadow_is_never_farther_than_its_image() -> None:
    """The reason why pairs with distant shadows need no comparison of pixels."""
    rng = np.random.default_rng(0)
    for shape in ((6, 28, 28, 1), (6, 9, 31, 3), (6, 3, 2, 3), (6, 64, 40, 1)):
        images_NHWC = rng.integers(0, 256, shape, dtype=np.uint8)
        shadows_MK = NearSearch(images_NHWC, np.arange(6))._shadows_MK
        rows_ND = images_NHWC.reshape(6, -1).astype(float)
        rows_ND -= rows_ND.mean(axis=1, keepdims=True)
        rows_ND /= np.linalg.norm(rows_ND, axis=1, keepdims=True)
        for i, j in itertools.combinations(range(6), 2):
            shadow = np.linalg.norm(shadows_MK[i] - shadows_MK[j])
            assert shadow <= np.linalg.norm(rows_ND[i] - rows_ND[j]) + 1e-5
        small = shape[1] <= 8 and shape[2] <= 8 and shape[3] == 1
        assert not small or np.allclose(np.linalg.norm(shadows_MK, axis=1), 1, atol=1e-5)
