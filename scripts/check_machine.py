"""Before an installation: is Python new enough, and is there room for torch?

Run by the Makefile with the interpreter that will make the environment; needs nothing installed.
"""

import importlib.util
import shutil
import sys

# measured: 5.5 GB in the environment for torch 2.14 with CUDA libraries and all else; pip needs
# half as much again while it unpacks
NEEDED_GB = 8


def main() -> int:
    """Return 0 if an installation can begin, else 2 after saying why not."""
    if sys.version_info < (3, 11):  # noqa: UP036 – this runs before anything checked it
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"error: expected Python 3.11 or newer, got {found}; try make PYTHON=python3.12")
        return 2
    free_gb = shutil.disk_usage(".").free / 1e9
    if free_gb < NEEDED_GB and importlib.util.find_spec("torch") is None:
        print(
            f"error: expected {NEEDED_GB} GB of free disk (torch's wheel for Linux brings CUDA), "
            f"got {free_gb:.1f} GB; try to make room, or to install a CPU-only torch yourself and "
            "then: make VENV_FLAGS=--system-site-packages"
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
