"""How long one waits for nothing: `nvl --help`, and `nvl run` when all is finished."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import compare

STUDY = """
name = "nothing"
datasets = ["digits"]
models = ["mobilenetv2"]
[protocol]
epochs = 1
[subset]
train_images = 100
test_images = 50
"""


def main() -> int:
    """Run the benchmark; exit code 1 if a goal is missed."""
    nvl = str(Path(sys.executable).with_name("nvl"))
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "nothing.toml"
        study.write_text(STUDY)

        def call(*words: str) -> None:
            subprocess.run([nvl, *words], check=True, capture_output=True)

        seconds = compare.interleaved(
            {
                "nvl --help": lambda: call("--help"),
                "nvl run, nothing to do": lambda: call("run", str(study), "--out", f"{folder}/out"),
            },
            rounds=7,
        )
    compare.show("start-up", seconds)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    met = compare.verdict("nvl --help, s", medians["nvl --help"], 0.4, at_least=False)
    met &= compare.verdict("nothing to do, s", medians["nvl run, nothing to do"], 2, at_least=False)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
