"""From bytes to batches: torchvision, Pillow and numpy are the judges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as vision

from neurovisionlab.data.batches import Batches, Scaling, Staged, grey, stage, statistics

CPU = torch.device("cpu")
UNIT = Scaling((0.0,), (1.0,))


def pictures(
    num: int = 7, size: tuple[int, int] = (12, 12), channels: int = 1
) -> NDArray[np.uint8]:
    rng = np.random.default_rng(num + channels)
    return rng.integers(0, 256, (num, *size, channels), dtype=np.uint8)


def batches_of(images_NHWC: NDArray[np.uint8], **fields: Any) -> Batches:
    staged = stage(images_NHWC, np.arange(len(images_NHWC)), to_grey=False, device=CPU)
    channels = images_NHWC.shape[3]
    asked = {"batch_size": 3, "image_px": 12, "channels": channels, "scaling": UNIT} | fields
    return Batches(staged=staged, **asked)


def all_images(batches: Batches) -> torch.Tensor:
    return torch.cat([images for images, _ in batches.in_order()])


@pytest.mark.parametrize("channels", [1, 3])
def test_unit_is_a_255th(channels: int) -> None:
    images = pictures(channels=channels)
    got = all_images(batches_of(images))
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got, images.transpose(0, 3, 1, 2) / 255, rtol=2e-7)
    assert got.min() >= 0
    assert got.max() <= 1


@pytest.mark.parametrize("num_constants", [1, 3])
def test_standardize_as_numpy_does(num_constants: int) -> None:
    images = pictures(channels=3)
    scaling = Scaling((0.4, 0.5, 0.6)[:num_constants], (0.2, 0.3, 0.25)[:num_constants])
    got = all_images(batches_of(images, scaling=scaling))
    wanted = (images / 255 - np.array(scaling.mean_C)) / np.array(scaling.std_C)
    np.testing.assert_allclose(got, wanted.transpose(0, 3, 1, 2), atol=2e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_are_numpys(channels: int) -> None:
    images = pictures(50, channels=channels)
    got = statistics(stage(images, np.arange(50), to_grey=False, device=CPU))
    np.testing.assert_allclose(got.mean_C, (images / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(got.std_C, (images / 255).std((0, 1, 2)), rtol=1e-12)


def test_own_statistics_give_mean_0_and_spread_1() -> None:
    images = pictures(40, channels=3)
    scaling = statistics(stage(images, np.arange(40), to_grey=False, device=CPU))
    got = all_images(batches_of(images, scaling=scaling)).double()
    np.testing.assert_allclose(got.mean((0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(got.std((0, 2, 3), correction=0), 1, atol=1e-6)


def test_pictures_of_one_colour_do_not_divide_by_nothing() -> None:
    images = np.full((4, 12, 12, 1), 77, np.uint8)
    scaling = statistics(stage(images, np.arange(4), to_grey=False, device=CPU))
    assert all_images(batches_of(images, scaling=scaling)).isfinite().all()


@pytest.mark.parametrize("size", [(28, 28), (8, 8), (20, 13), (64, 40)])
@pytest.mark.parametrize("image_px", [9, 16, 32])
def test_resizing_is_torchvisions(size: tuple[int, int], image_px: int) -> None:
    images = pictures(3, size, 3)
    got = all_images(batches_of(images, image_px=image_px))
    theirs = vision.resize(
        torch.from_numpy(images.transpose(0, 3, 1, 2) / 255).float(),
        [image_px, image_px],
        InterpolationMode.BILINEAR,
        antialias=True,
    )
    torch.testing.assert_close(got, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("image_px", [9, 16, 40])
def test_resizing_is_pillows(image_px: int) -> None:
    images = pictures(3, (28, 20))
    got = all_images(batches_of(images, image_px=image_px))[:, 0]
    for ours, picture in zip(got, images[..., 0], strict=True):
        floats = Image.fromarray(picture.astype(np.float32))
        theirs = np.asarray(floats.resize((image_px, image_px), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(ours * 255, theirs, atol=0.01)


def test_grey_is_pillows_luma() -> None:
    images = pictures(5, (30, 20), 3)
    ours = stage(images, np.arange(5), to_grey=True, device=CPU).images_NCHW
    theirs = np.stack([np.asarray(Image.fromarray(one).convert("L")) for one in images])
    assert ours.shape == (5, 1, 30, 20)
    assert ours.dtype == torch.uint8
    difference = np.abs(ours[:, 0].numpy().astype(int) - theirs)
    assert difference.max() <= 1  # Pillow rounds its weights to 16 bits
    assert difference.mean() < 0.01


def test_grey_keeps_black_white_and_grey() -> None:
    level = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    assert torch.equal(grey(level.expand(-1, 3, 2, 2)), level.expand(-1, -1, 2, 2))


def test_grey_in_pieces_is_grey_of_the_whole() -> None:
    images = torch.from_numpy(pictures(5000, (2, 2), 3).transpose(0, 3, 1, 2).copy())
    together = grey(images)
    assert torch.equal(together[4000:], grey(images[4000:]))


def test_grey_stays_as_it_is_when_grey_is_asked_for() -> None:
    images = pictures()
    staged = stage(images, np.arange(7), to_grey=True, device=CPU)
    np.testing.assert_array_equal(staged.images_NCHW, images.transpose(0, 3, 1, 2))


def test_grey_is_repeated_where_three_channels_are_asked_for() -> None:
    got = all_images(batches_of(pictures(), channels=3))
    assert got.shape == (7, 3, 12, 12)
    for channel in range(3):
        assert torch.equal(got[:, channel], all_images(batches_of(pictures()))[:, 0])


def test_three_constants_on_repeated_grey() -> None:
    scaling = Scaling((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    got = all_images(batches_of(pictures(), channels=3, scaling=scaling))
    wanted = (pictures() / 255 - np.array(scaling.mean_C)) / np.array(scaling.std_C)
    np.testing.assert_allclose(got, wanted.transpose(0, 3, 1, 2), atol=2e-6)


def test_in_order_is_in_order() -> None:
    batches = batches_of(pictures(7))
    labels = [labels.tolist() for _, labels in batches.in_order()]
    assert labels == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(batches) == 7


def epoch(batches: Batches, seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(batches.shuffled(torch.Generator().manual_seed(seed), torch.Generator()))


def test_an_epoch_shows_every_image_once_with_its_own_label() -> None:
    batches = batches_of(pictures(8))
    whole = all_images(batches)
    got = epoch(batches, 3)
    labels = torch.cat([labels for _, labels in got])
    assert sorted(labels.tolist()) == list(range(8))
    assert [len(one) for _, one in got] == [3, 3, 2]
    assert torch.equal(torch.cat([images for images, _ in got]), whole[labels])


def test_the_order_follows_its_generator() -> None:
    batches = batches_of(pictures(8))
    one, same, other = (
        torch.cat([labels for _, labels in epoch(batches, seed)]).tolist() for seed in (1, 1, 2)
    )
    assert one == same != other
    assert one != sorted(one)
    order, noise = torch.Generator().manual_seed(1), torch.Generator()
    first, second = (
        [labels.tolist() for _, labels in batches.shuffled(order, noise)] for _ in range(2)
    )
    assert first != second, "every epoch has its own order"


@pytest.mark.parametrize(
    ("num", "batch_size", "sizes"),
    [(7, 3, [3, 3]), (8, 3, [3, 3, 2]), (3, 1, [1, 1, 1]), (1, 3, [1]), (4, 8, [4])],
)
def test_a_last_image_alone_is_left_out(num: int, batch_size: int, sizes: list[int]) -> None:
    got = epoch(batches_of(pictures(num), batch_size=batch_size), 0)
    assert [len(labels) for _, labels in got] == sizes


def test_only_training_batches_are_augmented() -> None:
    def invert(images_BCHW: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        return 1 - images_BCHW

    plain, augmented = batches_of(pictures(6)), batches_of(pictures(6), augment=invert)
    assert torch.equal(all_images(plain), all_images(augmented))
    for (one, _), (other, _) in zip(epoch(plain, 0), epoch(augmented, 0), strict=True):
        assert torch.equal(1 - one, other)


def test_unaugmented_batches_see_the_same_images_as_they_are() -> None:
    augmented = batches_of(pictures(6), augment=lambda images_BCHW, noise: 1 - images_BCHW)
    plain = batches_of(pictures(6))
    pairs = zip(epoch(augmented.unaugmented(), 0), epoch(plain, 0), strict=True)
    assert all(torch.equal(one, other) for (one, _), (other, _) in pairs)


def test_augmentation_sees_the_models_size_before_scaling() -> None:
    seen: list[tuple[tuple[int, ...], float, float]] = []

    def look(images_BCHW: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        seen.append((tuple(images_BCHW.shape), float(images_BCHW.min()), float(images_BCHW.max())))
        return images_BCHW

    scaling = Scaling((0.5,), (0.1,))
    epoch(batches_of(pictures(3), image_px=10, channels=3, scaling=scaling, augment=look), 0)
    (shape, low, high) = seen[0]
    assert shape == (3, 1, 10, 10)
    assert 0 <= low < high <= 1


def test_making_batches_leaves_the_bytes_alone() -> None:
    batches = batches_of(pictures(7), scaling=Scaling((0.5,), (0.2,)), image_px=8)
    before = batches.staged.images_NCHW.clone()
    for _ in range(2):
        epoch(batches, 0)
        all_images(batches)
    assert torch.equal(batches.staged.images_NCHW, before)
    assert isinstance(batches.staged, Staged)
