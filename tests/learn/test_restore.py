"""A finished cell comes back as a model: the same bits, without the images it was trained on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from lab.fakes import tiny_cells
from neurovisionlab.core.errors import ModelError, StoreError
from neurovisionlab.core.predictions import CellResult
from neurovisionlab.data.sources import load
from neurovisionlab.learn import pace
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.named_models import source_of
from neurovisionlab.learn.restore import restore
from neurovisionlab.learn.run import run_cell
from neurovisionlab.learn.zoo import build

MODELS = {
    "table": "resnet18",
    "table, no normalisation": "vit-tiny",
    "table, ours": "glyphnet-small",
    "timm": "timm:mobilenetv3_small_050",
    "torchvision": "torchvision:shufflenet_v2_x0_5",
    "own": "learn.odd_models:tied",
    "own, with numbers in no file": "learn.odd_models:projected",
}


def _trained(folder: Path, model: str, **settings: Any) -> CellResult:
    given = {"keep_weights": "all", "epochs": 2, "batch_size": 16, "scaling": "standardize"}
    (cell,), home = tiny_cells(folder, (model,), **(given | settings))
    digests = [source_of(model).digest()]
    if cell.protocol.pretrained:
        digests.append(source_of(model).weights().digest)
    digest = "+".join(one for one in digests if one) or None
    return run_cell(cell.model_copy(update={"model_digest": digest}), lambda _: None, home)


def _images(folder: Path, result: CellResult, part: str) -> np.ndarray:
    _, home = tiny_cells(folder)
    images = load(result.record.cell.data_ref, home)
    return images.images_NHWC[result.predictions[part].indices_N]


def _assert_the_same(folder: Path, result: CellResult) -> None:
    restored = restore(result.record, result.weights)
    for part in ("val", "test"):
        logits_NC = restored.logits(_images(folder, result, part))
        np.testing.assert_array_equal(logits_NC, result.predictions[part].logits_NC)


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_answers_the_same_bits(tiny_npz: Path, kind: str) -> None:
    result = _trained(tiny_npz, MODELS[kind], image_px=32)
    _assert_the_same(tiny_npz, result)


@pytest.mark.parametrize(
    "settings",
    [
        {"color": "rgb", "image_px": 16},
        {"scaling": "unit", "stem": "small", "batch_size": 7},
        {"precision": "bf16", "optimizer": "muon"},
        {"keep_epoch": "best", "epochs": 4, "dropout": "off"},
    ],
    ids=str,
)
def test_a_model_answers_the_same_bits_under_every_protocol(
    tiny_npz: Path, settings: dict[str, Any]
) -> None:
    _assert_the_same(tiny_npz, _trained(tiny_npz, "glyphnet-small", **settings))


@pytest.mark.parametrize("stem", ["imagenet", "small"])
def test_a_pretrained_model_comes_back_without_the_weights_it_began_with(
    tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stem: str
) -> None:
    monkeypatch.setenv("NVL_WEIGHTS", str(tmp_path))
    (cell,), _ = tiny_cells(tiny_npz, ("resnet18",))
    file = tmp_path / "resnet18.safetensors"
    published = build("resnet18", ModelShape(224, 3, 1000), cell.protocol)
    safetensors.torch.save_file(published.state_dict(), file)
    result = _trained(tiny_npz, "resnet18", pretrained=True, stem=stem)
    assert result.record.weights_source is not None
    file.unlink()
    _assert_the_same(tiny_npz, result)


def test_the_order_of_numbers_in_memory_is_taken_from_the_record(
    tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVL_TRY_FORMATS", "1")
    monkeypatch.setattr(pace, "STEPS_WORTH_A_TRIAL", 1)
    monkeypatch.setattr(pace, "MARGIN", 0.0)  # the other one is always taken
    result = _trained(tiny_npz, "resnet18")
    assert result.record.execution is not None
    assert result.record.execution.memory_format == "contiguous"
    monkeypatch.setattr(pace, "_Trial", None)  # nothing is timed
    _assert_the_same(tiny_npz, result)
    model = restore(result.record, result.weights).model
    weights = [one for one in model.parameters() if one.ndim == 4 and one.shape[1] > 1]
    assert all(one.is_contiguous() for one in weights)


def test_other_images_are_brought_to_what_the_model_knows(tiny_npz: Path) -> None:
    result = _trained(tiny_npz, "glyphnet-small")
    restored = restore(result.record, result.weights)
    grey = _images(tiny_npz, result, "test")
    as_colour = np.repeat(grey, 3, axis=3)
    np.testing.assert_allclose(restored.logits(as_colour), restored.logits(grey), atol=1e-5)
    larger = np.repeat(np.repeat(grey, 2, axis=1), 2, axis=2)
    assert restored.logits(larger).shape == (len(grey), 3)
    assert not restored.model.training


def test_a_cell_without_weights_says_why(tiny_npz: Path) -> None:
    for settings, why in (
        ({"keep_weights": "none"}, 'keep_weights = "none"'),
        ({"optimizer": "sgd", "learning_rate": 1e6}, "it diverged"),
    ):
        result = _trained(tiny_npz, "glyphnet-small", **settings)
        with pytest.raises(StoreError, match=f"expected weights, got none: {why}"):
            restore(result.record, result.weights)


def test_a_record_of_an_earlier_version_says_what_is_missing(tiny_npz: Path) -> None:
    result = _trained(tiny_npz, "glyphnet-small", epochs=1)
    for missing in ("preprocessing", "execution"):
        record = result.record.changed(**{missing: None})
        with pytest.raises(StoreError, match="expected what its images went through, got none"):
            restore(record, result.weights)


def test_weights_that_are_another_cells_are_refused(tiny_npz: Path) -> None:
    mine = _trained(tiny_npz, "glyphnet-small", epochs=1)
    other = _trained(tiny_npz, "vit-tiny", epochs=1)
    with pytest.raises(ModelError, match="expected its own weights, got those of"):
        restore(mine.record, other.weights)
    assert mine.weights is not None
    head, tensors = safetensors.torch.load(mine.weights), {}
    for name, tensor in head.items():
        tensors[name] = torch.zeros(2, 2) if tensor.ndim == 4 else tensor
    metadata = {"cell_id": mine.record.cell_id}
    with pytest.raises(ModelError, match="weights: expected the state of"):
        restore(mine.record, safetensors.torch.save(tensors, metadata))
    length = int.from_bytes(mine.weights[:8], "little")
    for spoilt in (
        mine.weights[:-100],
        mine.weights[:8] + b"[" * length + mine.weights[8 + length :],
        *(_with_metadata(mine.weights, odd) for odd in (None, [1], {"cell_id": 5})),
    ):
        with pytest.raises(ModelError, match="expected a whole file of them"):
            restore(mine.record, spoilt)


def _with_metadata(weights: bytes, metadata: object) -> bytes:
    """Return a file of weights with other metadata in its header."""
    length = int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8 : 8 + length]) | {"__metadata__": metadata}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + weights[8 + length :]


def test_restoring_leaves_random_numbers_as_they_were(tiny_npz: Path) -> None:
    result = _trained(tiny_npz, "glyphnet-small", epochs=1)
    before = torch.get_rng_state()
    restore(result.record, result.weights)
    assert torch.equal(torch.get_rng_state(), before)


def test_code_that_changed_since_is_refused(
    tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "nets_that_came_back.py"
    code.write_text(
        "from torch import nn\n\n"
        "def net(num_classes, channels, image_px):\n"
        "    size = channels * image_px**2\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(size, num_classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    result = _trained(tiny_npz, "nets_that_came_back:net", epochs=1)
    _assert_the_same(tiny_npz, result)
    code.write_text(code.read_text() + "# better now\n")
    sys.modules.pop("nets_that_came_back")
    with pytest.raises(ModelError, match="it changed since it was trained"):
        restore(result.record, result.weights)
