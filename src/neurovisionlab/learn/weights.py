"""Published weights: their location on this machine. Never downloads.

Search order:

    NVL_WEIGHTS/            NAME.safetensors, NAME.pth, or the publisher's own file name
    torch's hub cache       for names of the catalogue and torchvision's
    Hugging Face's cache    for timm's names
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from neurovisionlab.core.errors import ModelError, mould
from neurovisionlab.data.files import opened
from neurovisionlab.data.texts import user_path


@dataclass(frozen=True)
class Published:
    """Publisher of a model's weights, and the names under which they are stored.

    Attributes:
        files: names in a folder of weights, in order of preference.
        publisher: for display: "torchvision resnet18-f37072fd.pth".
        torch_file: name in torch's hub cache.
        hub_id: repository on the Hugging Face hub.
        licence: as stated by the publisher; None if not stated.
        command: command that downloads them, on a machine with a network.
    """

    files: tuple[str, ...]
    publisher: str | None = None
    torch_file: str | None = None
    hub_id: str | None = None
    licence: str | None = None
    command: str | None = None


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights on this machine, its publisher in `origin`, and its SHA-256 (hex)."""

    path: Path
    origin: str
    digest: str


_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def published_by_torchvision(
    name: str, file: str, edition: str, files: tuple[str, ...]
) -> Published:
    """Return what torchvision publishes.

    Args:
        name: of the model, in torchvision.
        file: its file of weights.
        edition: which of its weights: "IMAGENET1K_V1", "DEFAULT".
        files: other names of it in a folder of weights, which come first.
    """
    call = f"models.get_model({name!r}, weights={edition!r})"
    return Published(
        (*files, file),
        publisher=f"torchvision {file}",
        torch_file=file,
        licence="BSD-3-Clause",
        command=python_command(f"from torchvision import models; {call}"),
    )


def with_suffixes(stem: str) -> tuple[str, str]:
    """Return the names of a file of weights in a folder, first choice first."""
    return f"{stem}.safetensors", f"{stem}.pth"


def python_command(code: str) -> str:
    """Return the command that runs a line of Python."""
    return f"python -c {shlex.quote(code)}" if '"' in code else f'python -c "{code}"'


def find(name: str, source: Published) -> WeightsFile:
    """Return the file of weights that a model starts from when it is pretrained.

    Args:
        name: of the model, for messages.
        source: whose weights.

    Raises:
        ModelError: it is not on this machine; the message gives the file, the folders searched, and
            the command that downloads it.
    """
    for path, origin in _places(source):
        if path.is_file():
            return WeightsFile(path, origin, _sha256(path))
    own_folder = os.environ.get("NVL_WEIGHTS")
    if own_folder is not None and not user_path(own_folder, "--weights").is_dir():
        raise ModelError(mould("--weights or NVL_WEIGHTS", "a folder", own_folder, "its full path"))
    first: dict[Path, str] = {}  # {folder: the first name searched there}
    for path, _ in _places(source):
        first.setdefault(path.parent, path.name)
    expected = " or ".join(f"{file} in {folder}" for folder, file in first.items())
    file = source.torch_file or source.files[0]
    by_hand = f"--weights DIR with {file} in it"
    remedy = f"`{source.command}` on a machine with a network, or {by_hand}"
    raise ModelError(
        mould(
            f"{name}, pretrained weights",
            expected or f"{file} in --weights DIR",
            "no such file",
            remedy if source.command else f"pretrained = false, or {by_hand}",
        )
    )


def _places(source: Published) -> Iterator[tuple[Path, str]]:
    """Yield (file, origin) for every place where the weights may be."""
    own_folder = os.environ.get("NVL_WEIGHTS")
    if own_folder:
        for file in source.files:
            yield user_path(own_folder, "--weights") / file, f"the user's own {file}"
    if source.torch_file:
        yield _torch_cache() / source.torch_file, str(source.publisher)
    if source.hub_id:
        from huggingface_hub import try_to_load_from_cache

        cache = _hub_cache()
        for file in _HUB_FILES:
            found = try_to_load_from_cache(source.hub_id, file, cache_dir=cache)
            folder = cache / f"models--{source.hub_id.replace('/', '--')}"
            yield (Path(found) if isinstance(found, str) else folder / file), str(source.publisher)


def _torch_cache() -> Path:
    """Return the folder of torch.hub's files, without importing torch."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    home = Path(os.environ.get("TORCH_HOME", cache / "torch"))
    return user_path(home, "TORCH_HOME") / "hub" / "checkpoints"


def _hub_cache() -> Path:
    """Return the folder of the Hugging Face hub's files."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    home = Path(os.environ.get("HF_HOME", cache / "huggingface"))
    return user_path(os.environ.get("HF_HUB_CACHE", home / "hub"), "HF_HOME")


def _sha256(path: Path) -> str:
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
