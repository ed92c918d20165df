"""`nvl data …` as people type it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from neurovisionlab.cli.data_commands import MAX_PX, MIN_PX, data_app
from neurovisionlab.core.errors import DataError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.sources import SOURCES, describe
from neurovisionlab.data.synthetic.handwriting import Handwriting


def nvl_data(*words: str | Path) -> Result:
    return CliRunner().invoke(data_app, [str(word) for word in words])


def output_of(*words: str | Path) -> str:
    result = nvl_data(*words)
    assert result.exit_code == 0, result.exception
    return result.stdout


def test_list_names_every_set_and_how_to_get_it(tmp_path: Path) -> None:
    text = output_of("list", "--data", tmp_path)
    assert all(name in text for name in SOURCES)
    assert "nvl data fetch emnist-letters" in text
    rows = json.loads(output_of("list", "--data", tmp_path, "--json"))
    assert [row["name"] for row in rows] == list(SOURCES)
    assert {row["name"] for row in rows if row["available"]} == {
        "digits",
        "pen-letters",
        "pen-kana",
        "street-digits",
    }
    assert all(row["num_train"] for row in rows)


def test_list_says_what_lies_there(real_data: Path) -> None:
    rows = {r["name"]: r for r in json.loads(output_of("list", "--data", real_data, "--json"))}
    assert rows["emnist-letters"]["where"].startswith("on disk")
    assert rows["kmnist"]["where"] == "nvl data fetch kmnist"
    told = json.loads(output_of("info", "emnist-letters", "--data", real_data, "--json"))
    letters = rows["emnist-letters"]
    assert told["num_images"] == {"train": letters["num_train"], "test": letters["num_test"]}


@pytest.mark.parametrize("name", ["digits", "pen-kana", "emnist-letters"])
def test_list_agrees_with_the_sets_themselves(
    name: str, real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "pen-kana":  # counted here, drawn elsewhere: 5,000 sheets stay blank
        blank = np.zeros((28, 28, 1), np.uint8)
        monkeypatch.setattr(Handwriting, "picture", lambda *_: blank)
        monkeypatch.setenv("NVL_CACHE", str(tmp_path))
    found = describe(DataRef(name=name), DataHome.find(real_data))
    rows = {r["name"]: r for r in json.loads(output_of("list", "--json"))}
    row = rows[name]
    assert row["num_classes"] == len(found.class_names)
    assert row["synthetic"] == found.synthetic
    assert (row["num_train"], row["num_test"]) == (
        found.num_images["train"],
        found.num_images.get("test", 0),
    )


def test_info_in_words_and_as_json(tiny_npz: Path) -> None:
    name = f"npz:{tiny_npz}"
    assert "72 train, 24 test; 12 × 12 px" in output_of("info", name)
    found = json.loads(output_of("info", name, "--json"))
    assert found["num_images"] == {"train": 72, "test": 24}
    assert found["class_names"] == ["0", "1", "2"]


def test_audit_in_words_as_json_and_with_a_sheet(tiny_npz: Path, tmp_path: Path) -> None:
    name, picture = f"npz:{tiny_npz}", tmp_path / "sheet.png"
    assert "72 train and 24 test images in 3 classes (real)." in output_of("audit", name)
    text = output_of("audit", name, "--json", "--sheet", picture)
    assert json.loads(text)["num_classes"] == 3  # nothing but JSON on stdout
    assert Image.open(picture).size[0] > 100


def test_sheet(tiny_npz: Path, tmp_path: Path) -> None:
    assert "sheet.png" in output_of("sheet", f"npz:{tiny_npz}", tmp_path / "sheet.png")
    result = nvl_data("sheet", f"npz:{tiny_npz}", tmp_path / "sheet.docx")
    assert isinstance(result.exception, DataError)


def test_a_folder_of_mixed_sizes_is_resized_on_request(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "a", "b", "b")):
        (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
        picture = Image.effect_noise((20 + number, 30), 50)
        picture.save(tmp_path / "set" / name / f"{number}.png")
    assert isinstance(nvl_data("info", f"folder:{tmp_path / 'set'}").exception, DataError)
    assert "16 × 16 px" in output_of("info", f"folder:{tmp_path / 'set'}", "--px", "16")


def test_options_for_folders_say_where_they_have_no_effect() -> None:
    told = nvl_data("info", "digits", "--px", "16", "--skip-bad")
    assert told.exit_code == 0
    for option in ("--px", "--skip-bad"):
        assert f"warning: {option} has no effect on digits" in told.stderr
    assert "28 × 28 px" in told.stdout


@pytest.mark.parametrize(("size", "fits"), [((8, 8), True), ((4, 4), False), ((8, 9), False)])
def test_a_size_that_no_study_can_keep_is_told(
    tmp_path: Path, size: tuple[int, int], fits: bool
) -> None:
    for name in "ab":
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.new("L", size).save(tmp_path / "set" / name / "1.png")
    text = output_of("info", f"folder:{tmp_path / 'set'}")
    assert ("needs image_px = 64" in text) != fits


def test_the_bounds_of_px_are_those_of_a_study() -> None:
    for px in (MIN_PX, MAX_PX):
        assert Protocol(image_px=px).image_px == px
    for px in (MIN_PX - 1, MAX_PX + 1):
        with pytest.raises(ValidationError):
            Protocol(image_px=px)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("info", "emnist-leters"), "try emnist-letters"),
        (("fetch", "digits"), "embedded, needs no fetching"),
        (("audit", "kmnist"), "nvl data fetch kmnist"),
    ],
)
def test_mistakes_are_told(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = nvl_data(*words, "--data", tmp_path)
    assert isinstance(result.exception, DataError)
    assert message in str(result.exception)


def test_fetch_of_a_complete_set_says_so(real_data: Path) -> None:
    assert "emnist-letters is complete" in output_of("fetch", "emnist-letters", "--data", real_data)


def test_help_is_quick_because_it_imports_little() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; "
        "from neurovisionlab.cli.data_commands import data_app; "
        "CliRunner().invoke(data_app, ['--help']); "
        "print({'torch', 'numpy', 'PIL', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
