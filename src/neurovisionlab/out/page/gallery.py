"""Pictures that models get wrong: what nobody recognises, and what the best is too sure of."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.special import softmax

from neurovisionlab.core.errors import NvlError
from neurovisionlab.core.records import Predictions, best_on_validation
from neurovisionlab.core.spec import DataInfo, DataRef
from neurovisionlab.core.speech import Counted, Sentence
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.sources import load
from neurovisionlab.lab.judge import Judgement
from neurovisionlab.lab.store import Store

NUM_PICTURES = 16  # a row on a wide screen
NUM_OF_PAIR = 4  # pictures of one pair of classes
SIDE_PX = 56


class Picture(NamedTuple):
    """One image as a data URI; what it is, what was answered (None: just that), and in words."""

    uri: str
    truth: str
    answer: str | None
    note: str
    alt: str


class Shelf(NamedTuple):
    """Pictures of one kind of mistake."""

    title: str
    pictures: tuple[Picture, ...]


ALL_WRONG = Counted(
    "Wrong in every network of every model ({count:,} image)",
    "Wrong in every network of every model ({count:,} images)",
)
ALONE_RIGHT = Sentence("Right in every network of {model}, in none of another model")
SUREST = Sentence("Mistakes that {cell} is surest of")
CONFUSED = Sentence("Images that {cell} confuses most often")
AGREE = Sentence("{share:.0%} of the networks agree")
SURE = Sentence("{share:.1%} sure")
MISTAKE = Sentence("a {truth} taken for {answer}")
RECOGNISED = Sentence("a {truth}, recognised")


def shelves(store: Store, judged: Judgement, home: DataHome) -> list[Shelf]:
    """Return the mistakes of one data set; none where its images are not at hand any more."""
    images = _images(store, judged.dataset, home)
    if images is None:
        return []
    num_suspects = len(judged.differences.suspects)
    made = [Shelf(ALL_WRONG.format(num_suspects), tuple(_suspects(judged, images)))]
    records = store.finished(store.plan().cells())
    best = best_on_validation(r for r in records if r.cell.data.name == judged.dataset)
    if best is not None:
        told = store.predictions(best.cell_id, "test")
        surest, confused = (
            tuple(pick(told, judged, images)) for pick in (_sure_mistakes, _confused)
        )
        made.append(Shelf(SUREST.format(cell=best.cell_id), surest))
        made.append(Shelf(CONFUSED.format(cell=best.cell_id), confused))
    for model, alone in judged.differences.alone.items():
        if len(judged.differences.alone) > 1:
            made.append(
                Shelf(ALONE_RIGHT.format(model=model), tuple(_alone(alone, judged, images)))
            )
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


def _suspects(judged: Judgement, images: ImageSet) -> Iterator[Picture]:
    names = judged.class_names
    for one in judged.differences.suspects[:NUM_PICTURES]:
        note = AGREE.format(share=one.agreeing_frac)
        yield _mistake(images.images_NHWC[one.index], names[one.label], names[one.answer], note)


def _mistake(image_HWC: NDArray[np.uint8], truth: str, answer: str, note: str) -> Picture:
    alt = MISTAKE.format(truth=truth, answer=answer)
    return Picture(uri(image_HWC), truth, answer, note, alt)


def _sure_mistakes(told: Predictions, judged: Judgement, images: ImageSet) -> Iterator[Picture]:
    probs_NC, wrong_N = _wrong(told)
    surest_N = wrong_N[np.argsort(-probs_NC[wrong_N].max(axis=1), kind="stable")]
    yield from _pictures(surest_N[:NUM_PICTURES], probs_NC, told, judged, images)


def _confused(told: Predictions, judged: Judgement, images: ImageSet) -> Iterator[Picture]:
    """Yield pictures of this network's most frequent mistakes, the surest ones of each."""
    probs_NC, wrong_N = _wrong(told)
    answers_N = probs_NC.argmax(axis=1)
    pairs = Counter(zip(told.labels_N[wrong_N], answers_N[wrong_N], strict=True))
    for (truth, answer), _ in pairs.most_common(NUM_PICTURES // NUM_OF_PAIR):
        of_pair_N = wrong_N[(told.labels_N[wrong_N] == truth) & (answers_N[wrong_N] == answer)]
        surest_N = of_pair_N[np.argsort(-probs_NC[of_pair_N, answer], kind="stable")]
        yield from _pictures(surest_N[:NUM_OF_PAIR], probs_NC, told, judged, images)


def _wrong(told: Predictions) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return probabilities [N, C], and which images are answered wrongly."""
    probs_NC = softmax(told.logits_NC.astype(np.float64), axis=1)
    return probs_NC, np.flatnonzero(probs_NC.argmax(axis=1) != told.labels_N)


def _pictures(
    chosen_N: NDArray[np.int64],
    probs_NC: NDArray[np.float64],
    told: Predictions,
    judged: Judgement,
    images: ImageSet,
) -> Iterator[Picture]:
    names = judged.class_names
    for n in chosen_N:
        answer = int(probs_NC[n].argmax())
        image_HWC = images.images_NHWC[told.indices_N[n]]
        note = SURE.format(share=float(probs_NC[n, answer]))
        yield _mistake(image_HWC, names[told.labels_N[n]], names[answer], note)


def _alone(chosen: Sequence[int], judged: Judgement, images: ImageSet) -> Iterator[Picture]:
    for index in chosen[:NUM_PICTURES]:
        truth = judged.class_names[images.labels_N[index]]
        alt = RECOGNISED.format(truth=truth)
        yield Picture(uri(images.images_NHWC[index]), truth, None, "", alt)


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
