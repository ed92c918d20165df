"""NeuroVisionLab: which image classifier should I use for these images, and how sure can I be?"""

import sys

if sys.argv[:1] == ["-m"] and "neurovisionlab" in sys.orig_argv and not sys.flags.safe_path:
    # `python -m` puts the current folder first on the module path, and it may hold untrusted code
    del sys.path[0]

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import Labels, Split, Study, Subset

__version__ = "0.1.0"
__all__ = ["Labels", "Protocol", "Split", "Study", "Subset", "__version__"]
