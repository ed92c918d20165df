"""torch lives here: devices, models, the training loop, one cell from start to end."""

import os

# Before torch loads its OpenMP (GNU's on Linux): a waiting thread spins a while, then sleeps.
# A step of MobileNetV2 at 28 px ends in hundreds of waits too short to be slept through; what that
# costs, and what it costs to spin beside another busy process, stands in docs/speed-log.md.
if "OMP_WAIT_POLICY" not in os.environ:  # a user's own choice stands
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
