"""The three synthetic data sets: labels, writers and images combined."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.data.synthetic import glyphs, strengths
from neurovisionlab.data.synthetic.handwriting import Handwriting
from neurovisionlab.data.synthetic.street import HouseNumbers
from neurovisionlab.data.synthetic.writers import Task, WriterSplit

_LETTERS, _KANA, _STREET = 1, 2, 3  # data set of a random stream
_TRAIN, _TEST = 0, 1  # part of a random stream

Author = TypeVar("Author")


class Drawn(NamedTuple):
    """A drawn data set: training images first, then test images, each in random order.

    Writers of training images and of test images are different.

    Attributes:
        images_NHWC: uint8 with 1 channel (grey, ink is bright) or 3 (red, green, blue).
        labels_N: int64, 0..C-1.
        writers_N: int64, numbered from 0.
        num_train: number of training images.
    """

    images_NHWC: NDArray[np.uint8]
    labels_N: NDArray[np.int64]
    writers_N: NDArray[np.int64]
    num_train: int


class _Art(Protocol[Author]):
    """A drawing method: creates writers and draws the image of a task."""

    @property
    def classes(self) -> int: ...
    def writer(self, rng: np.random.Generator) -> Author: ...
    def picture(self, task: Task, writer: Author) -> NDArray[np.uint8]: ...


def draw_pen_letters(num_train: int = 4000, num_test: int = 1000, seed: int = 0) -> Drawn:
    """Draw handwritten letters: 26 classes A..Z, both cases merged, images [N, 28, 28, 1].

    Training images depend on `seed` alone, not on the number of test images.

    Raises:
        ValueError: a negative seed or count, or both counts zero.
    """
    forms = tuple(glyphs.letter_allographs(letter) for letter in glyphs.LETTERS)
    art = Handwriting(forms, strengths.LETTER_HAND, strengths.LETTER_PAPER, strengths.LETTER_BOX)
    splits = _splits((seed, _LETTERS), (num_train, num_test), strengths.IMAGES_PER_WRITER)
    return _drawn(art, splits)


def draw_pen_kana(num_train: int = 4000, num_test: int = 1000, seed: int = 0) -> Drawn:
    """Draw brush-written kana: KMNIST's 10 classes in its order, images [N, 28, 28, 1].

    Counts, seed and errors are as for `draw_pen_letters`.
    """
    forms = tuple(glyphs.kana_allographs(kana) for kana in glyphs.KANA)
    art = Handwriting(forms, strengths.KANA_HAND, strengths.KANA_PAPER, strengths.KANA_BOX)
    splits = _splits((seed, _KANA), (num_train, num_test), strengths.IMAGES_PER_WRITER)
    return _drawn(art, splits)


def draw_street_digits(num_train: int = 4000, num_test: int = 1000, seed: int = 0) -> Drawn:
    """Draw photographed house numbers: the label is the middle digit 0..9, images [N, 32, 32, 3].

    A "writer" is a house here. Counts, seed and errors are as for `draw_pen_letters`.
    """
    forms = tuple(glyphs.digit_allographs(digit) for digit in glyphs.DIGITS)
    art = HouseNumbers(forms, strengths.SIGN_HAND, strengths.STREET)
    splits = _splits((seed, _STREET), (num_train, num_test), strengths.PICTURES_PER_SIGN)
    return _drawn(art, splits)


def _splits(
    key: tuple[int, int], counts: tuple[int, int], per_writer: int
) -> tuple[WriterSplit, WriterSplit]:
    num_train, num_test = counts
    if min(num_train, num_test, key[0]) < 0 or num_train + num_test == 0:
        raise ValueError(
            "num_train, num_test, seed: expected whole numbers of at least 0 and an image to "
            f"draw, got {num_train}, {num_test}, {key[0]}; try 4000, 1000, 0"
        )
    train = WriterSplit((*key, _TRAIN), num_train, 0, per_writer)
    return train, WriterSplit((*key, _TEST), num_test, train.writers, per_writer)


def _drawn(art: _Art[Author], splits: tuple[WriterSplit, WriterSplit]) -> Drawn:
    tasks = [list(split.tasks(art.classes)) for split in splits]
    pictures = [
        picture
        for split, its_tasks in zip(splits, tasks, strict=True)
        for picture in _pictures(art, split, its_tasks)
    ]
    every = [task for its_tasks in tasks for task in its_tasks]
    labels_N = np.array([task.label for task in every], dtype=np.int64)
    writers_N = np.array([task.writer for task in every], dtype=np.int64)
    return Drawn(np.stack(pictures), labels_N, writers_N, splits[0].size)


def _pictures(
    art: _Art[Author], split: WriterSplit, tasks: list[Task]
) -> Iterator[NDArray[np.uint8]]:
    """Draw the images of tasks, which are sorted by writer."""
    for number, its_tasks in groupby(tasks, key=attrgetter("writer")):
        author = art.writer(split.writer_stream(number))
        for task in its_tasks:
            yield art.picture(task, author)
