"""A model's state as a file: all of it, shared where it was shared, the same to the last bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from learn.odd_models import NUM_HIDDEN, Small, Tied, Types, Views
from learn.test_rehearsal import _run, own
from neurovisionlab.core.errors import ModelError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.checkpoint import Built, from_bytes, metadata_of, to_bytes
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.weight_files import read
from neurovisionlab.learn.zoo import build, num_parameters, weights_mib

SIZES = (3, 1, 16)
SHAPE = ModelShape(image_px=16, channels=1, num_classes=3)


def _trained(model: nn.Module, seed: int = 0) -> nn.Module:
    """Move a model's weights a few steps."""
    torch.manual_seed(seed)
    moved = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(3):
        model.train()(torch.rand(4, 1, 16, 16)).square().sum().backward()
        moved.step()
        moved.zero_grad()
    return model


def _answer(model: nn.Module) -> Tensor:
    images = torch.rand((5, 1, 16, 16), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return model.eval()(images)


@pytest.mark.parametrize(
    "name",
    ["tied", "views", "types", "late", "told", "lazy", "weight_norm", "old_weight_norm",
     "counting"],
)  # fmt: skip
def test_a_new_model_answers_the_same_to_the_last_bit(name: str) -> None:
    def made() -> nn.Module:
        torch.manual_seed(1)
        return build(own(name), SHAPE, Protocol())

    model = made()
    built = Built.of(model)
    _trained(model)
    expected = _answer(model)
    again = made()
    assert not torch.equal(_answer(made()), expected)
    from_bytes(again, to_bytes(model, {"cell_id": "x"}, built))
    assert torch.equal(_answer(again), expected)
    assert again.state_dict().keys() == model.state_dict().keys()
    assert to_bytes(again, {"cell_id": "x"}, built) == to_bytes(model, {"cell_id": "x"}, built)


def test_what_was_tied_comes_back_tied() -> None:
    content, again = to_bytes(_trained(Tied(*SIZES))), Tied(*SIZES)
    from_bytes(again, content)
    with torch.no_grad():
        again.again.weight.fill_(7)
    assert bool((again.middle.weight == 7).all()) and bool((again.weight_too == 7).all())
    kept = safetensors.torch.load(content)
    ways = {"middle.weight", "again.weight", "third.weight", "weight_too"}
    assert len(ways & kept.keys()) == len({"middle.bias", "third.bias"} & kept.keys()) == 1


def test_what_the_model_ties_later_than_it_is_built_comes_back_tied() -> None:
    model, again = Small(*SIZES), Small(*SIZES)
    model.extra, again.extra = nn.Linear(NUM_HIDDEN, 16), nn.Linear(NUM_HIDDEN, 16)
    model.extra.weight = model.middle.weight
    from_bytes(again, to_bytes(model))
    assert again.extra.weight is again.middle.weight


def test_views_of_a_part_share_memory_again() -> None:
    again = Views(*SIZES)
    from_bytes(again, to_bytes(_trained(Views(*SIZES))))
    with torch.no_grad():
        again.middle.weight.fill_(7)
    for part in (again.part, again.turned, again.same_data, again.flat):
        assert bool((part == 7).all())


def test_the_libraries_own_loader_reads_the_file(tmp_path: Path) -> None:
    """Hugging Face's `load_model` is the judge: it knows what a missing shared name means."""
    model, again = _trained(Tied(*SIZES)), Tied(*SIZES)
    (tmp_path / "it.safetensors").write_bytes(to_bytes(model))
    load_model(again, tmp_path / "it.safetensors")
    assert torch.equal(_answer(again), _answer(model))


def test_a_file_of_a_model_without_oddities_is_what_it_was() -> None:
    model = build("mobilenetv2", SHAPE, Protocol())
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    before = safetensors.torch.save(tensors, {"cell_id": "x"})
    assert to_bytes(model, {"cell_id": "x"}, Built.of(model)) == before
    again = build("mobilenetv2", SHAPE, Protocol())
    from_bytes(again, before)
    assert torch.equal(_answer(again), _answer(model))


def test_a_cell_with_shared_weights_is_kept(tiny_npz: Path) -> None:
    result = _run(tiny_npz, own("tied"))
    assert result.weights is not None
    shared = json.loads(metadata_of(result.weights)["shared"])
    assert shared["again.weight"] == shared["middle.weight"] == "weight_too"
    assert metadata_of(result.weights)["cell_id"] == result.record.cell_id
    # 256·16 + 16·16 + 16·3 weights, 4·16 - 16 + 3 biases: the shared ones once
    num = 256 * 16 + 16 * 16 + 16 * 3 + 3 * 16 + 3
    assert result.record.resources.num_parameters == num
    assert result.record.resources.weights_mib == num * 4 / 2**20


def test_shared_weights_of_a_library_are_kept_and_counted_once() -> None:
    model = build("timm:coat_lite_tiny", ModelShape(32, 1, 3), Protocol())
    judge = {id(one): one for one in model.parameters()}.values()
    assert num_parameters(model) == sum(one.numel() for one in judge)
    content = to_bytes(model)
    kept = sum(one.numel() * one.element_size() for one in safetensors.torch.load(content).values())
    assert weights_mib(model) == kept / 2**20
    assert len(json.loads(metadata_of(content)["shared"])) > 0
    again = build("timm:coat_lite_tiny", ModelShape(32, 1, 3), Protocol())
    from_bytes(again, content)
    state = again.state_dict()
    assert all(torch.equal(state[name], one) for name, one in model.state_dict().items())


def _same(one: nn.Module, other: nn.Module, but: tuple[str, ...]) -> bool:
    state = other.state_dict()
    return all(torch.equal(t, state[n]) for n, t in one.state_dict().items() if n not in but)


@pytest.mark.parametrize("saved_by", ["us", "safetensors", "torch"])
@pytest.mark.parametrize("name", [own("tied"), "timm:coat_lite_tiny"])
def test_pretrained_files_may_name_once_what_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, saved_by: str
) -> None:
    monkeypatch.setenv("NVL_WEIGHTS", str(tmp_path))
    shape = ModelShape(32, 3, 3)
    torch.manual_seed(9)
    model = build(name, shape, Protocol())
    stem = tmp_path / name.removeprefix("timm:").replace(":", ".")
    if saved_by == "us":
        stem.with_name(f"{stem.name}.safetensors").write_bytes(to_bytes(model))
    elif saved_by == "safetensors":
        save_model(model, f"{stem}.safetensors")
    else:
        kept = safetensors.torch.load(to_bytes(model))
        torch.save(kept, f"{stem}.pth")
    torch.manual_seed(1)
    assert _same(model, build(name, shape, Protocol(pretrained=True)), ())


