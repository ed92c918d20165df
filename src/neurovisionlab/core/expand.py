"""Expansion of a study, with the descriptions of its data sets, into cells."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from neurovisionlab.core.errors import SpecError, mould
from neurovisionlab.core.protocol import LEAST_PX, MOST_PX, Protocol, normalised
from neurovisionlab.core.spec import CellSpec, DataInfo, DataRef, Study


def expand(
    study: Study,
    infos: Mapping[DataRef, DataInfo],
    model_digests: Mapping[str, str] | None = None,
) -> tuple[CellSpec, ...]:
    """Return the study's distinct cells, models innermost so that they finish side by side.

    Args:
        study: the study to expand.
        infos: the description of the data set for every `DataRef` of the study.
        model_digests: by name, digests that identify models beyond it (of the user's own code, or a
            revision in the catalogue); by `weights_key(name)`, digests of pretrained weights.

    Raises:
        SpecError: an image size that cannot be resolved, constants that do not match the channels,
            or a data set without a description.
    """
    folds: Iterable[int | None] = range(study.split.folds) if study.split.folds else (None,)
    cells: dict[str, CellSpec] = {}
    for name, (variant, protocol) in itertools.product(study.datasets, study.protocols()):
        ref = study.data_ref(name, protocol.image_px)
        info = _known(ref, infos)
        settled = resolve(protocol, info)
        for seed, fold, model in itertools.product(study.seeds, folds, study.models):
            cell = CellSpec(
                data=info,
                data_ref=ref,
                model=model,
                model_digest=_model_digest(model, protocol, model_digests or {}),
                seed=seed,
                fold=fold,
                variant=variant,
                protocol=settled,
                subset=study.subset,
                split=study.split,
            )
            cells.setdefault(cell.cell_id, cell)
    return tuple(cells.values())


def _known(ref: DataRef, infos: Mapping[DataRef, DataInfo]) -> DataInfo:
    if ref not in infos:
        what = f"what is known of {ref.name}"
        raise SpecError(mould(what, "its digest and classes", "nothing", "nvl run"))
    return infos[ref]


def weights_key(model: str) -> str:
    """Return the key under which the digest of a model's pretrained weights is stored."""
    return f"weights of {model}"


def _model_digest(model: str, protocol: Protocol, digests: Mapping[str, str]) -> str | None:
    """Return the digest of a model's code joined with that of the pretrained weights in use."""
    keys = (model, weights_key(model)) if protocol.pretrained else (model,)
    return "+".join(digests[key] for key in keys if key in digests) or None


def resolve(protocol: Protocol, info: DataInfo) -> Protocol:
    """Return the protocol with "native" replaced by the data set's own values.

    Raises:
        SpecError: "native" for images that are not square or whose side is out of range; constants
            for a different number of channels.
    """
    image_px = _native_px(info) if protocol.image_px == "native" else protocol.image_px
    color = protocol.color
    if color == "native":
        color = "grey" if info.channels == 1 else "rgb"
    channels = 1 if color == "grey" else 3
    settled = normalised(protocol)
    if settled.mean is not None and len(settled.mean) not in (1, channels):
        raise SpecError(
            mould(
                "protocol.mean",
                f"1 or {channels} values",
                str(len(settled.mean)),
                "one per channel",
            )
        )
    return settled.changed(image_px=image_px, color=color)


def _native_px(info: DataInfo) -> int:
    """Return the side of a data set's images in pixels; refuse sizes outside a study's range."""
    size = f"images of {info.width_px}×{info.height_px} px"
    native = 'for image_px = "native"'
    if info.height_px != info.width_px:
        raise SpecError(mould(info.name, f"square images {native}", size, "image_px = 64"))
    if not LEAST_PX <= info.height_px <= MOST_PX:
        near = "image_px = 32" if info.height_px < LEAST_PX else f"image_px = {MOST_PX} or less"
        sides = f"sides of {LEAST_PX} to {MOST_PX} px {native}"
        raise SpecError(mould(info.name, sides, size, near))
    return info.height_px
