"""Code that a run names: never imported by reading it, and only unchanged for those who trust."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from lab.fakes import fake_plan, fake_result
from neurovisionlab import api
from neurovisionlab.core.costs import CostSpec, cost_spec
from neurovisionlab.core.errors import ModelError, SpecError
from neurovisionlab.core.parse import study_from
from neurovisionlab.lab.store import Plan, Store
from neurovisionlab.lab.trust import own_models, trusted
from neurovisionlab.learn.named_models import source_of
from neurovisionlab.learn.own_source import check_source

LEAVES_A_MARK = """
from pathlib import Path
Path(__file__).with_name("imported").touch()

def net(num_classes, channels, image_px):
    raise SystemExit("built")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with modules that would leave a mark."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text(LEAVES_A_MARK)
    package = tmp_path / "evilpack"
    package.mkdir()
    (package / "__init__.py").write_text(LEAVES_A_MARK)
    (package / "inner.py").write_text(LEAVES_A_MARK)
    return tmp_path


def marks(folder: Path) -> list[Path]:
    return list(folder.rglob("imported"))


def run_of(folder: Path, *models: str, digest: str = "0" * 64) -> Store:
    """Return a run of a stranger's that names models."""
    digests = {model: digest for model in models if ":" in model}
    plan = Plan(**dict(fake_plan(models=models)) | {"model_digests": digests})
    store = Store(folder / "run")
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            store.put(fake_result(cell))
    return store


def specs_of(store: Store) -> list[CostSpec]:
    return [cost_spec(cell) for cell in store.plan().cells()]


@pytest.mark.parametrize("model", ["evil:net", "evilpack:net", "evilpack.inner:net"])
def test_code_is_left_out_or_refused_before_it_is_imported(here: Path, model: str) -> None:
    store = run_of(here, model)
    with pytest.raises(ModelError, match="--trust"):
        list(api.measure_run(store, 0.1))
    with pytest.raises(ModelError, match="not imported"):
        list(api.measure_run(store, 0.1, trust=True))
    assert not marks(here)
    assert not {"evil", "evilpack"} & sys.modules.keys()


def test_other_models_are_measured_without_it(here: Path) -> None:
    specs = specs_of(run_of(here, "resnet18", "evil:net"))
    assert {spec.model for spec in trusted(specs, trust=False)} == {"resnet18"}
    assert own_models(specs) == ("evil:net",)
    assert trusted([], trust=False) == []


def test_all_that_differs_is_one_error(here: Path) -> None:
    specs = specs_of(run_of(here, "evil:net", "evilpack.inner:net", "absent.module:net"))
    with pytest.raises(ModelError) as caught:
        trusted(specs, trust=True)
    for name in ("evil:net", "evilpack.inner:net", "absent.module:net"):
        assert name in str(caught.value)
    assert not marks(here)


def test_code_that_is_the_same_may_be_measured(here: Path) -> None:
    same = hashlib.sha256((here / "evil.py").read_bytes()).hexdigest()
    specs = specs_of(run_of(here, "evil:net", digest=f"{same}+{'1' * 64}"))  # and weights
    assert len(trusted(specs, trust=True)) == len(specs)
    assert not marks(here)


SOURCES = {
    "plain.py": "def net(num_classes, channels, image_px): ...\n",
    "taken.py": "from plain import net\n",
    "renamed.py": "import plain\nother = plain.net\n",
    "twice.py": "from taken import net\n",
    "wrapped.py": (
        "import functools, plain\n"
        "@functools.wraps(plain.net)\ndef net(*args, **kwargs): return plain.net(*args, **kwargs)\n"
    ),
    "pack/__init__.py": "from .impl import net\n",
    "pack/impl.py": "from . import deep\nnet = deep.net\n",
    "pack/deep.py": "def net(num_classes, channels, image_px): ...\n",
}


def test_the_digest_read_is_that_of_the_imported(tmp_path: Path) -> None:
    for name, text in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    models = ["plain:net", "taken:net", "renamed:other", "twice:net", "wrapped:net", "pack:net"]
    code = f"""
from neurovisionlab.learn.named_models import source_of
from neurovisionlab.learn.own_source import check_source
import sys
models = {models}
digests = {{model: source_of(model).digest() for model in models}}
assert "plain" in sys.modules
for name in ("plain", "taken", "renamed", "twice", "wrapped", "pack", "pack.impl", "pack.deep"):
    del sys.modules[name]
for model, digest in digests.items():
    check_source(model, digest)
assert not {{"plain", "pack"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=120)


def test_an_installed_module_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "installed_net.py").write_text(SOURCES["plain.py"])
    check_source("installed_net:net", source_of("installed_net:net").digest())


@pytest.mark.parametrize(
    "model", ["sys:exit", "posix:system", "..:x", ":", "a:", "x.y.z:f", "a b:c", "../evil:net"]
)
def test_no_file_of_python_no_trust(here: Path, model: str) -> None:
    with pytest.raises(ModelError):
        check_source(model, "0" * 64)


HOSTILE = [
    "timm:../../x",
    "timm:hf-hub:stranger/model",
    "timm:hf_hub:stranger/model",
    "timm:local-dir:/tmp/x",
    "timm:file:///etc/passwd",
    "timm:",
    "timm:a b",
    "timm:a..b",
    "timm:resnet18\n",
    "torchvision:../x",
    "torchvision:https://example.org/x.pth",
    "timm:" + "x/" * 100,
]


@pytest.mark.parametrize("model", HOSTILE)
def test_names_that_libraries_would_load_from_are_refused_when_read(model: str) -> None:
    with pytest.raises(SpecError, match="models"):
        study_from({"name": "x", "datasets": ["digits"], "models": [model]}, "study")
    spec = cost_spec(fake_plan().cells()[0])
    for record in (spec, fake_plan().cells()[0]):
        with pytest.raises(ValidationError):
            record.changed(model=model)
