"""What every peer's script takes: the same network, the same images, the same optimiser."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import transforms
from torchvision.models import mobilenet_v2

from peers.task import LEARNING_RATE, MEAN, NUM_CLASSES, STD, Task, read

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images in memory that a transform is applied to one by one, as torchvision's own sets do."""

    def __init__(self, images_NHW: Images, labels_N: Labels, transform: object = None) -> None:
        self.images_NHW, self.labels_N = images_NHW, labels_N
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels_N)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.images_NHW[index])
        return self.transform(picture), int(self.labels_N[index])  # type: ignore[operator]


def to_scaled_tensor(*first: object) -> transforms.Compose:
    """Return the transform of torchvision's tutorials, after what comes `first`."""
    return transforms.Compose(
        [*first, transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))]
    )


def once_scaled(images_NHW: Images, labels_N: Labels) -> TensorDataset:
    """Return the images as floats, scaled before the training instead of in it."""
    floats = torch.from_numpy(images_NHW)[:, None].float().div_(255).sub_(MEAN).div_(STD)
    return TensorDataset(floats, torch.from_numpy(labels_N))


def images_of(task: Task, part: str, *first: object) -> Dataset[tuple[Tensor, int]]:
    """Return a part of the set as a peer's user would write it."""
    arrays = read(task, part)
    return once_scaled(*arrays) if task.tuned else Pictures(*arrays, to_scaled_tensor(*first))


def loader_of(task: Task, images: Dataset[tuple[Tensor, int]], shuffle: bool) -> DataLoader:
    """Return batches of a part."""
    return DataLoader(
        images,
        task.batch,
        shuffle=shuffle,
        num_workers=task.workers,
        persistent_workers=task.workers > 0,
    )


def begin(task: Task) -> None:
    """Set threads and seed."""
    torch.set_num_threads(task.threads)
    torch.manual_seed(task.seed)


def mobilenet(task: Task) -> nn.Module:
    """Return torchvision's MobileNetV2 for grey images, drawn anew.

    The first layer is what the laboratory makes of it: the colour layer's weights, summed.
    """
    model = mobilenet_v2(num_classes=NUM_CLASSES)
    colour = model.features[0][0]
    grey = nn.Conv2d(1, colour.out_channels, 3, stride=2, padding=1, bias=False)
    with torch.no_grad():
        grey.weight.copy_(colour.weight.sum(dim=1, keepdim=True))
    model.features[0][0] = grey
    return model.to(memory_format=torch.channels_last) if task.tuned else model


def adam(model: nn.Module, task: Task) -> torch.optim.Adam:
    """Return Adam, in its default form for a CPU or fused."""
    return torch.optim.Adam(model.parameters(), LEARNING_RATE, fused=task.tuned or None)
