"""The compact network: sizes, what it starts as, what it can take."""

from __future__ import annotations

import pytest
import torch

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.catalogue import MODELS
from neurovisionlab.learn.glyphnet import GlyphNet
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.survey import check
from neurovisionlab.learn.zoo import build, num_parameters

SIZES = ["glyphnet-small", "glyphnet", "glyphnet-medium", "glyphnet-large"]


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(("px", "channels"), [(8, 1), (28, 1), (32, 3), (45, 3), (224, 3)])
def test_it_takes_any_image_of_at_least_8_px(name: str, px: int, channels: int) -> None:
    assert check(name, ModelShape(px, channels, 7), Protocol())


@pytest.mark.parametrize(("name", "bytes_each"), [("glyphnet", 4), ("glyphnet-medium", 1)])
def test_weights_of_the_recipes_are_small(name: str, bytes_each: int) -> None:
    num = num_parameters(build(name, ModelShape(28, 1, 47), Protocol()))
    assert num * bytes_each < {4: 2, 1: 1}[bytes_each] * 2**20  # fp32, or an int8 each


@pytest.mark.parametrize(
    ("name", "revision", "widths", "depths"),
    [
        ("glyphnet-small", 1, (16, 32, 64), (1, 1, 1)),
        ("glyphnet", 1, (32, 64, 128), (1, 1, 1)),
        ("glyphnet-medium", 2, (32, 64, 128), (1, 2, 2)),
        ("glyphnet-large", 1, (64, 128, 256), (1, 1, 1)),
    ],
)
def test_a_network_that_changes_gets_another_revision(
    name: str, revision: int, widths: tuple[int, ...], depths: tuple[int, ...]
) -> None:
    assert MODELS[name].revision == revision
    assert str(build(name, ModelShape(28, 1, 7), Protocol())) == str(GlyphNet(7, 1, widths, depths))


@pytest.mark.parametrize("name", SIZES)
def test_its_first_layers_are_made_for_small_images_already(name: str) -> None:
    for stem in ("small", "light"):
        protocol = Protocol.model_validate({"stem": stem})
        assert not check(name, ModelShape(28, 1, 7), protocol)  # the setting has no effect
        model = build(name, ModelShape(28, 1, 7), protocol)
        assert model.stem(torch.zeros(1, 1, 28, 28)).shape[-1] == 14


def test_every_block_starts_as_its_shortcut() -> None:
    model = GlyphNet(5, 1)
    model.train()
    images_BCHW = torch.randn(4, 1, 28, 28)
    features_BCHW = model.stem(images_BCHW)
    for block in model.stages:
        out_BCHW = block(features_BCHW)
        torch.testing.assert_close(out_BCHW, block.shortcut(features_BCHW).relu())
        features_BCHW = out_BCHW
