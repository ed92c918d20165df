"""Every kind of model in one study; `nvl models`; the pages and examples that say how to extend."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer
from torchvision import models as torchvision_models
from typer.testing import CliRunner

from neurovisionlab import Protocol, Study, Subset, api
from neurovisionlab.cli.model_commands import models
from neurovisionlab.core.errors import ModelError
from neurovisionlab.core.records import Failure
from neurovisionlab.data import sources
from neurovisionlab.lab.executors import execute_here
from neurovisionlab.learn import catalogue

ROOT = Path(__file__).parents[2]
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
ALL_KINDS = (
    "resnet18",
    "mobilenetv2",
    "vit-tiny",
    "timm:test_efficientnet",
    "torchvision:squeezenet1_1",
    "own_model:two_layers",
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with the example of an own model in it."""
    shutil.copy(EXAMPLES / "own_model.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("own_model", None)
    return tmp_path


def _finish(study: Study, out: Path, data: Path | None = None) -> api.Run:
    run = api.prepare(study, data, out)
    for _ in run.events(execute_here):
        pass
    return run


def _study(dataset: Path, models_: tuple[str, ...], **protocol: object) -> Study:
    settings = {"image_px": 24, "epochs": 1, "batch_size": 16, "stem": "light"} | protocol
    return Study(
        name="kinds",
        datasets=(f"npz:{dataset}",),
        models=models_,
        protocol=Protocol.model_validate(settings),
        subset=Subset(train_images=36),
    )


def test_all_kinds_of_models_in_one_study(tiny_npz: Path, here: Path) -> None:
    run = _finish(_study(tiny_npz, ALL_KINDS), here / "out")
    records = run.records()
    assert [record.cell.model for record in records] == list(ALL_KINDS)
    assert all(record.status == "done" for record in records)
    line = next(message for message in run.messages if message.startswith("warning: stem"))
    for name in ("mobilenetv2", "vit-tiny", "timm:test_efficientnet", "own_model:two_layers"):
        assert name in line
    assert "resnet18" not in line and "squeezenet" not in line


TIED_AND_TUPLE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes, size, both):
        super().__init__()
        self.first, self.head = nn.Linear(size, 8), nn.Linear(8, num_classes)
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)
        self.b.weight, self.both = self.a.weight, both

    def forward(self, images):
        hidden = self.b(self.a(self.first(images.flatten(1))).relu())
        return (self.head(hidden), hidden) if self.both and self.training else self.head(hidden)

def tied(num_classes, channels, image_px):
    return Net(num_classes, channels * image_px ** 2, False)

def both(num_classes, channels, image_px):
    return Net(num_classes, channels * image_px ** 2, True)
"""


def test_what_cannot_be_kept_stops_alone_and_what_is_shared_is_kept(
    tiny_npz: Path, here: Path
) -> None:
    (here / "nets_of_h.py").write_text(TIED_AND_TUPLE, encoding="utf-8")
    models_ = ("nets_of_h:both", "nets_of_h:tied", "timm:coat_lite_tiny")
    study = _study(tiny_npz, models_, image_px=32, stem="imagenet")
    run = api.prepare(study, None, here / "out")
    failures = [event for _, event in run.events() if isinstance(event, Failure)]
    assert [(one.kind, one.is_user_error) for one in failures] == [("ModelError", True)]
    assert "got a tuple of 2; try to return logits alone" in failures[0].message
    assert [record.cell.model for record in run.records()] == list(models_[1:])
    assert all(run.store.has_weights(record.cell_id) for record in run.records())


def test_edited_source_is_another_cell(tiny_npz: Path, here: Path) -> None:
    study = _study(tiny_npz, ("own_model:two_layers", "vit-tiny"))
    first = _finish(study, here / "out")
    assert api.prepare(study, None, here / "out").pending == ()
    source = here / "own_model.py"
    source.write_text(source.read_text().replace("16", "8"))
    again = api.prepare(study, None, here / "out")
    assert [cell.model for cell in again.pending] == ["own_model:two_layers"]
    assert first.cells[1].cell_id == again.cells[1].cell_id
    assert again.cells[1].model_digest is None


def test_a_network_of_the_table_that_changed_is_another_cell(
    tiny_npz: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = _study(tiny_npz, ("glyphnet-small", "vit-tiny"))
    _finish(study, here / "out")
    changed = replace(catalogue.MODELS["glyphnet-small"], revision=9)
    monkeypatch.setitem(catalogue.MODELS, "glyphnet-small", changed)
    again = api.prepare(study, None, here / "out")
    assert [cell.model for cell in again.pending] == ["glyphnet-small"]


def test_a_wrong_model_stops_before_training(tiny_npz: Path, here: Path) -> None:
    (here / "own_model.py").write_text("def two_layers(num_classes, channels, image_px): return 1")
    with pytest.raises(ModelError, match=r"torch\.nn\.Module"):
        api.prepare(_study(tiny_npz, ("vit-tiny", "own_model:two_layers")), None, here / "out")
    assert not (here / "out").exists()


def test_missing_weights_stop_before_training(
    tiny_npz: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(here / "torch"))
    study = _study(tiny_npz, ("resnet18",), pretrained=True)
    with pytest.raises(ModelError, match=r"resnet18-f37072fd\.pth .* try `python -c"):
        api.prepare(study, None, here / "out")
    assert not (here / "out").exists()


def test_weights_are_part_of_identity_only_where_they_are_used(
    tiny_npz: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVL_WEIGHTS", str(here))

    def save(seed: int) -> None:
        torch.manual_seed(seed)
        torch.save(torchvision_models.resnet18().state_dict(), here / "resnet18-f37072fd.pth")

    def ids(study: Study) -> dict[bool, str]:
        cells = api.prepare(study, None, here / "out").cells
        return {cell.protocol.pretrained: cell.cell_id for cell in cells}

    plain = _study(tiny_npz, ("resnet18",))
    both = plain.model_copy(update={"vary": {"pretrained": (False, True)}})
    save(0)
    first = ids(both)
    assert first[False] == ids(plain)[False]
    save(1)
    second = ids(both)
    assert first[False] == second[False] and first[True] != second[True]
    run = _finish(plain.model_copy(update={"protocol": both.protocol.model_copy(
        update={"pretrained": True})}), here / "out")  # fmt: skip
    assert run.records()[0].cell_id == second[True]
    assert any("resnet18-f37072fd.pth" in message for message in run.messages)


@pytest.mark.parametrize(
    "change", [{"num_classes": 5}, {"truncate": True}, {"fit": False}], ids=str
)
def test_unusable_weights_stop_before_training(
    change: dict[str, object], tiny_npz: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another class count is no mistake: the head is replaced."""
    monkeypatch.setenv("NVL_WEIGHTS", str(here))
    path = here / "resnet18.pth"
    model = torchvision_models.resnet18(num_classes=5)
    if change.get("fit") is False:
        model = torchvision_models.resnet34()
    torch.save(model.state_dict(), path)
    if change.get("truncate"):
        path.write_bytes(path.read_bytes()[:4000])
    study = _study(tiny_npz, ("resnet18",), pretrained=True)
    if "num_classes" in change:
        assert _finish(study, here / "out").records()[0].status == "done"
    else:
        with pytest.raises(ModelError, match=r"resnet18\.pth"):
            api.prepare(study, None, here / "out")


