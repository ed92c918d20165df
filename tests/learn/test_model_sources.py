"""The four kinds of models: each checks, identifies, builds itself and knows its weights and size.

One model of each kind, the same questions; what is peculiar to a kind is tested beside it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from neurovisionlab.core.errors import ModelError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn.model_source import ModelShape, ModelSource
from neurovisionlab.learn.named_models import source_of
from neurovisionlab.learn.own_model import OwnModel
from neurovisionlab.learn.table_model import TableModel
from neurovisionlab.learn.timm_model import TimmModel
from neurovisionlab.learn.torchvision_model import TorchvisionModel

SOURCE = """
from torch import nn

def net(num_classes, channels, image_px):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_px**2, num_classes))
"""


@dataclass(frozen=True)
class Expected:
    """What a model's source must answer."""

    kind: type[ModelSource]
    misspelt: str
    like: tuple[str, str]  # a pattern, and a name that it matches
    digest: str | None = None
    native_px: int = 28
    usual: tuple[int, int] = (1, 10)  # channels and classes
    stem: bool = False  # whether it keeps its own where "small" is asked for
    is_listed: bool = False
    is_code: bool = False
    file: str = ""  # of weights, in a user's folder
    publisher: str | None = None


SHA = hashlib.sha256(SOURCE.encode()).hexdigest()
CASES = {
    "glyphnet-medium": Expected(
        TableModel, "glyphnet-medim", ("glyph*", "glyphnet-medium"), digest="revision 2", stem=True,
        is_listed=True, file="glyphnet-medium.safetensors",
    ),
    "resnet18": Expected(
        TableModel, "resnet19", ("res*", "resnet18"), is_listed=True, file="resnet18.safetensors",
        publisher="torchvision resnet18-f37072fd.pth",
    ),
    "timm:test_resnet": Expected(
        TimmModel, "timm:test_resnut", ("timm:test_res*", "timm:test_resnet"), native_px=160,
        usual=(3, 1000), file="test_resnet.safetensors", publisher="timm test_resnet.r160_in1k",
    ),
    "torchvision:squeezenet1_1": Expected(
        TorchvisionModel, "torchvision:squeezenet1_2",
        ("torchvision:squeeze*_1", "torchvision:squeezenet1_1"), native_px=224, usual=(3, 1000),
        file="squeezenet1_1.safetensors", publisher="torchvision squeezenet1_1-b8a52dc0.pth",
    ),
    "sourced_net:net": Expected(
        OwnModel, "sourced_net:nut", ("sourced_net:*", "sourced_net:*"), digest=SHA, stem=True,
        is_code=True, file="sourced_net.net.safetensors",
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with a module of a user's own; there are no weights anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("TORCH_HOME", "HF_HUB_CACHE", "NVL_WEIGHTS"):
        monkeypatch.setenv(name, str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "sourced_net.py").write_text(SOURCE)
    monkeypatch.delitem(sys.modules, "sourced_net", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_a_name_is_checked_and_identified(name: str) -> None:
    source, expected = source_of(name), CASES[name]
    assert type(source) is expected.kind and source.name == name
    assert (source.is_listed, source.is_code) == (expected.is_listed, expected.is_code)
    source.check()
    assert source.digest() == expected.digest
    with pytest.raises(ModelError, match=f"; try .*{name.partition(':')[2] or name}"):
        source_of(expected.misspelt).check()


@pytest.mark.parametrize("name", CASES)
def test_names_like_a_pattern_are_listed(name: str) -> None:
    pattern, found = CASES[name].like
    assert found in source_of(name).names_like(pattern)


@pytest.mark.parametrize("name", CASES)
def test_it_says_what_it_takes(name: str) -> None:
    source, expected = source_of(name), CASES[name]
    assert source.native_px == expected.native_px
    assert source.usual_shape == ModelShape(expected.native_px, *expected.usual)
    assert source.has_own_stem("small") == expected.stem
    assert bool(source.title) == expected.is_listed
    assert (name in source.remedy) == expected.is_code


@pytest.mark.parametrize("name", CASES)
def test_it_is_built_and_its_first_layer_follows_the_stem(name: str) -> None:
    shape = ModelShape(32, 1, 5)
    built = {}
    for stem in ("imagenet", "small"):
        torch.manual_seed(0)
        built[stem] = source_of(name).build(shape, Protocol(stem=stem)).eval()
        with torch.no_grad():
            assert built[stem](torch.zeros(2, 1, 32, 32)).shape == (2, 5)
    assert (str(built["imagenet"]) == str(built["small"])) == CASES[name].stem


@pytest.mark.parametrize("name", CASES)
def test_it_knows_its_weights_and_begins_with_them(name: str, folder: Path) -> None:
    source, expected = source_of(name), CASES[name]
    assert source.published().publisher == expected.publisher
    with pytest.raises(ModelError, match="no such file"):
        source.weights()
    shape, plain = ModelShape(32, 3, 5), Protocol()
    torch.manual_seed(1)
    first = source.build(shape, plain)
    path = folder / "weights" / Path(expected.file).with_suffix(".pth")
    torch.save(first.state_dict(), path)
    assert source.weights().path == path
    assert source.weights().digest == hashlib.sha256(path.read_bytes()).hexdigest()
    again = source.build(shape, Protocol(pretrained=True))
    assert _same(first, again) and not _same(first, source.build(shape, plain))


def _same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(first, second) for first, second in pairs)


@pytest.mark.parametrize("name", ["a b:c", ":x", "a:", "../evil:net", "hf-hub:me/model"])
def test_a_name_of_no_form_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="or package"):
        source_of(name)


def test_making_a_source_imports_nothing_and_looks_nothing_up(folder: Path) -> None:
    names = [*CASES, "resnot", "timm:nothing_like_it", "nowhere:net"]
    code = (
        "import sys; from neurovisionlab.learn.named_models import source_of\n"
        f"for name in {names}:\n"
        "    source = source_of(name); source.remedy, source.bare, source.is_code\n"
        "print({'torch', 'timm', 'torchvision', 'sourced_net'} & sys.modules.keys())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_all_that_builds_models_is_loaded_before_a_users_own_code(folder: Path) -> None:
    """Code may change where Python looks: with `zoo` loaded, building imports nothing more."""
    code = (
        "import sys; from neurovisionlab.learn import zoo, model_source\n"
        "from neurovisionlab.core.protocol import Protocol\n"
        "before, shape = set(sys.modules), model_source.ModelShape(32, 1, 5)\n"
        f"for name in {list(CASES)}:\n"
        "    zoo.build(name, shape, Protocol(dropout='off'))\n"
        "print(sorted(one for one in set(sys.modules) - before if 'neurovisionlab' in one))\n"
        "print(sorted({one.partition('.')[0] for one in set(sys.modules) - before}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines() == ["[]", "['sourced_net']"]
