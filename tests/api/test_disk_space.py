"""The disk that a run will take is said before it starts, and is what it then takes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from lab.fakes import fake_plan, tiny_cells
from neurovisionlab.api import disk_space
from neurovisionlab.api.disk_space import disk_message
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.lab.store import Store
from neurovisionlab.learn.run import run_cell


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say it of small runs, too."""
    monkeypatch.setattr(disk_space, "_LEAST_MIB", 0)


def _cells(**protocol: Any) -> list[CellSpec]:
    plan = fake_plan(models=("resnet18", "glyphnet-small"), seeds=(0, 1, 2))
    return [
        cell.changed(protocol=cell.protocol.changed(**({"image_px": 28} | protocol)))
        for cell in plan.cells()
    ]


def test_it_is_about_what_the_run_takes(tiny_npz: Path, tmp_path: Path) -> None:
    models = ("glyphnet-small", "mobilenetv2", "timm:mobilenetv3_small_050")
    cells, home = tiny_cells(tiny_npz, models, keep_weights="all", epochs=1, image_px=32)
    store = Store(tmp_path / "run")
    with store.writing():
        for cell in cells:
            store.put(run_cell(cell, lambda _: None, home))
    taken = sum(one.stat().st_size for one in (tmp_path / "run").rglob("*") if one.is_file())
    message = disk_message(cells, tmp_path)
    assert message is not None
    said = float(message.split("about ")[1].split(" MiB")[0])
    assert said == pytest.approx(taken / 2**20, abs=1.5)


@pytest.mark.parametrize(
    ("keep", "said"),
    [("all", "about 129 MiB"), ("best", "about 43 MiB"), ("none", "about 0 MiB")],
)
def test_it_follows_whose_weights_are_kept(tmp_path: Path, keep: str, said: str) -> None:
    message = disk_message(_cells(keep_weights=keep), tmp_path)
    assert message is not None
    assert said in message
    assert f'keep_weights = "{keep}"' in message


def test_too_little_room_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil._ntuple_diskusage(10**9, 10**9 - 2**20, 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    message = disk_message(_cells(keep_weights="all"), tmp_path / "not" / "there")
    assert message is not None
    assert message.startswith("warning: disk: about 129 MiB")
    assert message.endswith("1 MiB are free")


def test_a_model_that_computes_its_weights_is_counted(tmp_path: Path) -> None:
    (cell, *_) = _cells(keep_weights="all", image_px=32)
    regnet = cell.changed(model="torchvision:regnet_x_400mf")
    message = disk_message([regnet], tmp_path)
    assert message is not None
    assert "about 20 MiB" in message  # 5.1 million parameters less a head of 1,000 classes


def test_a_model_that_cannot_be_built_stops_nothing(tmp_path: Path) -> None:
    (cell, *_) = _cells(keep_weights="all")
    assert disk_message([cell.changed(model="timm:no_such_net")], tmp_path) is None


def test_code_is_not_built_for_it(tmp_path: Path) -> None:
    cells = [cell.changed(model="nobodys:net") for cell in _cells(keep_weights="all")]
    message = disk_message(cells, tmp_path)
    assert message is not None
    assert message.endswith("and the weights of nobodys:net")


def test_little_is_passed_over_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "_LEAST_MIB", 100)
    assert disk_message(_cells(keep_weights="best"), tmp_path) is None
    assert disk_message([], tmp_path) is None
