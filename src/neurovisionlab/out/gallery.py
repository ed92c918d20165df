"""Pictures that models get wrong: what nobody recognises, and what the best is too sure of."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.special import softmax

from neurovisionlab.core.errors import NvlError
from neurovisionlab.core.records import Predictions, best_on_validation
from neurovisionlab.core.spec import DataInfo, DataRef
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.sources import load
from neurovisionlab.lab.judge import Judgement
from neurovisionlab.lab.store import Store

NUM_PICTURES = 16  # a row on a wide screen
SIDE_PX = 56


class Picture(NamedTuple):
    """One image as a data URI, what it is, and what was answered."""

    uri: str
    truth: str
    answer: str
    note: str


class Shelf(NamedTuple):
    """Pictures of one kind of mistake."""

    title: str
    pictures: tuple[Picture, ...]


def shelves(store: Store, judged: Judgement, home: DataHome) -> list[Shelf]:
    """Return the mistakes of one data set; none where its images are not at hand any more."""
    found = _images(store, judged.dataset, home)
    if found is None:
        return []
    made = [
        Shelf(
            f"Wrong in every network of every model ({len(judged.differences.suspects):,} images)",
            tuple(_suspects(judged, found)),
        )
    ]
    records = store.finished(store.plan().cells())
    best = best_on_validation(r for r in records if r.cell.data.name == judged.dataset)
    if best is not None:
        title = f"Mistakes that {best.cell_id} is surest of"
        told = store.predictions(best.cell_id, "test")
        made.append(Shelf(title, tuple(_sure_mistakes(told, judged, found))))
    return [shelf for shelf in made if shelf.pictures]


def _images(store: Store, dataset: str, home: DataHome) -> ImageSet | None:
    """Return the images that were tested, or None: another set must not be shown for them."""
    pairs: list[tuple[DataRef, DataInfo]] = [
        (ref, info) for ref, info in store.plan().infos if info.name == dataset
    ]
    for ref, info in pairs[:1]:
        try:
            images = load(ref, home)
        except NvlError:
            return None
        if images.digest == info.digest:
            return images
    return None


def _suspects(judged: Judgement, images: ImageSet) -> list[Picture]:
    names = judged.class_names
    return [
        Picture(
            uri(images.images_NHWC[one.index]),
            names[one.label],
            names[one.answer],
            f"{one.agreeing_frac:.0%} of the networks agree",
        )
        for one in judged.differences.suspects[:NUM_PICTURES]
    ]


def _sure_mistakes(told: Predictions, judged: Judgement, images: ImageSet) -> list[Picture]:
    probs_NC = softmax(told.logits_NC.astype(np.float64), axis=1)
    answers_N = probs_NC.argmax(axis=1)
    wrong_N = np.flatnonzero(answers_N != told.labels_N)
    surest_N = wrong_N[np.argsort(-probs_NC[wrong_N, answers_N[wrong_N]], kind="stable")]
    names = judged.class_names
    return [
        Picture(
            uri(images.images_NHWC[told.indices_N[n]]),
            names[told.labels_N[n]],
            names[answers_N[n]],
            f"{probs_NC[n, answers_N[n]]:.1%} sure",
        )
        for n in surest_N[:NUM_PICTURES]
    ]


def uri(image_HWC: NDArray[np.uint8]) -> str:
    """Return an image as a PNG in a data URI, enlarged without smoothing if it is small."""
    picture = Image.fromarray(image_HWC[..., 0] if image_HWC.shape[2] == 1 else image_HWC)
    scale = max(1, round(SIDE_PX / max(picture.size)))
    larger = picture.resize(
        (picture.width * scale, picture.height * scale), Image.Resampling.NEAREST
    )
    larger.thumbnail((4 * SIDE_PX, 4 * SIDE_PX))
    buffer = io.BytesIO()
    larger.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def all_shelves(
    store: Store, judgements: Sequence[Judgement], home: DataHome
) -> dict[str, list[Shelf]]:
    """Return the shelves of every data set."""
    return {one.dataset: shelves(store, one, home) for one in judgements}
