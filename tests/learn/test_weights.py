"""Pretrained weights, with checkpoints made here: right ones, and every wrong kind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models as torchvision_models

from neurovisionlab.core.errors import ModelError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.named_models import source_of
from neurovisionlab.learn.stems import summed
from neurovisionlab.learn.weight_files import read
from neurovisionlab.learn.zoo import build

PRETRAINED = Protocol(pretrained=True)
RANDOM_STEM = Protocol(pretrained=True, stem_weights="random")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of weights; the caches are empty and elsewhere."""
    own = tmp_path / "weights"
    own.mkdir()
    monkeypatch.setenv("NVL_WEIGHTS", str(own))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return own


def _distinct(model: nn.Module, seed: int = 3) -> nn.Module:
    """Give every weight and statistic a value of its own, so that no layer is at its default."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=chance)
                if name.endswith("running_var"):
                    tensor.copy_(1 + 0.1 * noise.abs())
                else:
                    tensor.add_(0.05 * noise)
    return model.eval()


def _answer(model: nn.Module, images_BCHW: Tensor) -> Tensor:
    with torch.no_grad():
        return model.eval()(images_BCHW)


def _images(px: int, channels: int = 3) -> Tensor:
    return torch.rand((2, channels, px, px), generator=torch.Generator().manual_seed(0))


# a file for each kind of name: (our name, px, file, the libraries' own model)
CASES = {
    "resnet18": (32, "resnet18-f37072fd.pth", torchvision_models.resnet18),
    "mobilenetv2": (32, "mobilenet_v2-b0353104.pth", torchvision_models.mobilenet_v2),
    "torchvision:squeezenet1_1": (
        64,
        "squeezenet1_1.pth",
        torchvision_models.squeezenet1_1,
    ),
    "torchvision:mobilenet_v2": (
        32,
        "mobilenet_v2.safetensors",
        torchvision_models.mobilenet_v2,
    ),
    "timm:test_resnet": (32, "test_resnet.safetensors", lambda: timm.create_model("test_resnet")),
    "timm:test_vit": (160, "test_vit.pth", lambda: timm.create_model("test_vit")),
    "timm:convnext_atto": (
        32,
        "convnext_atto.d2_in1k.safetensors",
        lambda: timm.create_model("convnext_atto"),
    ),
}


def _save(state: dict[str, Tensor], path: Path) -> None:
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    else:
        torch.save(state, path)


@pytest.mark.parametrize("name", list(CASES))
def test_loaded_model_answers_as_the_librarys(name: str, folder: Path) -> None:
    px, file, make = CASES[name]
    torch.manual_seed(0)
    theirs = _distinct(make())
    _save(theirs.state_dict(), folder / file)
    images = _images(px)
    expected = _answer(theirs, images)
    ours = build(name, ModelShape(px, 3, 1000), PRETRAINED)
    torch.testing.assert_close(_answer(ours, images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", list(CASES))
def test_grey_answers_as_colour_on_repeated_grey(name: str, folder: Path) -> None:
    px, file, make = CASES[name]
    torch.manual_seed(0)
    theirs = _distinct(make())
    _save(theirs.state_dict(), folder / file)
    grey = _images(px, channels=1)
    expected = _answer(theirs, grey.expand(-1, 3, -1, -1))
    ours = build(name, ModelShape(px, 1, 1000), PRETRAINED)
    torch.testing.assert_close(_answer(ours, grey), expected, rtol=1e-3, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    out=st.integers(1, 6),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 7),
    seed=st.integers(0, 2**16),
)
def test_summed_weights_see_grey_as_repeated_colour(
    out: int, kernel: int, stride: int, seed: int
) -> None:
    """Holds for every stem and patch embedding (stride = kernel); torch's conv2d is the judge."""
    chance = torch.Generator().manual_seed(seed)
    weight = torch.randn((out, 3, kernel, kernel), generator=chance, dtype=torch.float64)
    grey = torch.randn((2, 1, 9, 9), generator=chance, dtype=torch.float64)
    colour = nn.functional.conv2d(grey.expand(-1, 3, -1, -1), weight, stride=stride)
    ours = nn.functional.conv2d(grey, summed(weight, 1), stride=stride)
    torch.testing.assert_close(ours, colour)
    assert summed(weight, 3) is weight


@pytest.mark.slow
def test_vit_b16_answers_as_torchvisions(folder: Path) -> None:
    """The notebook's model: torchvision's file, our timm model, at its own size of 224 px."""
    torch.manual_seed(0)
    theirs = _distinct(torchvision_models.vit_b_16())
    state = {  # the published file has the older names
        k.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): v
        for k, v in theirs.state_dict().items()
    }
    torch.save(state, folder / "vit_b_16-c867db91.pth")
    images = _images(224)
    expected = _answer(theirs, images)
    for name in ("vit-b16", "torchvision:vit_b_16"):
        (folder / "vit_b_16.pth").unlink(missing_ok=True)
        ours = build(name, ModelShape(224, 3, 1000), PRETRAINED)
        torch.testing.assert_close(_answer(ours, images), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["resnet18", "torchvision:squeezenet1_1", "timm:test_vit"])
