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
from typing import Any

from neurovisionlab.core.errors import ModelError, mould
from neurovisionlab.data.files import opened
from neurovisionlab.data.texts import user_path
from neurovisionlab.learn.catalogue import digest_of, kind_of, recipe_of


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


def published(name: str) -> Published:
    """Return the publisher of a model's weights; imports timm or torchvision for names alone."""
    kind = kind_of(name)
    if kind == "timm":
        return _of_timm(name.removeprefix("timm:"))
    if kind == "torchvision":
        return _of_torchvision(name.removeprefix("torchvision:"))
    if kind == "own":
        return Published(_with_suffixes(name.replace(":", ".")))
    recipe = recipe_of(name)
    stems = [name] if recipe.timm_name is None else [recipe.timm_name, name]
    files = tuple(file for stem in stems for file in _with_suffixes(stem))
    if recipe.weights_file is None or recipe.torchvision_name is None:
        return Published(files)
    return _torchs(recipe.torchvision_name, recipe.weights_file, "IMAGENET1K_V1", files)


def _of_timm(timm_name: str) -> Published:
    import timm

    cfg = timm.get_pretrained_cfg(timm_name)
    files = _with_suffixes(timm_name)
    if cfg is None or not cfg.hf_hub_id:
        return Published(files)
    full = f"{timm_name.partition('.')[0]}.{cfg.tag}" if cfg.tag else timm_name
    return Published(
        tuple(dict.fromkeys((*files, *_with_suffixes(full)))),
        publisher=f"timm {full}",
        hub_id=cfg.hf_hub_id,
        licence=cfg.license,
        command=_python(f"import timm; timm.create_model({timm_name!r}, pretrained=True)"),
    )


def _of_torchvision(torchvision_name: str) -> Published:
    from torchvision import models  # type: ignore[import-untyped]

    best: Any = models.get_model_weights(torchvision_name)["DEFAULT"]
    file = best.url.rsplit("/", 1)[-1]
    return _torchs(torchvision_name, file, "DEFAULT", _with_suffixes(torchvision_name))


def _torchs(torchvision_name: str, file: str, edition: str, files: tuple[str, ...]) -> Published:
    call = f"models.get_model({torchvision_name!r}, weights={edition!r})"
    return Published(
        (*files, file),
        publisher=f"torchvision {file}",
        torch_file=file,
        licence="BSD-3-Clause",
        command=_python(f"from torchvision import models; {call}"),
    )


def _with_suffixes(stem: str) -> tuple[str, str]:
    return f"{stem}.safetensors", f"{stem}.pth"


def _python(code: str) -> str:
    return f"python -c {shlex.quote(code)}" if '"' in code else f'python -c "{code}"'


def find(name: str) -> WeightsFile:
    """Return the file of pretrained weights of a model.

    Raises:
        ModelError: it is not on this machine; the message gives the file, the folders searched, and
            the command that downloads it.
    """
    source = published(name)
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


def check_unchanged(name: str, expected: str | None, is_pretrained: bool) -> str | None:
    """Return the origin of a model's pretrained weights; refuse code or weights that changed.

    Args:
        name: name of the model.
        expected: its digest when the study was expanded (`CellSpec.model_digest`).
        is_pretrained: whether it starts from published weights.

    Raises:
        ModelError: its code, revision or weights have changed.
    """
    found = [digest for digest in (digest_of(name),) if digest is not None]
    weights = find(name) if is_pretrained else None
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
    """Refuse code, or a network of the table, that is another than when a cell was trained.

    Args:
        name: of the model.
        expected: `CellSpec.model_digest`.
        is_pretrained: whether that digest ends in one of published weights.

    Raises:
        ModelError: it changed.
    """
    parts = (expected or "").split("+")
    trained_with = "+".join(parts[:-1] if is_pretrained else parts) or None
    found = digest_of(name)
    if found != trained_with:
        got = f"{(found or 'none')[:12]}: it changed since it was trained"
        was = (trained_with or "none")[:12]
        raise ModelError(mould(name, f"code of digest {was}", got, "the code of that time"))


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
