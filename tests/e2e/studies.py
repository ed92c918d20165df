"""Small studies, written as a person would write them."""

from __future__ import annotations

from pathlib import Path

from lab.fakes import fake_result
from neurovisionlab import Study, api
from neurovisionlab.lab.conduct import conduct
from neurovisionlab.lab.executors import execute_here


def write_study(
    folder: Path, dataset: str, top: str = "", protocol: str = "", tables: str = ""
) -> Path:
    """Write a study of one epoch at 16 px, and return its path."""
    path = folder / "study.toml"
    lines = ['name = "small"', f'datasets = ["{dataset}"]']
    if "models" not in top:
        lines.append('models = ["vit-tiny"]')
    lines += [top, "[protocol]"]
    for default in ("image_px = 16", "epochs = 1", "batch_size = 16"):
        if default.split(" ")[0] not in protocol:
            lines.append(default)
    path.write_text("\n".join([*lines, protocol, tables, ""]), encoding="utf-8")
    return path


def run_with_fakes(study: Study | Path, out: Path, data: Path | None = None) -> api.Run:
    """Finish every missing cell of a study with a made-up result; return the run as it began."""
    wanted = api.load_study(str(study)) if isinstance(study, Path) else study
    prepared = api.prepare(wanted, data, out)
    for _ in conduct(
        prepared.cells, prepared.store, lambda cell, say: fake_result(cell), execute_here
    ):
        pass
    return prepared


def run_here(study: Path, out: Path, data: Path | None = None) -> api.Run:
    """Train every missing cell of a study in this process; return the run as it ended."""
    wanted = api.load_study(str(study))
    for _ in api.prepare(wanted, data, out).events(execute_here):
        pass
    return api.prepare(wanted, data, out)
