"""A model by its name: built, held against what a run knows of it, counted.

All that builds models is loaded with this file, and so before any code of a user's own, which may
change where Python looks for modules.
"""

from __future__ import annotations

from torch import Tensor, nn

from neurovisionlab.core.errors import ModelError, mould
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn import (  # noqa: F401
    dropout,
    own_network,
    stems,
    table_network,
    timm_network,
    torchvision_network,
)
from neurovisionlab.learn.checkpoint import once_each
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.named_models import source_of


def build(
    name: str, shape: ModelShape, protocol: Protocol, reads_weights: bool = True
) -> nn.Module:
    """Build a model by its name: see `ModelSource.build`.

    Raises:
        ModelError: the name is unknown, the size unsuitable, or weights are missing or do not fit.
    """
    return source_of(name).build(shape, protocol, reads_weights)


def check_unchanged(name: str, expected: str | None, is_pretrained: bool) -> str | None:
    """Return whose pretrained weights a model begins with; refuse code or weights that changed.

    Args:
        name: of the model.
        expected: what identified it when the study was expanded (`CellSpec.model_digest`).
        is_pretrained: whether it begins with published weights.

    Raises:
        ModelError: its code, revision or weights are others now.
    """
    source = source_of(name)
    found = [digest for digest in (source.digest(),) if digest is not None]
    weights = source.weights() if is_pretrained else None
    if weights is not None:
        found.append(weights.digest)
    digest = "+".join(found) or None
    if digest != expected:
        what = "code or weights" if weights and len(found) > 1 else "weights" if weights else "code"
        got = f"{(digest or 'none')[:12]}: they changed since the run began"
        raise ModelError(
            mould(name, f"{what} of digest {(expected or 'none')[:12]}", got, "to run again")
        )
    return None if weights is None else weights.origin


def check_code_unchanged(name: str, expected: str | None, is_pretrained: bool) -> None:
    """Refuse a model whose code or revision differs from that of a finished cell.

    Args:
        name: of the model.
        expected: `CellSpec.model_digest`.
        is_pretrained: whether that digest ends in the digest of published weights.

    Raises:
        ModelError: it changed.
    """
    parts = (expected or "").split("+")
    trained_with = "+".join(parts[:-1] if is_pretrained else parts) or None
    found = source_of(name).digest()
    if found != trained_with:
        got = f"{(found or 'none')[:12]}: it changed since it was trained"
        was = (trained_with or "none")[:12]
        raise ModelError(mould(name, f"code of digest {was}", got, "the code of that time"))


def weights_mib(model: nn.Module) -> float:
    """Return the size of a file of the model's weights and buffers in MiB; no repetition."""
    tensors = (one for one in model.state_dict().values() if isinstance(one, Tensor))
    num_bytes = sum(t.numel() * t.element_size() for t in once_each(tensors))
    return float(num_bytes) / 2**20


def num_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters; shared ones count once."""
    return sum(p.numel() for p in once_each(p for p in model.parameters() if p.requires_grad))