def test_a_file_with_complex_and_shared_tensors_is_read_whole(tmp_path: Path) -> None:
    model = Types(*SIZES)
    (tmp_path / "it.safetensors").write_bytes(to_bytes(model))
    state = read(tmp_path / "it.safetensors")
    assert all(torch.equal(state[name], one) for name, one in model.state_dict().items())


@pytest.mark.parametrize("cut", [0, 4, 40, -8])
def test_a_damaged_file_is_said(cut: int) -> None:
    with pytest.raises(ModelError, match="a whole file of them"):
        from_bytes(Small(*SIZES), to_bytes(Small(*SIZES))[:cut])


def test_a_file_of_another_model_is_refused() -> None:
    for other in (Small(4, 1, 16), nn.Linear(2, 2), Views(*SIZES)):
        with pytest.raises(ModelError, match="expected the state of"):
            from_bytes(Small(*SIZES), to_bytes(other))
        with pytest.raises(ModelError, match="expected the state of"):
            from_bytes(other, to_bytes(Small(*SIZES)))


def test_a_state_that_is_on_no_device_is_refused() -> None:
    with torch.device("meta"):
        model: Any = Small(*SIZES)
    with pytest.raises(ModelError, match=r"first.weight, part of the state .* on meta"):
        to_bytes(model)
