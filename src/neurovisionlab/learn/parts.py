"""Training, validation and test images of a cell, staged on the device."""

from __future__ import annotations

from typing import NamedTuple

from neurovisionlab.core.records import SplitIndices
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.augment import AUGMENTATIONS, no_augmentation
from neurovisionlab.data.batches import Batches, Scaling, Staged, stage, statistics
from neurovisionlab.data.images import ImageSet
from neurovisionlab.learn.device import Device


class Parts(NamedTuple):
    """Training, validation and test images on the device, ready to be cut into batches."""

    train: Batches
    val: Batches
    test: Batches


def stage_parts(images: ImageSet, indices: SplitIndices, cell: CellSpec, device: Device) -> Parts:
    """Stage all parts on the device; scaling constants come from the training images alone.

    Raises:
        ResourceError: the images do not fit into memory.
    """
    protocol = cell.protocol
    num = sum(len(where) for where in (indices.train_N, indices.val_N, indices.test_N))
    device.check_fits(num * images.images_NHWC[0].size, f"staging {num:,} images")
    staged = [
        stage(
            images.images_NHWC[where],
            images.labels_N[where],
            to_grey=protocol.color == "grey",
            device=device.torch_device,
        )
        for where in (indices.train_N, indices.val_N, indices.test_N)
    ]
    scaling = _scaling(cell, staged[0])

    def batches(part: Staged, augmentation: str) -> Batches:
        return Batches(
            staged=part,
            batch_size=protocol.batch_size,
            image_px=cell.image_px,
            channels=cell.channels,
            scaling=scaling,
            augment=AUGMENTATIONS.get(augmentation, no_augmentation),
        )

    train, val, test = staged
    return Parts(batches(train, protocol.augmentation), batches(val, "none"), batches(test, "none"))


def _scaling(cell: CellSpec, train: Staged) -> Scaling:
    protocol = cell.protocol
    if protocol.scaling == "unit":
        return Scaling((0.0,), (1.0,))
    if protocol.mean is not None and protocol.std is not None:
        return Scaling(protocol.mean, protocol.std)
    return statistics(train)
