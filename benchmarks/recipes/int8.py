"""What a network loses when its weights are kept as int8: size on disk, validation accuracy.

    python benchmarks/recipes/int8.py RUN [--data DIR]

Symmetric, one scale for each first index of a tensor of two dimensions and more (the output
channels of convolutions and linear layers); the rest stays fp32, and arithmetic as it was. For
every cell of RUN whose weights were kept. Judged on validation images: test images get no answer.
"""

from __future__ import annotations

import neurovisionlab.learn  # noqa: F401  before torch: it says how threads wait

# isort: split
import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from neurovisionlab.core.metrics import score
from neurovisionlab.core.records import CellRecord
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.sources import load
from neurovisionlab.lab.store import WEIGHTS, Store
from neurovisionlab.learn.answer import predict
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import choose
from neurovisionlab.learn.run import shape_of, stage_parts
from neurovisionlab.learn.zoo import build

LARGEST = 127


def packed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as int8 with a scale [C_out, 1, …] beside each; other tensors as they are."""
    out: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if tensor.ndim < 2:
            out[name] = tensor
            continue
        most = tensor.abs().amax(dim=tuple(range(1, tensor.ndim)), keepdim=True)
        scale = (most / LARGEST).clamp_min(torch.finfo(torch.float32).tiny)
        out[name] = (tensor / scale).round().to(torch.int8)
        out[f"{name}.scale"] = scale
    return out


def unpacked(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what `packed` was given, but for rounding."""
    scales = {name: tensor for name, tensor in tensors.items() if name.endswith(".scale")}
    return {
        name: tensor * scales[f"{name}.scale"] if f"{name}.scale" in scales else tensor
        for name, tensor in tensors.items()
        if name not in scales
    }


def compare(record: CellRecord, store: Store, home: DataHome) -> str:
    """Return a line: sizes, accuracies and how many answers are others."""
    cell = record.cell
    device = choose(cell.protocol.precision)
    parts = stage_parts(load(cell.data_ref, home), store.split(record.split_id), cell, device)
    state = load_file(store.root / "cells" / record.cell_id / WEIGHTS)
    small = packed(state)
    model = build(cell.model, shape_of(cell), cell.protocol).to(memory_format=torch.channels_last)
    answers, accuracies = [], []
    for weights in (state, unpacked(small)):
        model.load_state_dict(weights)
        logits_NC, labels_N = predict(model, parts.val, device, Stopwatches())
        answers.append(logits_NC.argmax(axis=1))
        accuracies.append(100 * score(logits_NC, labels_N).accuracy_frac)
    sizes = [len(save(tensors)) / 2**20 for tensors in (state, small)]
    return (
        f"{record.cell_id}: fp32 {sizes[0]:.2f} MiB, validation {accuracies[0]:.2f} %; "
        f"int8 {sizes[1]:.2f} MiB, {accuracies[1]:.2f} %; "
        f"{(answers[0] != answers[1]).sum()} of {len(answers[0]):,} answers differ"
    )


def main() -> None:
    """Print a line for each cell with weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    store = Store.existing(given.run)
    for record in store.finished(store.plan().cells()):
        if store.has_weights(record.cell_id):
            print(compare(record, store, DataHome.find(given.data)), flush=True)


if __name__ == "__main__":
    main()
