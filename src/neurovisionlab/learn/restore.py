"""A finished cell back as a model: the same network in the same form, without training data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from neurovisionlab.core.errors import ModelError, StoreError, mould
from neurovisionlab.core.records import CellRecord, Preprocessing
from neurovisionlab.learn.answer import predict
from neurovisionlab.learn.checkpoint import from_bytes, metadata_of
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import Device, choose, seed_everything
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.pace import restored_form
from neurovisionlab.learn.parts import batches_of
from neurovisionlab.learn.zoo import build, check_code_unchanged


@dataclass(frozen=True)
class Restored:
    """A trained model that can be asked.

    Attributes:
        model: in evaluation mode, on the device, in the form in which it was trained.
        preprocessing: what its images go through.
        device: where it lies, with the precision of its training.
        batch_size: of its training.
    """

    model: nn.Module
    preprocessing: Preprocessing
    device: Device
    batch_size: int

    def logits(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what it answers: float32 [N, classes].

        On the machine that trained it, with as many threads, these are the same bits as of the
        cell's own evaluations, if it is asked about the same images in the same order.

        Args:
            images_NHWC: bytes, 1 or 3 channels, any size.

        Raises:
            ResourceError: they do not fit.
        """
        labels_N = np.zeros(len(images_NHWC), np.int64)
        batches = batches_of(
            images_NHWC, labels_N, self.preprocessing, self.batch_size, self.device
        )
        logits_NC, _ = predict(self.model, batches, self.device, Stopwatches())
        return logits_NC


def restore(record: CellRecord, weights: bytes | None) -> Restored:
    """Return a finished cell as a model. Imports a user's own code where the cell names it.

    Args:
        record: of the cell.
        weights: its safetensors file; None where none was kept.

    Raises:
        StoreError: the cell has no weights, or its record lacks what its images went through.
        ModelError: its code changed, or the weights do not fit the record.
    """
    cell, protocol = record.cell, record.cell.protocol
    if weights is None:
        got, remedy = _why_no_weights(record)
        raise StoreError(mould(record.cell_id, "weights", got, remedy))
    preprocessing, execution = record.preprocessing, record.execution
    if preprocessing is None or execution is None:
        got = "none: a record of an earlier version"
        remedy = "to train it anew, in another --out"
        raise StoreError(mould(record.cell_id, "what its images went through", got, remedy))
    of_cell = _cell_of(weights) or record.cell_id
    if of_cell.rpartition("-")[2] != record.cell_id.rpartition("-")[2]:
        raise ModelError(mould(record.cell_id, "its own weights", f"those of {of_cell}", "its own"))
    device = choose(protocol.precision, protocol.deterministic)
    check_code_unchanged(cell.model, cell.model_digest, protocol.pretrained)
    shape = ModelShape(cell.image_px, cell.channels, cell.num_classes)
    with device.chance_kept():
        seed_everything(cell.seed)  # code may keep what it draws where no file of weights has it
        model = build(cell.model, shape, protocol, reads_weights=False).to(device.torch_device)
    restored_form(model, device, execution)
    from_bytes(model, weights)
    return Restored(model.eval(), preprocessing, device, protocol.batch_size)


def _cell_of(weights: bytes) -> str | None:
    """Return the id of the cell that a file of weights names; None where it names none.

    Raises:
        ModelError: its header cannot be read.
    """
    try:
        return metadata_of(weights).get("cell_id")
    except (ValueError, RecursionError) as error:
        got = (str(error) or repr(error)).splitlines()[0]
        raise ModelError(mould("weights", "a whole file of them", got, "to train anew")) from None


def _why_no_weights(record: CellRecord) -> tuple[str, str]:
    """Return why a cell has no weights, and what to do."""
    if record.status == "diverged":
        return "none: it diverged", "another cell"
    kept = record.cell.protocol.keep_weights
    return f'none: keep_weights = "{kept}"', 'keep_weights = "all" in a new --out'
