"""NeuroVisionLab: which image classifier should I use for these images, and how sure can I be?"""

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import Labels, Split, Study, Subset

__version__ = "0.1.0"
__all__ = ["Labels", "Protocol", "Split", "Study", "Subset", "__version__"]
