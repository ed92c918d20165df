"""Make an environment for the peers that reuses the packages of the one that runs this.

    .venv/bin/python benchmarks/peers/environment.py .venv-peers

What pip then installs into it lands in the new environment alone; torch is found where it is.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

PURELIB = "import sysconfig; print(sysconfig.get_path('purelib'))"


def main() -> None:
    """Create the environment that the command line names."""
    folder = Path(sys.argv[1])
    venv.create(folder, with_pip=True)
    asked = [str(folder / "bin" / "python"), "-c", PURELIB]
    site = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    # appended to the path, so that what the peers need newer is found first; a line that begins
    # with "import" is run: unlike a bare path it follows the other environment's own .pth files
    reused = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    lines = [f"import site; site.addsitedir({path!r})\n" for path in reused]
    (Path(site) / "reuse.pth").write_text("".join(lines))


if __name__ == "__main__":
    main()
