"""Names of models: looked up without torch; a user's function is found, checked and digested."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch

from neurovisionlab.core.errors import ModelError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn import catalogue, stems, survey, zoo
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.named_models import source_of


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """Return a module file of a name of its own in the current folder, not on Python's path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    number = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]
    return tmp_path / f"mod_{number}.py"


GOOD = """
from torch import nn

def net(num_classes, channels, image_px):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_px**2, num_classes))
"""


def test_names_of_the_table_need_no_torch() -> None:
    code = (
        "import sys; from neurovisionlab.learn.named_models import source_of;"
        "it = source_of('resnet18'); it.check(); it.digest(); it.published(); it.check_size(28);"
        "print({'torch', 'timm', 'torchvision'} & sys.modules.keys())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet19", "resnet18"),
        ("timm:convnext_ato", "timm:convnext_atto"),
        ("timm:resnet18.a1_in2k", "timm:resnet18.a1_in1k"),
        ("torchvision:resnet19", "torchvision:resnet18"),
    ],
)
def test_unknown_names_get_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ModelError) as caught:
        source_of(name).check()
    assert near in str(caught.value).split("; try ")[1].split(", ")
    assert len(str(caught.value).split("; try ")[1].split(", ")) <= 3


@pytest.mark.parametrize("stem", ["small", "light"])
@pytest.mark.parametrize("name", list(catalogue.MODELS))
def test_table_says_which_stems_change_a_model(name: str, stem: str) -> None:
    px = 32
    with torch.device("meta"):
        model = zoo.build(name, ModelShape(px, 1, 5), Protocol())
    before = str(model)
    changed = stems.change_stem(model, stem)
    assert changed == (stem in catalogue.MODELS[name].stems) == (str(model) != before)


def test_a_revision_identifies_a_model_of_the_table_from_its_second_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert source_of("glyphnet").digest() is None
    assert source_of("timm:convnext_atto").digest() is None
    changed = replace(catalogue.MODELS["glyphnet"], revision=3)
    monkeypatch.setitem(catalogue.MODELS, "glyphnet", changed)
    assert source_of("glyphnet").digest() == "revision 3"


def test_own_function_is_found_in_the_current_folder(module: Path) -> None:
    module.write_text(GOOD)
    name = f"{module.stem}:net"
    assert source_of(name).digest() == hashlib.sha256(GOOD.encode()).hexdigest()
    assert survey.check(name, ModelShape(8, 3, 4), Protocol()) is True


@pytest.mark.parametrize(
    ("source", "function", "said"),
    [
        ("def net(:", "net", "SyntaxError"),
        ("1 / 0", "net", "ZeroDivisionError"),
        ("import nothing_like_it", "net", "to install nothing_like_it"),
        (GOOD, "nat", "try net"),
        ("net = 3", "net", "a function of that name"),
        ("def net(num_classes): ...", "net", "num_classes, channels, image_px"),
        ("def net(num_classes, channels, image_px): raise OSError('disk')", "net", "OSError: disk"),
        ("def net(num_classes, channels, image_px): return 3", "net", "a int"),
        (GOOD.replace(", num_classes)", ", num_classes + 1)"), "net", "[2, 4], got [2, 5]"),
        (GOOD.replace("image_px**2", "image_px"), "net", "RuntimeError"),
        (GOOD.replace("nn.Flatten()", "nn.Flatten(2)"), "net", "got"),
        (GOOD + "\nclass T(nn.Module):\n    def forward(self, x): return (x, x)\n"
         "def two(num_classes, channels, image_px): return T()", "two", "got tuple"),
    ],
)  # fmt: skip
def test_own_function_that_does_not_work(
    module: Path, source: str, function: str, said: str
) -> None:
    module.write_text(source)
    name = f"{module.stem}:{function}"
    with pytest.raises(ModelError) as caught:
        survey.check(name, ModelShape(8, 1, 4), Protocol())
    text = str(caught.value)
    assert said in text and "; try " in text and "\n" not in text


@pytest.mark.parametrize("name", ["no_such_module:net", "no_such_module.at_all:net", "a b:c", ":x"])
def test_own_module_that_is_not_there(name: str) -> None:
    with pytest.raises(ModelError, match="; try "):
        source_of(name).check()


def test_timm_is_asked_for_its_names() -> None:
    source_of("timm:test_vit").check()
    source_of("timm:resnet18.tv_in1k").check()
    assert set(survey.list_names("timm:test_res*")) == {
        f"timm:{name}" for name in timm.list_models("test_res*")
    }