@pytest.mark.slow
def test_all_kinds_of_models_on_real_letters(real_data: Path, here: Path) -> None:
    study = Study(
        name="letters",
        datasets=("emnist-letters",),
        models=ALL_KINDS,
        # MobileNetV2 starts slowly: 17 % after two epochs, 43 % after six
        protocol=Protocol(epochs=6, stem="light", schedule="one-cycle", learning_rate=2e-3),
        subset=Subset(train_images=3000, test_images=1000),
    )
    records = _finish(study, here / "out", real_data).records()
    assert len(records) == len(ALL_KINDS)
    for record in records:  # guessing gives 1/26; a model that trains at all is far above
        assert record.test_scores is not None
        assert record.test_scores.accuracy_frac > 0.2, record.cell.model


def _models(*words: str) -> str:
    app = typer.Typer()
    app.command()(models)
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_models_lists_the_table() -> None:
    rows = json.loads(_models("--json"))
    assert [row["name"] for row in rows] == [
        "resnet18", "mobilenetv2", "vit-b16", "vit-tiny", "vit-small",
        "glyphnet-small", "glyphnet", "glyphnet-medium", "glyphnet-large",
    ]  # fmt: skip
    assert all(row["num_parameters"] and row["num_flops"] == 2 * row["num_macs"] for row in rows)
    assert {row["weights_licence"] for row in rows} == {"BSD-3-Clause", None}
    text = _models()
    for row in rows:
        assert f"{row['num_parameters']:,}" in text


def test_models_filters_timm() -> None:
    rows = json.loads(_models("timm:test_vit*", "--json"))
    assert rows and all(row["name"].startswith("timm:test_vit") for row in rows)


# the page and the examples


def _snippets() -> dict[str, str]:
    """Return {file name: content} of the page's examples, named in their first line."""
    page = (DOCS / "extending.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:toml|python)\n# (\S+)\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == page.count("```") // 2
    return dict(blocks)


def _run(folder: Path, *command: str) -> str:
    environment = os.environ | {"NVL_DEVICE": "cpu", "NVL_CACHE": str(folder / "cache")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_page_on_extending(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    snippets = _snippets()
    for name, text in snippets.items():
        (here / name).write_text(text, encoding="utf-8")
    exec(snippets["make_shapes.py"], {})
    for name in ("own-model", "library-models"):
        study = api.load_study(f"{name}.toml")
        assert len(_finish(study, here / name).records()) == len(study.models)
    with monkeypatch.context() as patch:
        patch.setitem(sources.SOURCES, "noise", None)  # taken away again afterwards
        exec(snippets["own_source.py"], {})  # it checks its result itself
    runpy.run_path("from_python.py", run_name="__main__")
    assert "own_model:two_layers" in capsys.readouterr().out


@pytest.mark.enable_socket  # a kernel is spoken to by way of sockets of this machine
def test_notebook_in_a_kernel(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("NVL_DEVICE", "cpu")
    monkeypatch.setenv("NVL_CACHE", str(here / "cache"))
    notebook = nbformat.read(EXAMPLES / "study_from_python.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(here)}}
    )
    client.execute()
    shown = [
        "".join(output.data["text/html"])
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", {})
    ]
    run, results, verdicts, advice = shown  # each shows itself
    assert "digits-mini" in run and "<table>" in run
    assert "torchvision:squeezenet1_1" in results and "digits: costs" not in results
    assert "digits: how good is each model?" in verdicts
    assert "small device" in advice


@pytest.mark.slow  # a kernel does all of this, and more
def test_notebook(here: Path) -> None:
    notebook = json.loads((EXAMPLES / "study_from_python.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    (here / "cells.json").write_text(json.dumps(cells), encoding="utf-8")
    # as a kernel does: one after the other, in one namespace, in no file
    code = (
        "import json\nscope = {'__name__': '__main__'}\n"
        "for text in json.load(open('cells.json')): exec(text, scope)\n"
        "print(scope['api'].results(scope['run'])._repr_html_())"
    )
    assert "torchvision:squeezenet1_1" in _run(here, sys.executable, "-c", code)
