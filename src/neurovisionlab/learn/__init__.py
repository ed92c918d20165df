"""The modules that use torch: devices, models, the training loop, one cell from start to end."""

import os

# Set before torch loads its OpenMP (GNU's on Linux): a waiting thread spins for a while, then
# sleeps. A step of MobileNetV2 at 28 px has hundreds of waits too short for sleeping;
# docs/speed-log.md gives their cost, and the cost of spinning beside another busy process.
if "OMP_WAIT_POLICY" not in os.environ:  # a user's own setting takes precedence
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
