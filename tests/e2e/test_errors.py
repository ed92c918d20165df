"""A person's mistakes: exit code 2, one message that helps, no traceback, nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e2e.conftest import NVL, Answer, Nvl
from e2e.studies import run_with_fakes, write_study


def _is_one_clear_error(answer: Answer, *words: str) -> None:
    assert answer.code == 2, answer
    assert answer.err.startswith("error: "), answer.err
    assert answer.err.count("error: ") == 1
    assert "Traceback" not in answer.err + answer.out
    assert "expected" in answer.err
    for word in words:
        assert word in answer.err, (word, answer.err)


@pytest.mark.parametrize(
    ("top", "protocol", "words"),
    [
        ("", "epoch = 3", ["protocol.epoch", "try epochs"]),
        ("sedes = [1]", "", ["sedes", "try seeds"]),
        ("", 'epochs = "three"', ["protocol.epochs", "a whole number", "'three'"]),
        ("", "epochs = 0", ["protocol.epochs", "at least 1", "got 0"]),
        ("", "val_frac = 1.5", ["protocol.val_frac", "below 1"]),
        ("", 'optimizer = "adan"', ["protocol.optimizer", '"adam"']),
        ("seeds = []", "", ["seeds", "at least one"]),
        ("seeds = [0, 0]", "", ["seeds", "twice"]),
        ('models = ["resnet81"]', "", ["models", "resnet81", "try resnet18"]),
        ("", "epochs = ", ["TOML"]),
    ],
)
def test_mistakes_in_a_study(
    nvl_here: Nvl, tiny_npz: Path, top: str, protocol: str, words: list[str]
) -> None:
    study = write_study(tiny_npz, f"npz:{tiny_npz}", top, protocol)
    answer = nvl_here("run", str(study), "--out", str(tiny_npz / "out"))
    _is_one_clear_error(answer, str(study), *words)
    assert not (tiny_npz / "out").exists()


def test_all_mistakes_are_told_at_once(nvl_here: Nvl, tiny_npz: Path) -> None:
    study = write_study(tiny_npz, "didgits", "sedes = [1]", 'batch = 3\nepochs = "x"')
    answer = nvl_here("run", str(study))
    _is_one_clear_error(answer, "4 mistakes", "didgits", "digits", "sedes", "batch", "epochs")


def test_unknown_names_come_with_the_three_nearest(nvl_here: Nvl, tmp_path: Path) -> None:
    study = write_study(tmp_path, "emnist-leters", 'models = ["vit-tin"]')
    answer = nvl_here("run", str(study))
    _is_one_clear_error(answer, "2 mistakes")
    lines = [line for line in answer.err.splitlines() if "a known name" in line]
    nearest = [line.rpartition("; try ")[2].split(", ") for line in lines]
    assert [len(names) for names in nearest] == [3, 3]
    assert sorted(names[0] for names in nearest) == ["emnist-letters", "vit-tiny"]


def test_an_unknown_kind_of_data_set(nvl_here: Nvl, tmp_path: Path) -> None:
    answer = nvl_here("run", str(write_study(tmp_path, "zip:somewhere")))
    _is_one_clear_error(answer, "zip:somewhere")


def test_no_such_study(nvl_here: Nvl) -> None:
    _is_one_clear_error(nvl_here("run", "quik"), "quik", "try quick")


def test_official_files_that_are_missing(nvl_here: Nvl, tmp_path: Path) -> None:
    study = write_study(tmp_path, "emnist-letters")
    answer = nvl_here("run", str(study), "--data", str(tmp_path / "nowhere"))
    wanted = "emnist-letters-train-images-idx3-ubyte"
    where = str(tmp_path / "nowhere" / "EMNIST" / "raw")
    _is_one_clear_error(answer, wanted, where, "--data DIR")


@pytest.mark.parametrize("how", ["truncated", "no archive"])
def test_a_broken_npz(nvl_here: Nvl, tiny_npz: Path, how: str) -> None:
    path = tiny_npz / "train.npz"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if how == "truncated" else b"hello")
    answer = nvl_here("run", str(write_study(tiny_npz, f"npz:{tiny_npz}")))
    _is_one_clear_error(answer, str(path))


def test_a_missing_npz_and_a_missing_folder(nvl_here: Nvl, tiny_npz: Path) -> None:
    (tiny_npz / "train.npz").unlink()
    answer = nvl_here("run", str(write_study(tiny_npz, f"npz:{tiny_npz}")))
    _is_one_clear_error(answer, "train.npz")
    answer = nvl_here("run", str(write_study(tiny_npz, "folder:not/there")))
    _is_one_clear_error(answer, "folder:not/there", "full path")


def test_a_truncated_idx_file(nvl_here: Nvl, tmp_path: Path) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    header = b"\0\0\x08\x03" + (10).to_bytes(4, "big") + (28).to_bytes(4, "big") * 2
    for part in ("train", "test"):
        (raw / f"emnist-letters-{part}-images-idx3-ubyte").write_bytes(header + bytes(99))
        (raw / f"emnist-letters-{part}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x0a")
    answer = nvl_here("run", str(write_study(tmp_path, "emnist-letters")), "--data", str(tmp_path))
    _is_one_clear_error(answer, "emnist-letters-train-images-idx3-ubyte", "7,840", "fetch")


def _picture_folder(root: Path, per_class: int = 6) -> Path:
    rng = np.random.default_rng(0)
    for name in ("а", "b"):
        (root / "pictures" / name).mkdir(parents=True)
        for number in range(per_class):
            pixels = rng.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "pictures" / name / f"{number}.png")
    return root / "pictures"


def test_a_broken_picture_stops_with_its_path_or_is_skipped_and_said(
    nvl_here: Nvl, tmp_path: Path
) -> None:
    folder = _picture_folder(tmp_path)
    broken = folder / "b" / "5.png"
    broken.write_bytes(broken.read_bytes()[:60])
    answer = nvl_here("run", str(write_study(tmp_path, f"folder:{folder}")))
    _is_one_clear_error(answer, str(broken), 'on_bad_image = "skip"')
    study = write_study(tmp_path, f"folder:{folder}", 'on_bad_image = "skip"')
    run = run_with_fakes(study, tmp_path / "out")
    assert any("1 unreadable" in line and str(broken) in line for line in run.messages)
    assert run.cells[0].data.num_images == {"train": 11}


def test_a_label_outside_the_classes(nvl_here: Nvl, tiny_npz: Path) -> None:
    with np.load(tiny_npz / "train.npz") as arrays:
        content = dict(arrays) | {"class_names": np.array(["a", "b"])}
    np.savez(tiny_npz / "train.npz", **content)
    answer = nvl_here("run", str(write_study(tiny_npz, f"npz:{tiny_npz}")))
    _is_one_clear_error(answer, "labels in 0..1", "2 at image 48")


def test_images_with_the_channels_first_name_the_call_that_mends_them(
    nvl_here: Nvl, tiny_npz: Path
) -> None:
    with np.load(tiny_npz / "train.npz") as arrays:
        images = np.repeat(arrays["images"][:, None], 3, axis=1)
        np.savez(tiny_npz / "train.npz", images=images, labels=arrays["labels"])
    answer = nvl_here("run", str(write_study(tiny_npz, f"npz:{tiny_npz}")))
    _is_one_clear_error(answer, "channels first", "images.transpose(0, 2, 3, 1)")


def test_writers_on_both_sides_of_a_sets_own_parts(nvl_here: Nvl, tiny_npz: Path) -> None:
    table = tiny_npz / "writers.csv"
    rows = [f"{number};{'ann' if number % 2 else 'bob'}" for number in range(96)]
    table.write_text("\n".join(["Image;Group", *rows]), encoding="utf-16")
    split = f'[split]\ngroups = "{table}"'
    answer = nvl_here("run", str(write_study(tiny_npz, f"npz:{tiny_npz}", tables=split)))
    _is_one_clear_error(answer, "2 of 2 groups", "ann, bob", "no split.groups")


def test_constants_that_do_not_fit_the_channels(nvl_here: Nvl, tiny_npz: Path) -> None:
    two = 'scaling = "standardize"\nmean = [0.5, 0.5]\nstd = [1.0, 1.0]'
    answer = nvl_here("run", str(write_study(tiny_npz, f"npz:{tiny_npz}", protocol=two)))
    _is_one_clear_error(answer, "protocol.mean", "1 or 1 values")


def test_pictures_of_different_sizes_need_image_px(nvl_here: Nvl, tmp_path: Path) -> None:
    folder = _picture_folder(tmp_path)
    Image.new("L", (20, 30)).save(folder / "b" / "0.png")
    answer = nvl_here(
        "run", str(write_study(tmp_path, f"folder:{folder}", protocol='image_px = "native"'))
    )
    _is_one_clear_error(answer, "16×16", "20×30", "image_px = 64")


@pytest.mark.parametrize("kind", ["file in the way", "folder below a file"])
def test_an_unwritable_folder(nvl_here: Nvl, tiny_npz: Path, kind: str) -> None:
    file = tiny_npz / "a-file"
    file.write_text("mine")
    out = file if kind == "file in the way" else file / "out"
    study = write_study(tiny_npz, f"npz:{tiny_npz}")
    _is_one_clear_error(nvl_here("run", str(study), "--out", str(out)), str(out), "--out DIR")
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("model", "image_px", "words"),
    [
        ("vit-tiny", 17, ["vit-tiny", "17 px", "image_px = 16 or image_px = 20"]),
        ("vit-b16", 28, ["vit-b16", "16 px patches", "image_px = 16 or image_px = 32"]),
    ],
)
def test_an_image_size_that_the_patch_does_not_divide(
    nvl_here: Nvl, tiny_npz: Path, model: str, image_px: int, words: list[str]
) -> None:
    study = write_study(
        tiny_npz, f"npz:{tiny_npz}", f'models = ["{model}"]', f"image_px = {image_px}"
    )
    _is_one_clear_error(nvl_here("run", str(study)), *words)


def test_no_run_and_a_damaged_run(nvl_here: Nvl, tiny_npz: Path) -> None:
    for verb in ("status", "results", "report"):
        _is_one_clear_error(nvl_here(verb, str(tiny_npz / "none")), "study.json")
    study, out = write_study(tiny_npz, f"npz:{tiny_npz}"), tiny_npz / "out"
    run = run_with_fakes(study, out)
    record = out / "cells" / run.cells[0].cell_id / "record.json"
    record.write_text("{")
    answer = nvl_here("status", str(out))
    assert (answer.code, answer.out) == (
        0,
        "small: 1 cells: 0 done, 0 diverged, 0 failed, 1 pending\n",
    )
    assert f"warning: damaged, counts as absent: {record}" in answer.err
    for path in (out / "study.json", *(out / "studies").iterdir()):
        path.write_text("{")
    answer = nvl_here("status", str(out))
    assert answer.code == 2
    assert "error: " in answer.err and "study.json: expected a study" in answer.err


def test_one_image_in_a_class(nvl_here: Nvl, tiny_npz: Path) -> None:
    with np.load(tiny_npz / "train.npz") as arrays:
        keep = np.r_[0:49]  # class 2 keeps one image
        content = {name: arrays[name][keep] for name in ("images", "labels")}
    np.savez(tiny_npz / "train.npz", **content)
    answer = nvl_here("run", str(write_study(tiny_npz, f"npz:{tiny_npz}")))
    _is_one_clear_error(answer, "class '2'", "at least 2 training images", "got 1")


def test_a_mistake_in_a_process_of_its_own(tiny_npz: Path) -> None:
    """The same as above, through the installed command."""
    study = write_study(tiny_npz, "npz:nowhere")
    done = subprocess.run(
        [str(NVL), "run", str(study)],
        cwd=tiny_npz,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    _is_one_clear_error(Answer(done.returncode, done.stdout, done.stderr), "npz:nowhere")


def test_finished_cells_survive_a_mistake(nvl_here: Nvl, tiny_npz: Path) -> None:
    study, out = write_study(tiny_npz, f"npz:{tiny_npz}"), tiny_npz / "out"
    run = run_with_fakes(study, out)
    shutil.copy(study, tiny_npz / "good.toml")
    write_study(tiny_npz, f"npz:{tiny_npz}", protocol="epochs = -1")
    _is_one_clear_error(nvl_here("run", str(study), "--out", str(out)), "epochs")
    answer = nvl_here("run", str(tiny_npz / "good.toml"), "--out", str(out))
    assert answer.code == 0
    assert "0 of 1 cells to run" in answer.out
    assert run.store.has(run.cells[0].cell_id)
