"""Presets say what they claim, and `article` and `notebook` take a step on stand-ins."""

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from torchvision import models as torchvision_models

from house.source import ROOT
from neurovisionlab import Protocol, Study, Subset, api
from neurovisionlab.core.parse import parse_study
from neurovisionlab.core.recipes import RECIPES
from neurovisionlab.core.spec import warnings_of
from neurovisionlab.lab.executors import execute_here
from neurovisionlab.lab.named_files import PRESETS, shipped
from neurovisionlab.learn.catalogue import MODELS

TRIO = ("resnet18", "mobilenetv2", "vit-b16")
NOTEBOOKS = ("notebook", "notebook-kmnist", "notebook-svhn")


def test_every_preset_is_a_valid_study_of_its_own_name() -> None:
    for name in shipped(PRESETS):
        study = api.load_study(name)
        assert study.name == name
        assert study.description
        assert warnings_of(study) == []
        assert set(study.models) <= set(MODELS)


def test_article_is_the_text() -> None:
    study = api.load_study("article")
    protocol = study.protocol
    assert study.datasets == ("emnist-balanced", "kmnist", "svhn")
    assert study.models == TRIO
    assert (protocol.image_px, protocol.scaling, protocol.mean) == (224, "unit", None)
    assert (protocol.optimizer, protocol.learning_rate, protocol.schedule) == (
        "adam", 1e-3, "constant"
    )  # fmt: skip
    assert (protocol.batch_size, protocol.epochs, protocol.val_frac) == (64, 15, 0.15)
    assert (protocol.weight_decay, protocol.label_smoothing, protocol.dropout) == (0, 0, "off")
    assert (protocol.pretrained, protocol.stem, protocol.stem_weights) == (
        True, "imagenet", "adapt"
    )  # fmt: skip


def test_notebooks_are_the_code() -> None:
    constants = {
        "notebook": ("emnist-letters", (0.1751,), (0.3331,)),
        "notebook-kmnist": ("kmnist", (0.1918,), (0.3483,)),
        "notebook-svhn": ("svhn", (0.4380, 0.4440, 0.4730), (0.1751, 0.1771, 0.1744)),
    }
    for name, (dataset, mean, std) in constants.items():
        study = api.load_study(name)
        protocol = study.protocol
        assert (study.datasets, study.models) == ((dataset,), TRIO)
        assert (protocol.scaling, protocol.mean, protocol.std) == ("standardize", mean, std)
        assert (protocol.batch_size, protocol.val_frac) == (32, 0.2)
        assert (protocol.stem_weights, protocol.dropout) == ("random", "model")


def test_notebooks_differ_in_data_alone() -> None:
    for name in NOTEBOOKS[1:]:
        settings = {one.setting for one in api.difference("notebook", name)}
        assert settings == {"datasets", "protocol.mean", "protocol.std"}


def test_native_presets_train_from_scratch_for_characters() -> None:
    for name in ("native", "native-cpu"):
        protocol = api.load_study(name).protocol
        assert (protocol.image_px, protocol.pretrained) == ("native", False)
        assert protocol.augmentation == "character-safe" and protocol.schedule != "constant"
    assert len(api.load_study("native").seeds) == 5


def test_presets_from_scratch_take_the_recipe() -> None:
    taking = {
        name for name in shipped(PRESETS) if api.load_study(name).protocol.recipe == "small-images"
    }
    assert taking == {"quick", "letters-cpu", "trio-cpu", "native", "native-cpu"}


