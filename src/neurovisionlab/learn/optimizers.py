"""Optimisers: torch's own, and a combination of Muon and AdamW."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from neurovisionlab.core.protocol import Protocol


def make_optimizer(model: nn.Module, protocol: Protocol) -> torch.optim.Optimizer:
    """Return the protocol's optimiser; except for Muon, one fused call updates all parameters.

    The weights must already have their memory format of training: Muon sees them as matrices.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    rate, decay = protocol.learning_rate, protocol.weight_decay
    if protocol.optimizer == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=0.9, weight_decay=decay, fused=True)
    if protocol.optimizer == "muon":
        return MuonBesideAdamW(hidden_weights(model), parameters, rate, decay)
    kind = torch.optim.Adam if protocol.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, rate, weight_decay=decay, fused=True)


def hidden_weights(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights of all convolutions and linear layers except the first and the last.

    Muon is designed for these; its author leaves the first and the last layer, and all parameters
    that are not matrices, to AdamW (Jordan et al. 2024, "Muon: An optimizer for hidden layers in
    neural networks"). First and last refer to the order in which a model registers its layers.
    Grouped convolutions are many small matrices and are left out. A shared weight is returned once,
    and not at all if it also belongs to the first or the last layer.
    """
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    dense = [layer for layer in layers[1:-1] if getattr(layer, "groups", 1) == 1]
    outer = {id(layer.weight) for layer in (*layers[:1], *layers[-1:])}
    weights = {id(layer.weight): layer.weight for layer in dense if id(layer.weight) not in outer}
    return [w for w in weights.values() if isinstance(w, nn.Parameter) and w.requires_grad]


class MuonBesideAdamW(torch.optim.Optimizer):
    """Muon for some weights, AdamW for all others, with one learning rate and weight decay.

    Muon orthogonalises the update of a matrix, so that all directions are updated equally (Jordan
    et al. 2024). A convolution's weight is the matrix [out, in × height × width]. Muon's learning
    rate is scaled so that weights change as much per step as under AdamW (0.2 √(longer side); Liu
    et al. 2025, "Muon is Scalable for LLM Training"), so that AdamW's learning rates fit both.
    torch computes the orthogonalisation in bfloat16, on every device.

    Args:
        matrices: weights of two dimensions or more, for Muon.
        parameters: all trained parameters, including `matrices`.
        rate: learning rate; a scheduler sets it for both.
        decay: decoupled weight decay.
    """

    def __init__(
        self,
        matrices: list[nn.Parameter],
        parameters: list[nn.Parameter],
        rate: float,
        decay: float,
    ) -> None:
        chosen = {id(weight) for weight in matrices}
        others = [weight for weight in parameters if id(weight) not in chosen]
        groups: list[dict[str, Any]] = [{"params": others}, {"params": matrices}]
        super().__init__(groups, {"lr": rate, "weight_decay": decay})
        # torch's Muon requires two dimensions: it updates views, which share the weights' memory
        self._views = [_MatrixView(weight) for weight in matrices]
        adamw = torch.optim.AdamW(others, rate, weight_decay=decay, fused=True) if others else None
        muon = _muon([view.matrix for view in self._views], rate, decay) if matrices else None
        self._inner = (adamw, muon)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all weights that have a gradient."""
        for view in self._views:
            view.take_gradient()
        for group, inner in zip(self.param_groups, self._inner, strict=True):
            if inner is not None:
                inner.param_groups[0]["lr"] = group["lr"]
                inner.step()
        for view in self._views:
            view.matrix.grad = None  # else its memory would be held until the next step

    def state_dict(self) -> dict[str, Any]:
        """Return the learning rates, and the state of AdamW and of Muon under "inner"."""
        inner = [None if one is None else one.state_dict() for one in self._inner]
        return {**super().state_dict(), "inner": inner}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned for the same model."""
        inner = state_dict["inner"]
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "inner"})
        for optimizer, state in zip(self._inner, inner, strict=True):
            if optimizer is not None:
                optimizer.load_state_dict(state)


class _MatrixView:
    """A view of a weight as a matrix [out, rest] that shares its memory.

    The order of the columns is that of memory, which does not affect Muon's step.
    """

    def __init__(self, weight: nn.Parameter) -> None:
        self._weight = weight
        self._is_channels_last = weight.ndim == 4 and weight.is_contiguous(
            memory_format=torch.channels_last
        )
        self.matrix = self._flat(weight.detach())
        assert self.matrix.data_ptr() == weight.data_ptr(), "a weight that is not dense"

    def take_gradient(self) -> None:
        """Set the matrix's gradient to the weight's, with its columns in the same order."""
        gradient = self._weight.grad
        self.matrix.grad = None if gradient is None else self._flat(gradient)

    def _flat(self, values: Tensor) -> Tensor:
        return (values.permute(0, 2, 3, 1) if self._is_channels_last else values).flatten(1)


def _muon(matrices: list[Tensor], rate: float, decay: float) -> torch.optim.Optimizer:
    return torch.optim.Muon(matrices, rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
