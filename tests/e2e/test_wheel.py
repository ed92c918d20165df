"""The wheel holds all that is needed, and works where the source does not lie."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _checked(*command: str, cwd: Path) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"NVL_DEVICE": "cpu"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from the source tree."""
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation")
    _checked(*build, "--outdir", str(folder), str(ROOT), cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin folder of an environment with the wheel, and this one's other packages."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    places = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", places))
    # paths in a .pth are appended: the wheel's own package is found first
    (site / "rest.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", f"--python={folder / 'bin' / 'python'}", "install")
    flags = ("--no-deps", "--no-index", "--ignore-installed", "--disable-pip-version-check")
    _checked(*pip, *flags, str(wheel), cwd=folder)
    return folder / "bin"


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    package = ROOT / "src" / "neurovisionlab"
    wanted = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert wanted <= held
    assert "neurovisionlab/presets/quick.toml" in held
    assert "neurovisionlab/out/page/templates/report.html.j2" in held
    assert "neurovisionlab/out/locale/uk.po" in held
    assert not [name for name in held if name.startswith(("tests/", "shared/"))]
    licences = [name for name in held if name.endswith(("LICENSE", "NOTICE"))]
    assert len(licences) == 2


@pytest.mark.slow
def test_the_installed_command_runs_a_study(installed: Path, tiny_npz: Path) -> None:
    where = "import neurovisionlab; print(neurovisionlab.__file__)"
    found = _checked(str(installed / "python"), "-c", where, cwd=tiny_npz)
    assert found.startswith(str(installed.parent))
    nvl = str(installed / "nvl")
    assert "quick" in _checked(nvl, "presets", cwd=tiny_npz)
    study = tiny_npz / "tiny.toml"
    study.write_text(
        f'name = "tiny"\ndatasets = ["npz:{tiny_npz}"]\nmodels = ["vit-tiny"]\n'
        "[protocol]\nimage_px = 16\nepochs = 1\n"
    )
    assert "✓" in _checked(nvl, "run", str(study), "--no-measure", cwd=tiny_npz)
    assert (tiny_npz / "runs" / "tiny" / "report.html").is_file()
    assert '"done"' in _checked(nvl, "results", "runs/tiny", "--json", cwd=tiny_npz)
