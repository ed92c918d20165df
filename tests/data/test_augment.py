"""A changed character is still that character: never mirrored, never out of range."""

from __future__ import annotations

import pytest
import torch

from neurovisionlab.data.augment import AUGMENTATIONS, character_safe, no_augmentation


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shapes_of_l(num: int, side: int = 28) -> torch.Tensor:
    """Return `num` bold L: a stem on the left, a foot at the bottom."""
    images = torch.zeros(num, 1, side, side)
    unit = side // 14
    images[:, :, 3 * unit : -3 * unit, 4 * unit : 6 * unit] = 1
    images[:, :, -5 * unit : -3 * unit, 4 * unit : -4 * unit] = 1
    return images


def distance(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return (one - other).square().sum((1, 2, 3))


def test_gentle_changes_are_the_same_at_half_of_the_strength() -> None:
    images = shapes_of_l(500)
    changed = distance(character_safe(images, chance()), images)
    halved = distance(AUGMENTATIONS["gentle"](images, chance()), images)
    assert (halved < changed).float().mean() > 0.95
    assert halved.min() > 0
    half = character_safe(images, chance(), strength=0.5)
    assert torch.equal(AUGMENTATIONS["gentle"](images, chance()), half)
    assert torch.allclose(character_safe(images, chance(), strength=0.0), images, atol=1e-5)


@pytest.mark.parametrize("axes", [[3], [2], [2, 3]], ids=["mirrored", "upside down", "turned"])
def test_a_character_is_never_flipped(axes: list[int]) -> None:
    images = shapes_of_l(2000)
    changed = character_safe(images, chance())
    closer_to_flipped = distance(changed, images) >= distance(changed, images.flip(axes))
    # strong bending may bring a few near; a flip of every second image would bring half of them
    assert closer_to_flipped.float().mean() < 0.03


def test_every_image_changes_in_its_own_way() -> None:
    images = shapes_of_l(50)
    changed = character_safe(images, chance())
    assert (distance(changed, images) > 1).all()
    assert (distance(changed[:-1], changed[1:]) > 1).all()


def test_changes_lean_to_no_side() -> None:
    """The middle of the ink stays, on average over many images, where it was."""

    def middle(images: torch.Tensor) -> torch.Tensor:
        places = torch.arange(images.shape[-1], dtype=torch.float32)
        ink = images.sum((1, 2, 3))
        across = (images.sum(2)[:, 0] * places).sum(1) / ink
        down = (images.sum(3)[:, 0] * places).sum(1) / ink
        return torch.stack([across, down], dim=1)

    images = shapes_of_l(2000)
    moved = middle(character_safe(images, chance())) - middle(images)
    assert moved.mean(0).abs().max() < 0.25  # pixels; four standard errors are 0.15
    assert moved.std(0).min() > 0.5
    assert moved.abs().max() < 28 / 4


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 5.0)])
def test_values_stay_in_range(low: float, high: float) -> None:
    images = torch.rand(64, 3, 17, 17, generator=chance(1)) * (high - low) + low
    changed = character_safe(images, chance())
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert changed.isfinite().all()
    assert changed.min() >= low - 1e-5
    assert changed.max() <= high + 1e-5


def test_one_colour_stays_one_colour() -> None:
    images = torch.full((8, 3, 20, 20), 0.7)
    torch.testing.assert_close(character_safe(images, chance()), images)


def test_all_channels_move_together() -> None:
    images = shapes_of_l(8).expand(-1, 3, -1, -1)
    changed = character_safe(images, chance())
    torch.testing.assert_close(changed[:, 0], changed[:, 2])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_same_state_gives_the_same_change(name: str) -> None:
    images = shapes_of_l(8)
    before = images.clone()
    one, same, other = (AUGMENTATIONS[name](images, chance(seed)) for seed in (5, 5, 6))
    assert torch.equal(one, same)
    assert torch.equal(one, other) == (name == "none")
    assert torch.equal(images, before), "the batch that was handed in is left alone"


def test_the_generator_alone_decides() -> None:
    images = shapes_of_l(4)
    torch.manual_seed(1)
    one = character_safe(images, chance())
    torch.manual_seed(2)
    assert torch.equal(one, character_safe(images, chance()))
    noise = chance()
    assert not torch.equal(character_safe(images, noise), character_safe(images, noise))


def test_no_augmentation_is_none() -> None:
    images = shapes_of_l(2)
    assert no_augmentation(images, chance()) is images
