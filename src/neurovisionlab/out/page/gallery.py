"""Images that models get wrong: by all networks, and by the best with high confidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from neurovisionlab.core.predictions import Predictions
from neurovisionlab.core.records import best_on_validation
from neurovisionlab.lab.judgements import Judgement
from neurovisionlab.lab.results import Results
from neurovisionlab.out.page.album import Album
from neurovisionlab.out.speech import Counted, Sentence

NUM_PICTURES = 16  # a row on a wide screen
NUM_OF_PAIR = 4  # images per pair of classes


class Picture(NamedTuple):
    """An image as a data URI, with its true class, predicted class (None: correct), and texts."""

    uri: str
    truth: str
    answer: str | None
    note: str
    alt: str


class Shelf(NamedTuple):
    """Images of one kind of mistake."""

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


NOT_AT_HAND = Sentence(
    "Mistakes are not shown as pictures: the images that were tested are not in the folder of data "
    "sets. `nvl report RUN --data DIR` shows them where DIR holds them."
)


class Mistakes(NamedTuple):
    """The mistakes of one data set; the reason if there are none to show."""

    shelves: tuple[Shelf, ...] = ()
    why_none: str | None = None


NOT_JUDGED = Mistakes()


def mistakes(results: Results, judged: Judgement, album: Album | None) -> Mistakes:
    """Return the mistakes of one data set as images of its album."""
    if album is None:
        return Mistakes(why_none=str(NOT_AT_HAND))
    return Mistakes(tuple(shelves(results, judged, album)))


def shelves(results: Results, judged: Judgement, album: Album) -> list[Shelf]:
    """Return the mistakes of one data set; images missing in the album are left out."""
    num_suspects = len(judged.differences.suspects)
    made = [Shelf(ALL_WRONG.format(num_suspects), tuple(_suspects(judged, album)))]
    of_set = [r for r in results.records if r.cell.data.name == judged.dataset]
    best = best_on_validation(of_set)
    if best is not None:
        told = results.predictions(best.cell_id, "test")
        surest, confused = (
            tuple(_pictures(pick(told), told, judged, album))
            for pick in (_sure_mistakes, _confused)
        )
        made.append(Shelf(SUREST.format(cell=best.cell_id), surest))
        made.append(Shelf(CONFUSED.format(cell=best.cell_id), confused))
        truths = dict(zip(told.indices_N.tolist(), told.labels_N.tolist(), strict=True))
        for model, alone in judged.differences.alone.items():
            if len(judged.differences.alone) > 1:
                shown = tuple(_alone(alone, truths, judged, album))
                made.append(Shelf(ALONE_RIGHT.format(model=model), shown))
    return [shelf for shelf in made if shelf.pictures]


def _suspects(judged: Judgement, album: Album) -> Iterator[Picture]:
    names = judged.class_names
    for one in judged.differences.suspects[:NUM_PICTURES]:
        note = AGREE.format(share=one.agreeing_frac)
        yield from _mistake(album.picture(one.index), names[one.label], names[one.answer], note)


def _mistake(uri: str | None, truth: str, answer: str, note: str) -> Iterator[Picture]:
    if uri is not None:
        yield Picture(uri, truth, answer, note, MISTAKE.format(truth=truth, answer=answer))


def _sure_mistakes(told: Predictions) -> NDArray[np.int64]:
    probs_NC, wrong_N = _wrong(told)
    surest_N = wrong_N[np.argsort(-probs_NC[wrong_N].max(axis=1), kind="stable")]
    return surest_N[:NUM_PICTURES]


def _confused(told: Predictions) -> NDArray[np.int64]:
    """Return this network's most frequent mistakes, the most confident ones of each."""
    probs_NC, wrong_N = _wrong(told)
    answers_N = probs_NC.argmax(axis=1)
    pairs = Counter(zip(told.labels_N[wrong_N], answers_N[wrong_N], strict=True))
    chosen = [np.zeros(0, np.int64)]
    for (truth, answer), _ in pairs.most_common(NUM_PICTURES // NUM_OF_PAIR):
        of_pair_N = wrong_N[(told.labels_N[wrong_N] == truth) & (answers_N[wrong_N] == answer)]
        surest_N = of_pair_N[np.argsort(-probs_NC[of_pair_N, answer], kind="stable")]
        chosen.append(surest_N[:NUM_OF_PAIR])
    return np.concatenate(chosen)


def _wrong(told: Predictions) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return probabilities [N, C], and the indices of wrong predictions."""
    probs_NC = softmax(told.logits_NC.astype(np.float64), axis=1)
    return probs_NC, np.flatnonzero(probs_NC.argmax(axis=1) != told.labels_N)


def _pictures(
    chosen_N: NDArray[np.int64], told: Predictions, judged: Judgement, album: Album
) -> Iterator[Picture]:
    names = judged.class_names
    probs_NC, _ = _wrong(told)
    for n in chosen_N:
        answer = int(probs_NC[n].argmax())
        uri = album.picture(int(told.indices_N[n]))
        note = SURE.format(share=float(probs_NC[n, answer]))
        yield from _mistake(uri, names[told.labels_N[n]], names[answer], note)


def _alone(
    chosen: Sequence[int], truths: Mapping[int, int], judged: Judgement, album: Album
) -> Iterator[Picture]:
    for index in chosen[:NUM_PICTURES]:
        uri = album.picture(index)
        if uri is not None:
            truth = judged.class_names[truths[index]]
            yield Picture(uri, truth, None, "", RECOGNISED.format(truth=truth))
