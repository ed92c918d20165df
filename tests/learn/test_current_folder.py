"""The current folder: a place of the modules that were asked for, and of what they import."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

MARK = "import pathlib; pathlib.Path({mark!r}).write_text(__name__)\n"
TAKES_OPTIONAL = "try:\n    import optional\nexcept ImportError:\n    optional = None\n"


def _run(folder: Path, code: str, *search: Path) -> str:
    """Run code in a folder, which Python itself does not look into."""
    head = "from neurovisionlab.learn.current_folder import make_findable\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", head + code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [*search, *sys.path]))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "optional.py").write_text(MARK.format(mark=str(tmp_path / "mark")))
    (tmp_path / "mine.py").write_text("import helper, library\nVALUE = helper.VALUE\n")
    (tmp_path / "helper.py").write_text(
        "VALUE = 3\ndef later():\n    import late\n    return late.X\n"
    )
    (tmp_path / "late.py").write_text("X = 4\n")
    installed = tmp_path / ".venv" / "lib"  # as many keep it: within the folder they work in
    installed.mkdir(parents=True)
    (installed / "library.py").write_text(TAKES_OPTIONAL)
    return tmp_path


def test_what_is_asked_for_and_what_it_imports_is_there(folder: Path) -> None:
    code = "make_findable('mine:net'); import mine; print(mine.VALUE, mine.helper.later())"
    assert _run(folder, code, folder / ".venv" / "lib") == "3 4"


def test_an_installed_package_gets_nothing_wherever_it_lies(folder: Path) -> None:
    code = "make_findable('mine:net'); import mine; print(mine.library.optional)"
    assert _run(folder, code, folder / ".venv" / "lib") == "None"
    assert not (folder / "mark").exists()


def test_nobody_else_gets_anything(folder: Path) -> None:
    code = (
        "make_findable('mine:net'); import importlib.util as u\n"
        "print(u.find_spec('optional'), u.find_spec('helper'), u.find_spec('mine') is not None)"
    )
    assert _run(folder, code) == "None None True"


def test_a_package_without_an_init_is_not_hidden(folder: Path) -> None:
    (folder / ".venv" / "lib" / "optional").mkdir()
    code = "make_findable('mine:net'); import mine; print(mine.library.optional.__file__)"
    assert _run(folder, code, folder / ".venv" / "lib") == "None"
    assert not (folder / "mark").exists()


def test_the_entry_on_the_search_path_leads_nowhere(folder: Path) -> None:
    """A folder or an archive of its name would be one that Python itself looks into."""
    code = (
        "import sys; before = set(sys.path); make_findable('mine:net')\n"
        "(new,) = set(sys.path) - before; print(new)"
    )
    entry = Path(_run(folder, code))
    assert entry.is_absolute()
    with pytest.raises(OSError):
        entry.mkdir(parents=True)
    with pytest.raises(OSError), zipfile.ZipFile(entry, "w"):
        pass


def test_a_process_finds_them_from_any_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "main.py").write_text(
        "import os, subprocess, sys\n"
        "from neurovisionlab.learn.current_folder import make_findable\n"
        "make_findable('helper:f')\n"
        "code = f'import sys; sys.path[:] = {sys.path!r}\\n'\n"
        "code += 'from neurovisionlab.learn.current_folder import make_findable\\n'\n"
        "code += 'make_findable(\"helper:f\"); import helper; print(helper.VALUE)'\n"
        "print(subprocess.check_output([sys.executable, '-P', '-c', code], cwd='/', text=True))\n"
    )
    assert _run(folder, f"exec(open({str(folder / 'main.py')!r}).read())") == "3"