@pytest.mark.parametrize("name", ["README.md", "docs/extending.md"])
def test_study_files_of_the_documents_take_the_recipe(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    studies = [
        block for block in re.findall("```toml\n(.*?)```", text, re.DOTALL) if "models" in block
    ]
    assert studies
    for block in studies:
        assert parse_study(block).protocol.recipe == "small-images"


def test_ones_own_images_under_the_published_settings_get_a_line_that_names_the_recipe(
    tiny_npz: Path, tmp_path: Path
) -> None:
    def lines(dataset: str, protocol: Protocol) -> list[str]:
        models = ("vit-tiny", "glyphnet")  # no stem of the protocol changes these
        study = Study(name="s", datasets=(dataset,), models=models, protocol=protocol)
        messages = api.prepare(study, tiny_npz, tmp_path / "out").messages
        assert not any(line.startswith("warning: stem") for line in messages)
        return [line for line in messages if "recipe" in line and "since it was last" not in line]

    own, size = f"npz:{tiny_npz}", {"image_px": 16}
    (line,) = lines(own, Protocol(**size))
    assert line.startswith(own) and 'recipe = "small-images"' in line
    assert lines(own, Protocol(**size, learning_rate=0.01)) == []
    assert lines("digits", Protocol()) == []
    whole, instead = lines(own, Protocol(**size, recipe="small-images", epochs=3))
    for field, value in RECIPES["small-images"].items():
        assert f"{field} = {3 if field == 'epochs' else value}" in whole
    assert instead == "the study's own go before the recipe's epochs = 40"


def _idx(path: Path, array: np.ndarray) -> None:
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(head + array.tobytes(), 1))


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder in the official layout: noise, a few images a class."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)

    def noise(count: int, *shape: int) -> np.ndarray:
        return rng.integers(0, 256, (count, *shape), dtype=np.uint8)

    for kind, classes, first in (("balanced", 47, 0), ("letters", 26, 1)):
        for part, per_class in (("train", 3), ("test", 1)):
            labels = np.tile(np.arange(classes, dtype=np.uint8) + first, per_class)
            base = folder / "EMNIST" / "raw" / f"emnist-{kind}-{part}"
            _idx(base.with_name(f"{base.name}-images-idx3-ubyte.gz"), noise(len(labels), 28, 28))
            _idx(base.with_name(f"{base.name}-labels-idx1-ubyte.gz"), labels)
    (folder / "SVHN").mkdir()
    for part, idx, per_class in (("train", "train", 3), ("test", "t10k", 1)):
        labels = np.tile(np.arange(10, dtype=np.uint8), per_class)
        _idx(folder / "KMNIST" / "raw" / f"{idx}-images-idx3-ubyte.gz", noise(len(labels), 28, 28))
        _idx(folder / "KMNIST" / "raw" / f"{idx}-labels-idx1-ubyte.gz", labels)
        pictures = noise(len(labels), 32, 32, 3).transpose(1, 2, 3, 0)
        numbers = np.where(labels == 0, 10, labels)[:, None]
        scipy.io.savemat(folder / "SVHN" / f"{part}_32x32.mat", {"X": pictures, "y": numbers})
    return folder


@pytest.fixture(scope="module")
def made_up_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with files under the published names; a ViT's is made where it is wanted."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    torch.save(torchvision_models.resnet18().state_dict(), folder / "resnet18-f37072fd.pth")
    mobile = torchvision_models.mobilenet_v2().state_dict()
    torch.save(mobile, folder / "mobilenet_v2-b0353104.pth")
    return folder


def _one_step(study: Study, **changes: object) -> Study:
    """Return the preset with one step of two images: three train (two used), one validates."""
    protocol = study.protocol.model_copy(
        update={"batch_size": 2, "epochs": 1, "keep_weights": "none"}
    )
    small = {"protocol": protocol, "subset": Subset(train_images=4, test_images=2)}
    return study.model_copy(update=small | changes)


def _check_step(study: Study, data: Path, out: Path) -> None:
    run = api.prepare(study, data, out)
    for _, event in run.events(execute_here):
        assert "traceback" not in getattr(event, "model_fields_set", ())
    assert len(run.records()) == len(study.datasets) * len(study.models)
    for record in run.records():
        assert record.cell.image_px == 224
        assert record.cell.channels == (3 if record.cell.data.name == "svhn" else 1)
        assert record.cell.model_digest is not None


@pytest.mark.parametrize("name", ["article", *NOTEBOOKS])
def test_a_step_of_the_networks(
    name: str,
    stand_ins: Path,
    made_up_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NVL_WEIGHTS", str(made_up_weights))
    _check_step(_one_step(api.load_study(name), models=TRIO[:2]), stand_ins, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["article", *NOTEBOOKS])
def test_a_step_of_the_transformer(
    name: str,
    stand_ins: Path,
    made_up_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = made_up_weights / "vit_b_16-c867db91.pth"
    if not path.is_file():
        torch.save(torchvision_models.vit_b_16().state_dict(), path)
    monkeypatch.setenv("NVL_WEIGHTS", str(made_up_weights))
    _check_step(_one_step(api.load_study(name), models=TRIO[2:]), stand_ins, tmp_path)
