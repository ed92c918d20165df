"""The synthetic sets: the same every time, balanced, fair, and neither broken nor trivial."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from neurovisionlab.data.synthetic import glyphs, writers
from neurovisionlab.data.synthetic.draw import (
    Drawn,
    draw_pen_kana,
    draw_pen_letters,
    draw_street_digits,
)

Draw = Callable[..., Drawn]

SETS: dict[str, tuple[Draw, int, tuple[int, int, int]]] = {
    "pen_letters": (draw_pen_letters, 26, (28, 28, 1)),
    "pen_kana": (draw_pen_kana, 10, (28, 28, 1)),
    "street_digits": (draw_street_digits, 10, (32, 32, 3)),
}
NAMES = list(SETS)
PEN_NAMES = ["pen_letters", "pen_kana"]
NUM_TRAIN, NUM_TEST = 520, 130


@pytest.fixture(scope="module")
def drawn_sets() -> dict[str, Drawn]:
    return {name: draw(NUM_TRAIN, NUM_TEST) for name, (draw, _, _) in SETS.items()}


def digest(drawn: Drawn) -> str:
    parts = (drawn.images_NHWC, drawn.labels_N, drawn.writers_N)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


# --- the same every time ------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_gives_same_bytes_and_another_seed_does_not(name: str) -> None:
    draw = SETS[name][0]
    assert digest(draw(30, 10, seed=3)) == digest(draw(30, 10, seed=3))
    assert digest(draw(30, 10, seed=3)) != digest(draw(30, 10, seed=4))


def test_a_fresh_process_draws_the_same_bytes() -> None:
    program = (
        "import hashlib, neurovisionlab.data.synthetic.draw as s\n"
        "for draw in (s.draw_pen_letters, s.draw_pen_kana, s.draw_street_digits):\n"
        "    d = draw(30, 10, seed=3)\n"
        "    parts = (d.images_NHWC, d.labels_N, d.writers_N)\n"
        "    print(hashlib.sha256(b''.join(p.tobytes() for p in parts)).hexdigest())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.split() == [digest(draw(30, 10, seed=3)) for draw, _, _ in SETS.values()]


@pytest.mark.parametrize("name", NAMES)
def test_training_images_do_not_depend_on_how_many_are_tested(name: str) -> None:
    draw = SETS[name][0]
    few, many = draw(30, 10), draw(30, 40)
    np.testing.assert_array_equal(few.images_NHWC[:30], many.images_NHWC[:30])


@pytest.mark.parametrize("name", NAMES)
def test_train_and_test_are_different_pictures(name: str, drawn_sets: dict[str, Drawn]) -> None:
    images_NHWC = drawn_sets[name].images_NHWC
    assert len({image.tobytes() for image in images_NHWC}) == len(images_NHWC)


# --- shapes, labels, writers --------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_types(name: str, drawn_sets: dict[str, Drawn]) -> None:
    drawn, (_, classes, image_shape) = drawn_sets[name], SETS[name]
    count = NUM_TRAIN + NUM_TEST
    assert drawn.images_NHWC.shape == (count, *image_shape)
    assert drawn.images_NHWC.dtype == np.uint8
    assert drawn.labels_N.shape == drawn.writers_N.shape == (count,)
    assert drawn.labels_N.dtype == drawn.writers_N.dtype == np.int64
    assert drawn.num_train == NUM_TRAIN
    assert set(drawn.labels_N) == set(range(classes))


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_balanced_in_train_and_test(name: str, drawn_sets: dict[str, Drawn]) -> None:
    drawn, classes = drawn_sets[name], SETS[name][1]
    for part in (drawn.labels_N[:NUM_TRAIN], drawn.labels_N[NUM_TRAIN:]):
        counts = np.bincount(part, minlength=classes)
        assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_nobody_writes_for_both_train_and_test(name: str, drawn_sets: dict[str, Drawn]) -> None:
    writers_N = drawn_sets[name].writers_N
    train, test = set(writers_N[:NUM_TRAIN]), set(writers_N[NUM_TRAIN:])
    assert not train & test
    assert train | test == set(range(len(train) + len(test)))


@pytest.mark.parametrize("name", NAMES)
def test_either_part_may_be_empty(name: str) -> None:
    draw = SETS[name][0]
    assert len(draw(0, 5).labels_N) == len(draw(5, 0).labels_N) == 5


@pytest.mark.parametrize("counts", [(-1, 5, 0), (5, -1, 0), (0, 0, 0), (5, 5, -1)])
def test_impossible_orders_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected whole numbers of at least 0"):
        draw_pen_letters(*counts)


# --- the pictures -------------------------------------------------------------------------


@pytest.mark.parametrize("name", PEN_NAMES)
def test_pen_images_are_bright_ink_on_black(name: str, drawn_sets: dict[str, Drawn]) -> None:
    images_NHWC = drawn_sets[name].images_NHWC
    assert (images_NHWC.max(axis=(1, 2, 3)) > 100).all()
    inked_N = (images_NHWC > 64).mean(axis=(1, 2, 3))
    assert inked_N.min() > 0.02
    assert inked_N.max() < 0.75


@pytest.mark.parametrize("name", PEN_NAMES)
def test_ink_is_in_the_middle(name: str, drawn_sets: dict[str, Drawn]) -> None:
    ink_NHW = drawn_sets[name].images_NHWC[..., 0].astype(np.float64)
    place = np.arange(28) - 13.5
    mass_N = ink_NHW.sum(axis=(1, 2))
    across_N = (ink_NHW.sum(axis=1) @ place) / mass_N
    down_N = (ink_NHW.sum(axis=2) @ place) / mass_N
    assert np.abs(across_N).max() < 8
    assert np.abs(down_N).max() < 8
    assert abs(across_N.mean()) < 1.5
    assert abs(down_N.mean()) < 1.5


def test_street_images_have_colour_and_are_never_empty(drawn_sets: dict[str, Drawn]) -> None:
    images_NHWC = drawn_sets["street_digits"].images_NHWC.astype(np.float64)
    assert images_NHWC.std(axis=(1, 2)).max(axis=1).min() > 2
    spread_N = np.ptp(images_NHWC.mean(axis=(1, 2)), axis=1)
    assert (spread_N > 8).mean() > 0.5


def test_the_pictures_of_one_writer_look_alike() -> None:
    """Ink varies less within a writer than between writers: that is what a style is."""
    drawn = draw_pen_letters(800, 0)
    ink_N = drawn.images_NHWC.mean(axis=(1, 2, 3))
    per_writer = [ink_N[drawn.writers_N == writer] for writer in np.unique(drawn.writers_N)]
    expected_by_chance = ink_N.std() / np.sqrt(len(per_writer[0]))
    assert np.std([ink.mean() for ink in per_writer]) > 1.5 * expected_by_chance


def test_styles_name_the_same_habits_as_hands() -> None:
    assert writers.Style._fields == tuple(field.name for field in fields(writers.Hand))


def nearest_neighbour_accuracy(drawn: Drawn) -> float:
    flat_ND = drawn.images_NHWC.reshape(len(drawn.labels_N), -1).astype(np.float64)
    flat_ND -= flat_ND.mean(axis=1, keepdims=True)
    flat_ND /= np.linalg.norm(flat_ND, axis=1, keepdims=True) + 1e-9
    train_KD, test_MD = flat_ND[: drawn.num_train], flat_ND[drawn.num_train :]
    nearest_M = drawn.labels_N[(test_MD @ train_KD.T).argmax(axis=1)]
    return float((nearest_M == drawn.labels_N[drawn.num_train :]).mean())


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("pen_letters", 0.35, 0.90), ("pen_kana", 0.35, 0.90), ("street_digits", 0.16, 0.75)],
)
def test_sets_can_be_learnt_but_are_not_trivial(
    name: str, least: float, most: float, drawn_sets: dict[str, Drawn]
) -> None:
    assert least < nearest_neighbour_accuracy(drawn_sets[name]) < most


# --- the strokes --------------------------------------------------------------------------


def every_glyph() -> list[glyphs.Glyph]:
    sources = [glyphs.letter_allographs(letter) for letter in glyphs.LETTERS]
    sources += [glyphs.kana_allographs(kana) for kana in glyphs.KANA]
    sources += [glyphs.digit_allographs(digit) for digit in glyphs.DIGITS]
    return [allograph.glyph for allographs in sources for allograph in allographs]


def test_every_character_has_several_forms() -> None:
    assert all(len(glyphs.letter_allographs(letter)) >= 6 for letter in glyphs.LETTERS)
    assert all(len(glyphs.kana_allographs(kana)) >= 3 for kana in glyphs.KANA)
    assert all(len(glyphs.digit_allographs(digit)) >= 4 for digit in glyphs.DIGITS)


def test_every_glyph_spans_the_unit_square() -> None:
    for glyph in every_glyph():
        points_P2 = np.concatenate(glyph)
        assert all(stroke.ndim == 2 and len(stroke) >= 2 for stroke in glyph)
        assert np.ptp(points_P2, axis=0).max() == pytest.approx(1.0, abs=0.02)
        assert points_P2.min() > -0.01
        assert points_P2.max() < 1.01


def test_points_along_a_stroke_are_evenly_spaced() -> None:
    for stroke_P2 in glyphs.kanjivg_glyph("れ"):
        steps = np.hypot(*np.diff(stroke_P2, axis=0).T)
        assert steps.max() < 1.5 * glyphs.POINT_GAP


def test_kanjivg_one_is_a_flag_and_a_stem() -> None:
    """The file says "M40.5,31.97c... ,20.63-16.47c0,11.71,0,71.27,0,77.34"."""
    (stroke_P2,) = glyphs.kanjivg_glyph("1")
    width, height = np.ptp(stroke_P2, axis=0)
    assert height == pytest.approx(1.0, abs=0.01)
    assert width == pytest.approx(20.63 / 77.34, abs=0.02)
    assert stroke_P2[0, 0] < stroke_P2[-1, 0]  # it begins at the flag's tip
    assert stroke_P2[-1, 1] == pytest.approx(1.0, abs=0.01)  # and ends at the foot


def test_kana_have_as_many_strokes_as_schools_teach() -> None:
    counts = [len(glyphs.kanjivg_glyph(kana)) for kana in glyphs.KANA]
    assert counts == [3, 4, 2, 1, 4, 3, 3, 3, 2, 3]


def test_svg_lines_curves_and_repeats() -> None:
    (line,) = glyphs.parse_svg_path("M1,2L3,4l1-1 2.5.5")
    assert line.tolist() == [[1, 2], [3, 4], [4, 3], [6.5, 3.5]]
    absolute, relative = (
        glyphs.parse_svg_path(path)[0]
        for path in ("M10 10C20 0 30 0 40 10S60 20 70 10", "m10,10c10-10,20-10,30,0s20,10,30,0")
    )
    np.testing.assert_allclose(absolute, relative, atol=1e-9)
    assert absolute[:, 1].min() == pytest.approx(2.5, abs=0.05)  # the top of the first arch
    assert absolute[:, 1].max() == pytest.approx(17.5, abs=0.05)  # S mirrors it below
    starts = [stroke_P2[0].tolist() for stroke_P2 in glyphs.parse_svg_path("M0 0L1 0M5 5L6 5")]
    assert starts == [[0, 0], [5, 5]]


def test_svg_commands_that_strokes_never_use_are_refused() -> None:
    with pytest.raises(ValueError, match="expected M, L, C or S, got 'A'"):
        glyphs.parse_svg_path("M0 0A5 5 0 0 1 10 10")


def test_unknown_characters_and_faces_are_errors() -> None:
    with pytest.raises(FileNotFoundError):
        glyphs.kanjivg_glyph("é")
    with pytest.raises(ValueError, match="font not found"):
        glyphs.hershey_glyph("comic", "A")