def test_other_class_count_gets_a_new_head_and_keeps_the_rest(name: str, folder: Path) -> None:
    px, file, make = CASES[name]
    torch.manual_seed(0)
    theirs = _distinct(make())
    _save(theirs.state_dict(), folder / file)
    torch.manual_seed(1)
    ours = build(name, ModelShape(px, 3, 7), PRETRAINED)
    assert _answer(ours, _images(px)).shape == (2, 7)
    same = [
        key
        for (key, tensor), other in zip(
            theirs.state_dict().items(), ours.state_dict().values(), strict=True
        )
        if tensor.shape == other.shape and torch.equal(tensor, other)
    ]
    unlike = set(theirs.state_dict()) - set(same)
    assert len(unlike) == 2, unlike  # the head's weight and bias


@pytest.mark.parametrize("name", ["resnet18", "torchvision:squeezenet1_1", "timm:test_vit"])
def test_random_stem_changes_the_first_layer_alone(name: str, folder: Path) -> None:
    px, file, make = CASES[name]
    torch.manual_seed(0)
    _save(_distinct(make()).state_dict(), folder / file)
    kept = build(name, ModelShape(px, 3, 1000), PRETRAINED).state_dict()
    drawn = build(name, ModelShape(px, 3, 1000), RANDOM_STEM).state_dict()
    unlike = {key.rpartition(".")[0] for key in kept if not torch.equal(kept[key], drawn[key])}
    assert unlike == {
        {"resnet18": "conv1", "timm:test_vit": "patch_embed.proj"}.get(name, "features.0")
    }


def test_gentler_stem_keeps_what_was_learnt(folder: Path) -> None:
    torch.manual_seed(0)
    theirs = _distinct(torchvision_models.resnet18())
    torch.save(theirs.state_dict(), folder / "resnet18-f37072fd.pth")
    ours = build("resnet18", ModelShape(32, 3, 10), Protocol(pretrained=True, stem="small"))
    first = ours.get_submodule("conv1")
    assert torch.equal(first.weight, theirs.conv1.weight) and first.stride == (1, 1)


@pytest.mark.parametrize(("px", "grid"), [(96, 6), (160, 10), (224, 14)])
def test_position_embeddings_are_resampled_to_the_image(px: int, grid: int, folder: Path) -> None:
    from timm.layers import resample_abs_pos_embed

    torch.manual_seed(0)
    theirs = _distinct(timm.create_model("test_vit"))
    _save(theirs.state_dict(), folder / "test_vit.safetensors")
    ours = build("timm:test_vit", ModelShape(px, 3, 1000), PRETRAINED)
    expected = resample_abs_pos_embed(theirs.pos_embed.detach(), [grid, grid], num_prefix_tokens=1)
    torch.testing.assert_close(ours.state_dict()["pos_embed"], expected)


def test_torchvision_position_embeddings_are_resampled(folder: Path) -> None:
    """torchvision's own interpolation is near, not equal: bicubic, but without antialiasing."""
    torch.manual_seed(0)
    theirs = torchvision_models.VisionTransformer(64, 32, 12, 12, 768, 3072, num_classes=5)
    torch.save(theirs.state_dict(), folder / "vit_b_32.pth")
    ours = build("torchvision:vit_b_32", ModelShape(96, 3, 5), PRETRAINED).state_dict()
    from torchvision.models.vision_transformer import interpolate_embeddings

    expected = interpolate_embeddings(96, 32, dict(theirs.state_dict()))
    key = "encoder.pos_embedding"
    torch.testing.assert_close(ours[key], expected[key], rtol=0, atol=0.02)
    assert ours[key].shape == (1, 10, 768)


def test_patch_embeddings_are_resampled(folder: Path) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model("test_vit", patch_size=8)
    _save(theirs.state_dict(), folder / "test_vit.safetensors")
    ours = build("timm:test_vit", ModelShape(160, 3, 1000), PRETRAINED)
    assert ours.state_dict()["patch_embed.proj.weight"].shape[-1] == 16
    assert ours.state_dict()["pos_embed"].shape[1] == 101


def test_small_vit_loads_what_it_saved(folder: Path) -> None:
    torch.manual_seed(0)
    first = build("vit-tiny", ModelShape(28, 1, 5), Protocol())
    save_file(first.state_dict(), folder / "vit-tiny.safetensors")
    again = build("vit-tiny", ModelShape(28, 1, 5), PRETRAINED)
    images = _images(28, 1)
    torch.testing.assert_close(_answer(again, images), _answer(first, images))


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("pickle-was-run",)


