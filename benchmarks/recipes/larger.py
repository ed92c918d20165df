"""Larger networks and stronger regularisation, as `strong-letters` trains, judged on validation.

    python benchmarks/recipes/larger.py --data DIR [--seeds 1] [--only TITLE ...]

The preset's cell with the laboratory's `fit`; only what a line names differs. The first line takes
a quarter of an hour a seed on two cores, the others more; on an H100, seven beside one another
took three and a half minutes. Test images get no answer.
"""

from __future__ import annotations

import neurovisionlab.learn  # noqa: F401  before torch: it says how threads wait

# isort: split
import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from neurovisionlab import api
from neurovisionlab.core.records import EpochRow
from neurovisionlab.core.spec import CellSpec
from neurovisionlab.data.augment import character_safe, moved
from neurovisionlab.data.batches import Batches
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.sources import load
from neurovisionlab.data.splits import split
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import choose, seed_everything
from neurovisionlab.learn.glyphnet import GlyphNet, Residual
from neurovisionlab.learn.memory import keep_freed
from neurovisionlab.learn.run import stage_parts
from neurovisionlab.learn.train import Trainer, fit

Augment = Callable[[Tensor, torch.Generator], Tensor]
DEPTHS = (1, 2, 2)  # those of glyphnet-medium


@dataclass(frozen=True)
class Line:
    """What differs from the preset.

    Attributes:
        title: for the table.
        widths: channels of the three stages.
        square_px: side of a place that is blanked in each image (DeVries & Taylor 2017); odd.
        path: chance of leaving out the last residual branch, less for those before it
            (Huang et al. 2016).
        strength: of the augmentation, as a share of the preset's.
        sharp_frac: last share of the epochs that see images unchanged.
        is_full_size: whether the first stage sees all 28 pixels of a side.
    """

    title: str
    widths: tuple[int, int, int] = (32, 64, 128)
    square_px: int = 0
    path: float = 0.0
    strength: float = 1.0
    sharp_frac: float = 0.25
    is_full_size: bool = False


WIDER, WIDEST = (48, 96, 192), (64, 128, 256)
LINES = (
    Line("as the preset"),
    Line("wider", WIDER),
    Line("widest", WIDEST),
    Line("square", square_px=9),
    Line("widest, square", WIDEST, square_px=11),
    Line("widest, path", WIDEST, path=0.2),
    Line("widest, augmentation", WIDEST, strength=1.4, sharp_frac=0.2),
    Line("full size", is_full_size=True),
    Line("wider, full size, path", WIDER, path=0.1, is_full_size=True),
    Line("wider, all", WIDER, square_px=9, path=0.1, strength=1.2, sharp_frac=0.2),
)


def network_of(line: Line, num_classes: int = 26) -> GlyphNet:
    """Return a glyphnet for grey images of 28 px, changed as the line says."""
    network = GlyphNet(num_classes, 1, line.widths, DEPTHS)
    if line.is_full_size:  # halved after the first stage instead of before it
        last_of_stem = network.stem[3]
        assert isinstance(last_of_stem, nn.Conv2d)
        last_of_stem.stride = (1, 1)
        first, *others = network.stages
        network.stages = nn.Sequential(first, nn.AvgPool2d(2), *others)
    blocks = [module for module in network.modules() if isinstance(module, Residual)]
    for number, block in enumerate(blocks, start=1):
        if line.path:
            block.second.append(StochasticDepth(line.path * number / len(blocks), "row"))
    return network


def blanked(
    images_BCHW: Tensor, noise: torch.Generator, augment: Augment, square_px: int
) -> Tensor:
    """Return augmented images, in each a square set to 0 whose middle lies anywhere in it."""
    images_BCHW = augment(images_BCHW, noise)
    num, (height, width) = len(images_BCHW), images_BCHW.shape[-2:]
    device, reach = images_BCHW.device, square_px // 2
    rows_B1, columns_B1 = (
        moved(torch.randint(0, side, (num, 1), generator=noise), device) for side in (height, width)
    )
    near_BH = (torch.arange(height, device=device) - rows_B1).abs() <= reach
    near_BW = (torch.arange(width, device=device) - columns_B1).abs() <= reach
    return images_BCHW.masked_fill((near_BH[:, :, None] & near_BW[:, None, :])[:, None], 0)


def changed(train: Batches, line: Line) -> Batches:
    """Return training images augmented as the line says."""
    augment: Augment = partial(character_safe, strength=line.strength)
    if line.square_px:
        augment = partial(blanked, augment=augment, square_px=line.square_px)
    return replace(train, augment=augment)


def trained(line: Line, cell: CellSpec, home: DataHome) -> EpochRow:
    """Train one network; return its last epoch."""
    protocol = cell.protocol.model_copy(update={"unaugmented_frac": line.sharp_frac})
    device, chance = choose(protocol.precision), seed_everything(cell.seed)
    images = load(cell.data_ref, home)
    parts = stage_parts(images, split(images, cell), cell, device)
    network = network_of(line).to(device.torch_device).to(memory_format=torch.channels_last)
    trainer = Trainer(protocol, device, chance, Stopwatches(device.synchronize))
    *_, last = fit(network, changed(parts.train, line), parts.val, trainer)
    assert isinstance(last, EpochRow)
    return last


def main() -> None:
    """Train every line from every seed; print a table's rows as they come."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=[line.title for line in LINES])
    given = parser.parse_args()
    keep_freed()
    with tempfile.TemporaryDirectory() as folder:
        run = api.prepare(api.load_study("strong-letters"), given.data, folder)
    for seed in range(given.seeds):
        cell = run.cells[0].model_copy(update={"seed": seed})
        for line in LINES:
            if given.only is None or line.title in given.only:
                last = trained(line, cell, run.home)
                train, val = 100 * last.train_accuracy_frac, 100 * last.val_accuracy_frac
                print(f"| {line.title} | {seed} | {train:.1f} | {val:.2f} |", flush=True)


if __name__ == "__main__":
    main()
