"""A run may be a stranger's: reading it opens nothing of this machine that it names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.fakes import fake_plan, fake_result
from neurovisionlab.core.spec import DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.lab.reach import within_reach
from neurovisionlab.lab.store import Store


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataHome:
    """Return a data folder with sets, ways out of it, and a stranger's neighbourhood."""
    data, outside = tmp_path / "data", tmp_path / "outside"
    for folder in (data / "mine" / "a", data / "deep" / "set", outside / "secret" / "a"):
        folder.mkdir(parents=True)
    (data / "mine" / "groups.csv").write_text("image,group\n")
    (outside / "groups.csv").write_text("image,group\n")
    (data / "link").symlink_to(outside)
    (data / "groups-link.csv").symlink_to(outside / "groups.csv")
    (data / "holds-a-link").mkdir()
    (data / "holds-a-link" / "a").symlink_to(outside / "secret")
    (data / "holds-a-file-link").mkdir()
    (data / "holds-a-file-link" / "a.png").symlink_to(outside / "groups.csv")
    (data / "holds-a-near-link").mkdir()
    (data / "holds-a-near-link" / "a").symlink_to(data / "mine" / "a")
    (data / "circle").symlink_to(data / "circle")
    os.mkfifo(data / "pipe.csv")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "work" / "here").mkdir()
    (data / "here").mkdir()
    return DataHome(data, tmp_path / "cache")


OUT = [
    "folder:/",
    "folder:.",
    "folder:..",
    "folder:../outside",
    "folder:../data/../outside",
    "folder:link",
    "folder:link/secret",
    "folder:holds-a-link",
    "folder:holds-a-file-link",
    "folder:circle",
    "folder:~",
    "folder:~root",
    "folder:~nobody-of-that-name",
    "folder:",
    "folder:absent",
    "folder:mine/groups.csv",
    "folder:pipe.csv",
    "folder:mine\0",
    "folder:" + "x/" * 3000,
    "npz:/",
    "npz:/proc/self/fd",
    "npz:../outside",
    "npz:link",
    "http://example.org/x",
    "file:///etc",
    "unknown",
    "mnist",  # not there
]


@pytest.mark.parametrize("name", OUT, ids=lambda name: name[:30])
def test_what_lies_elsewhere_is_out_of_reach(home: DataHome, name: str) -> None:
    assert within_reach(DataRef(name=name), home) is None


def test_what_lies_in_the_folder_of_data_sets_is_in_reach(home: DataHome) -> None:
    for name in ("digits", "pen-kana", "folder:mine", "npz:deep/set", "folder:holds-a-near-link"):
        assert within_reach(DataRef(name=name), home) == DataRef(name=name)
    absolute = DataRef(name=f"folder:{home.data_dir / 'mine'}")
    assert within_reach(absolute, home) == absolute
    # not the folder of that name where the command runs
    assert within_reach(DataRef(name="folder:here"), home) == DataRef(
        name=f"folder:{home.data_dir / 'here'}"
    )


@pytest.mark.parametrize("name", ["digits", "folder:mine"])
def test_groups_are_read_from_the_folder_of_data_sets_alone(home: DataHome, name: str) -> None:
    near = str(home.data_dir / "mine" / "groups.csv")
    assert within_reach(DataRef(name=name, groups=near), home) is not None
    for groups in ("pipe.csv", "groups-link.csv", "../outside/groups.csv", "mine", "absent", "\0"):
        path = str(home.data_dir / groups)
        assert within_reach(DataRef(name=name, groups=path), home) is None
    for groups in ("/dev/stdin", "/dev/zero", "groups.csv", "../outside/groups.csv", ""):
        assert within_reach(DataRef(name=name, groups=groups), home) is None


def test_published_sets_may_not_be_links_out_of_it(home: DataHome) -> None:
    from neurovisionlab.data.official import OFFICIAL

    official = OFFICIAL["mnist"]
    folder = home.data_dir / official.folders[0]
    folder.mkdir(parents=True)
    files = [file for pair in official.files.values() for file in pair]
    for file in files:
        (folder / file).write_bytes(b"")
    assert within_reach(DataRef(name="mnist"), home) == DataRef(name="mnist")
    (folder / files[0]).unlink()
    (folder / files[0]).symlink_to(home.data_dir.parent / "outside" / "groups.csv")
    assert within_reach(DataRef(name="mnist"), home) is None


# an outside judge: the interpreter itself tells of every file that is opened and folder listed
WATCHED = """
import os, sys
seen = open(os.environ["SEEN"], "w", buffering=1)
def hear(event, args):
    if event in ("open", "os.listdir", "os.scandir"):
        seen.write(f"{event}\\t{args[0]!r}\\n")
sys.addaudithook(hear)
from pathlib import Path
from neurovisionlab.data.home import DataHome
from neurovisionlab.lab.store import Store
from neurovisionlab.out.page.report import write_report
write_report(Store(Path(sys.argv[1])), DataHome.find(sys.argv[2]))
"""


@pytest.mark.parametrize("with_groups", [False, True])
def test_reading_a_strangers_run_opens_nothing_of_this_machine(
    tmp_path: Path, tiny_npz: Path, with_groups: bool
) -> None:
    outside, data = tmp_path / "outside", tmp_path / "data"
    for folder in (outside, data / "mine"):
        folder.mkdir(parents=True)
        for part in ("train", "test"):
            (folder / f"{part}.npz").write_bytes((tiny_npz / f"{part}.npz").read_bytes())
    (data / "linked").symlink_to(outside)
    os.mkfifo(tmp_path / "pipe")
    names = ("folder:/", f"npz:{outside}", "npz:../outside", "npz:linked")
    run = tmp_path / "run"
    if with_groups:
        _strangers_run(run, ("digits", "npz:mine"), split={"groups": str(tmp_path / "pipe")})
    else:
        _strangers_run(run, names)
    (run / "page.json").write_text(json.dumps({"language": "en", "data_dir": str(outside)}))
    touched = _touched(tmp_path, str(run), str(data))
    assert str(run / "study.json") in touched
    allowed = tuple(str(tmp_path / name) for name in ("run", "data", "seen", "cache"))
    odd = [path for path in touched if path.startswith(str(tmp_path))]
    assert not [path for path in odd if not path.startswith(allowed)]
    assert not {"/", "/etc", "/home", "/root"} & touched


def _strangers_run(folder: Path, names: tuple[str, ...], **study: object) -> None:
    plan = fake_plan(datasets=names, seeds=(0,), **study)
    store = Store(folder)
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            store.put(fake_result(cell, skill=-9.0))


def _touched(tmp_path: Path, *words: str) -> set[str]:
    """Write a report; return all paths that were opened or listed."""
    environment = os.environ | {
        "SEEN": str(tmp_path / "seen"),
        "NVL_CACHE": str(tmp_path / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", WATCHED, *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = (line.split("\t", 1) for line in (tmp_path / "seen").read_text().splitlines())
    paths = [what.strip("'\"") for event, what in lines if event != "import"]
    return {os.path.normpath(tmp_path / path) for path in paths if not path.isdecimal()}


def test_the_judge_sees_what_is_opened(tmp_path: Path, tiny_npz: Path) -> None:
    data = tmp_path / "data" / "mine"
    data.mkdir(parents=True)
    for part in ("train", "test"):
        (data / f"{part}.npz").write_bytes((tiny_npz / f"{part}.npz").read_bytes())
    _strangers_run(tmp_path / "run", ("npz:mine",))
    touched = _touched(tmp_path, str(tmp_path / "run"), str(tmp_path / "data"))
    assert str(data / "train.npz") in touched