def _broken(kind: str, path: Path) -> None:
    if kind == "pickle":
        torch.save({"conv1.weight": _Evil()}, path)
        return
    torch.save(torchvision_models.resnet18(num_classes=5).state_dict(), path)
    content = path.read_bytes()
    path.write_bytes({"truncated": content[:5000], "empty": b"", "page": b"<html>"}[kind])


@pytest.mark.parametrize(
    ("kind", "said"),
    [("pickle", "tensors alone"), ("truncated", "a whole file"), ("empty", "a whole file"),
     ("page", "damaged file")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["resnet18", "timm:resnet18", "torchvision:resnet18"])
def test_broken_files(
    name: str, kind: str, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    _broken(kind, folder / "resnet18.pth")
    with pytest.raises(ModelError) as caught:
        build(name, ModelShape(32, 3, 5), PRETRAINED)
    text = str(caught.value)
    assert said in text and "resnet18.pth" in text and "; try " in text and "\n" not in text
    assert not (folder / "pickle-was-run").exists()


def test_truncated_safetensors(folder: Path) -> None:
    path = folder / "resnet18.safetensors"
    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="a whole file of weights"):
        read(path)


@pytest.mark.parametrize("content", [{"a": 1}, [torch.zeros(2)], {}, torch.zeros(3)])
def test_files_of_other_things(content: object, folder: Path) -> None:
    torch.save(content, folder / "x.pth")
    with pytest.raises(ModelError, match="tensors by name"):
        read(folder / "x.pth")


def test_training_checkpoints_are_unpacked(folder: Path) -> None:
    state = {"module.weight": torch.ones(2)}
    torch.save({"epoch": 3, "state_dict": state}, folder / "x.pth")
    assert torch.equal(read(folder / "x.pth")["weight"], torch.ones(2))


@pytest.mark.parametrize(
    ("name", "file", "other"),
    [
        ("resnet18", "resnet18.pth", torchvision_models.resnet34),
        ("torchvision:resnet18", "resnet18.pth", torchvision_models.resnet34),
        ("timm:resnet18", "resnet18.pth", lambda: timm.create_model("test_resnet")),
        ("timm:test_vit", "test_vit.pth", lambda: timm.create_model("test_vit2")),
        ("mobilenetv2", "mobilenetv2.pth", lambda: torchvision_models.mobilenet_v2(width_mult=0.5)),
    ],
)
def test_weights_of_another_model(name: str, file: str, other, folder: Path) -> None:
    torch.save(other().state_dict(), folder / file)
    px = 160 if "vit" in name else 32
    with pytest.raises(ModelError) as caught:
        build(name, ModelShape(px, 3, 1000), PRETRAINED)
    assert file in str(caught.value) and "\n" not in str(caught.value)


def test_missing_tensors_are_never_left_random(folder: Path) -> None:
    for name, make in (
        ("timm:test_resnet", lambda: timm.create_model("test_resnet")),
        ("torchvision:squeezenet1_1", torchvision_models.squeezenet1_1),
    ):
        state = dict(make().state_dict())
        gone = list(state)[4]
        del state[gone]
        _save(state, folder / f"{name.split(':')[1]}.safetensors")
        with pytest.raises(ModelError, match=gone):
            build(name, ModelShape(64, 3, 7), PRETRAINED)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet18", "resnet18-f37072fd.pth"),
        ("vit-b16", "vit_b_16-c867db91.pth"),
        ("timm:resnet18", "resnet18.safetensors"),
        ("torchvision:resnet50", "resnet50-"),
        ("vit-tiny", "vit-tiny.safetensors"),
    ],
)
def test_missing_weights_say_where_and_how(
    name: str, file: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    with pytest.raises(ModelError) as caught:
        source_of(name).weights()
    text = str(caught.value)
    assert file in text and str(folder) in text and "\n" not in text
    assert ("python -c" in text) == (name != "vit-tiny")


def test_caches_are_looked_into(folder: Path, tmp_path: Path) -> None:
    cached = tmp_path / "torch" / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"1")
    for name in ("resnet18", "torchvision:resnet18"):
        found = source_of(name).weights()
        assert (found.path, found.origin) == (cached, "torchvision resnet18-f37072fd.pth")

    hub = tmp_path / "hub" / "models--timm--test_vit.r160_in1k"
    (hub / "refs").mkdir(parents=True)
    (hub / "refs" / "main").write_text("abc")
    kept = hub / "snapshots" / "abc" / "model.safetensors"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"2")
    assert source_of("timm:test_vit").weights().path == kept

    (folder / "resnet18.pth").write_bytes(b"3")  # the user's own comes first
    assert source_of("resnet18").weights().path == folder / "resnet18.pth"


def test_weights_folder_that_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVL_WEIGHTS", str(folder / "nowhere"))
    with pytest.raises(ModelError, match="NVL_WEIGHTS: expected a folder"):
        source_of("resnet18").weights()
