"""A cell's images on the device: those that train, and those of each evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.bounds import PartName
from neurovisionlab.core.predictions import SplitIndices
from neurovisionlab.core.records import VALIDATION, Preprocessing
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.augment import AUGMENTATIONS, no_augmentation
from neurovisionlab.data.batches import Batches, Scaling, Staged, stage, statistics
from neurovisionlab.data.images import ImageSet
from neurovisionlab.learn.device import Device


class Parts(NamedTuple):
    """A set on the device, ready to be cut into batches.

    Attributes:
        train: augmented where the protocol says so.
        evaluated: {evaluation: images that are asked about}, never augmented.
    """

    train: Batches
    evaluated: Mapping[PartName, Batches]

    @property
    def val(self) -> Batches:
        """The images that choose."""
        return self.evaluated[VALIDATION]


def stage_parts(images: ImageSet, indices: SplitIndices, cell: CellSpec, device: Device) -> Parts:
    """Stage all parts on the device; scaling constants come from the training images alone.

    Raises:
        ResourceError: the images do not fit into memory.
    """
    protocol = cell.protocol
    num = sum(len(where_N) for where_N in indices.by_part.values())
    device.check_fits(num * images.images_NHWC[0].size, f"staging {num:,} images")
    staged = {
        part: stage(
            images.images_NHWC[where_N],
            images.labels_N[where_N],
            to_grey=protocol.color == "grey",
            device=device.torch_device,
        )
        for part, where_N in indices.by_part.items()
    }
    scaling = _scaling(cell, staged["train"])

    def batches(part: Staged, augmentation: str) -> Batches:
        return Batches(
            staged=part,
            batch_size=protocol.batch_size,
            image_px=cell.image_px,
            channels=cell.channels,
            scaling=scaling,
            augment=AUGMENTATIONS.get(augmentation, no_augmentation),
        )

    train = batches(staged.pop("train"), protocol.augmentation)
    return Parts(train, {part: batches(asked, "none") for part, asked in staged.items()})


def _scaling(cell: CellSpec, train: Staged) -> Scaling:
    protocol = cell.protocol
    if protocol.scaling == "unit":
        return Scaling((0.0,), (1.0,))
    if protocol.mean is not None and protocol.std is not None:
        return Scaling(protocol.mean, protocol.std)
    return statistics(train)


def preprocessing_of(batches: Batches) -> Preprocessing:
    """Return what images go through on their way into a batch, for the record."""
    return Preprocessing(
        image_px=batches.image_px,
        channels=batches.channels,
        mean=batches.scaling.mean_C,
        std=batches.scaling.std_C,
    )


def batches_of(
    images_NHWC: NDArray[np.uint8],
    labels_N: NDArray[np.int64],
    preprocessing: Preprocessing,
    batch_size: int,
    device: Device,
) -> Batches:
    """Return other images as a model's own went into it, on the device.

    Args:
        images_NHWC: 1 or 3 channels, any size.
        labels_N: 0..C-1.
        preprocessing: of the model.
        batch_size: of its training: small images are answered at least so many at once.
        device: where the model lies.

    Raises:
        ResourceError: they do not fit.
    """
    device.check_fits(images_NHWC.size, f"staging {len(images_NHWC):,} images")
    to_grey = preprocessing.channels == 1
    return Batches(
        staged=stage(images_NHWC, labels_N, to_grey, device.torch_device),
        batch_size=batch_size,
        image_px=preprocessing.image_px,
        channels=preprocessing.channels,
        scaling=Scaling(preprocessing.mean, preprocessing.std),
    )
