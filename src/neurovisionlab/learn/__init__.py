"""torch lives here: devices, models, the training loop, one cell from start to end."""

import os

# Before torch loads its OpenMP: waiting threads sleep instead of spinning. Measured on two cores,
# ResNet-18 at 28 px: no slower when the machine is idle, three to eight times faster when another
# process keeps one core busy.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
