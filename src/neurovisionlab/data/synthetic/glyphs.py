"""Sources of strokes: every character as one or more lists of pen strokes.

Three sources, all of vectors:

* KanjiVG (package `kanjivg`): SVG paths for digits, letters, kana and kanji, in writing
  order. Copyright (C) 2009/2010/2011 Ulrich Apel, http://kanjivg.tagaini.net, licence
  Creative Commons Attribution-Share Alike 3.0.
* The Hershey fonts (package `Hershey-Fonts`, MIT): strokes digitised by Dr. A. V. Hershey
  at the U.S. National Bureau of Standards.
* A few common forms missing in both: a barred z, a 9-like g.

A *glyph* is a tuple of strokes; a stroke is a float64 array of points, `points_P2`, columns
(x, y), y pointing down. A glyph's longer side spans exactly 0..1 and its shorter side is
centred on 0.5. Points are about `POINT_GAP` apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.data.synthetic.ownforms import OWN_LETTERS

Points = NDArray[np.float64]
Glyph = tuple[Points, ...]


class Allograph(NamedTuple):
    """One form of a character, and its relative frequency (weights have any scale)."""

    glyph: Glyph
    weight: float


POINT_GAP = 0.02
"""Distance of neighbouring points along a stroke; half a pixel when a glyph is 25 pixels high."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
KANA = "おきすつなはまやれを"
DIGITS = "0123456789"

PLAIN_FACE = "futural"
PRINTED_ONLY = "ag"  # two storeys in KanjiVG, which is rare in handwriting
DIGIT_FACES = {PLAIN_FACE: 3.0, "futuram": 1.2, "timesr": 1.0, "timesrb": 0.8, "timesi": 0.5}
UPPER_CASE_SHARE = dict.fromkeys(LETTERS, 0.35) | dict.fromkeys("CIJLOQSXZ", 0.6)

# Older Japanese writing had several characters for one sound, each a simplified kanji. KMNIST mixes
# them under the modern kana, so the kanji are allographs of the kana here.
KANA_FORMS: Mapping[str, Mapping[str, float]] = {
    "お": {"お": 1.0, "於": 0.35, "オ": 0.1},
    "き": {"き": 1.0, "起": 0.2, "支": 0.15, "キ": 0.15},
    "す": {"す": 1.0, "春": 0.25, "須": 0.25, "寸": 0.15},
    "つ": {"つ": 0.8, "川": 0.3, "津": 0.3, "徒": 0.25},
    "な": {"な": 1.0, "奈": 0.2, "那": 0.2, "名": 0.1},
    "は": {"は": 0.7, "者": 0.35, "ハ": 0.35, "波": 0.15},
    "ま": {"ま": 1.0, "満": 0.25, "末": 0.15, "万": 0.1},
    "や": {"や": 0.8, "屋": 0.4, "夜": 0.25, "也": 0.15},
    "れ": {"れ": 0.7, "連": 0.4, "礼": 0.3},
    "を": {"を": 0.9, "越": 0.35, "遠": 0.25, "乎": 0.1},
}


@cache
def letter_allographs(letter: str) -> tuple[Allograph, ...]:
    """Return the forms of one letter of A..Z, upper and lower case together."""
    upper = UPPER_CASE_SHARE[letter]
    return _case_allographs(letter, upper) + _case_allographs(letter.lower(), 1 - upper)


@cache
def kana_allographs(kana: str) -> tuple[Allograph, ...]:
    """Return the forms of one of KMNIST's ten kana: itself and older characters."""
    forms = KANA_FORMS[kana].items()
    return tuple(Allograph(kanjivg_glyph(form), weight) for form, weight in forms)


@cache
def digit_allographs(digit: str) -> tuple[Allograph, ...]:
    """Return the forms of one digit of 0..9 on house number signs."""
    faces = [Allograph(hershey_glyph(f, digit), weight) for f, weight in DIGIT_FACES.items()]
    return (Allograph(kanjivg_glyph(digit), 1.5), *faces)


def _case_allographs(char: str, share: float) -> tuple[Allograph, ...]:
    script = 0.4 if char.islower() else 0.06  # ornate capitals are rare today
    drawn = [
        (kanjivg_glyph(char), 0.1 if char in PRINTED_ONLY else 1.0),
        (hershey_glyph(PLAIN_FACE, char), 1.0),
        (hershey_glyph("scripts", char), script),
        *((normalised(parse_svg_path(path)), 1.0) for path in OWN_LETTERS.get(char, ())),
    ]
    total = sum(weight for _, weight in drawn)
    return tuple(Allograph(glyph, share * weight / total) for glyph, weight in drawn)


@cache
def kanjivg_glyph(char: str) -> Glyph:
    """Return KanjiVG's strokes of one character, in writing order.

    Raises:
        FileNotFoundError: KanjiVG does not have the character.
    """
    file = distribution("kanjivg").locate_file(f"kanji/{ord(char):05x}.svg")
    svg = Path(str(file)).read_text(encoding="utf-8")
    paths = re.findall(r'<path[^>]* d="([^"]+)"', svg)
    return normalised(stroke for path in paths for stroke in parse_svg_path(path))


@cache
def hershey_glyph(face: str, char: str) -> Glyph:
    """Return the strokes of an ASCII character in one of the Hershey faces, such as "futural".

    Raises:
        ValueError: an unknown face.
        KeyError: the face does not have the character.
    """
    strokes = _hershey_face(face)[char].strokes
    return normalised(np.array(stroke, dtype=np.float64) for stroke in strokes if len(stroke) > 1)


@cache
def _hershey_face(face: str) -> Mapping[str, Any]:
    from HersheyFonts import HersheyFonts

    return dict(HersheyFonts(load_default_font=face).all_glyphs)


def normalised(strokes: Iterable[Points]) -> Glyph:
    """Scale strokes so that their longer side spans 0..1, centre them, and space points evenly."""
    kept = list(strokes)
    points_P2 = np.concatenate(kept)
    low_2, high_2 = points_P2.min(axis=0), points_P2.max(axis=0)
    middle_2, scale = (low_2 + high_2) / 2, 1 / (high_2 - low_2).max()
    return tuple(evenly_spaced((stroke - middle_2) * scale + 0.5, POINT_GAP) for stroke in kept)


def evenly_spaced(points_P2: Points, gap: float) -> Points:
    """Return points [P, 2] about `gap` apart along a polyline, both ends kept."""
    steps_S = np.hypot(*np.diff(points_P2, axis=0).T)
    walked_P = np.concatenate([[0.0], np.cumsum(steps_S)])
    at_Q = np.linspace(0, walked_P[-1], max(2, round(walked_P[-1] / gap) + 1))
    columns = [np.interp(at_Q, walked_P, points_P2[:, axis]) for axis in (0, 1)]
    return np.stack(columns, axis=1)


# --- SVG paths: the subset M L C S (absolute) and m l c s (relative) ---------------------

_TOKEN = re.compile(r"[A-Za-z]|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_PAIRS_PER_COMMAND = {"M": 1, "L": 1, "C": 3, "S": 2}
_BEZIER_POINTS = 24


def parse_svg_path(path: str) -> list[Points]:
    """Return the strokes of an SVG path's `d` attribute, Bézier curves sampled as polylines.

    Commands M, L, C and S are supported, absolute and relative.

    Raises:
        ValueError: any other command.
    """
    strokes: list[list[Points]] = []
    pen_2 = handle_2 = np.zeros(2)
    for command, pairs_K2 in _commands(path):
        corners_K2 = pairs_K2 + pen_2 if command.islower() else pairs_K2
        if command.upper() == "M":
            strokes.append([corners_K2])
        else:
            curve_K2 = _curve(command.upper(), pen_2, handle_2, corners_K2)
            strokes[-1].append(_bezier(curve_K2)[1:])
        pen_2 = corners_K2[-1]
        handle_2 = corners_K2[-2] if command.upper() in "CS" else pen_2
    return [np.concatenate(parts) for parts in strokes]


def _curve(command: str, pen_2: Points, handle_2: Points, corners_K2: Points) -> Points:
    """Return the control points, 2 for a line and 4 for a cubic Bézier, pen position first."""
    if command == "S":  # a smooth curve mirrors the last handle of the previous curve
        return np.vstack([pen_2, 2 * pen_2 - handle_2, corners_K2])
    return np.vstack([pen_2, corners_K2])


def _bezier(control_K2: Points) -> Points:
    """Sample a Bézier curve of any degree by de Casteljau's repeated interpolation."""
    if len(control_K2) == 2:
        return control_K2
    t_T11 = np.linspace(0, 1, _BEZIER_POINTS)[:, None, None]
    points_TK2 = np.broadcast_to(control_K2, (_BEZIER_POINTS, *control_K2.shape))
    while points_TK2.shape[1] > 1:
        points_TK2 = (1 - t_T11) * points_TK2[:, :-1] + t_T11 * points_TK2[:, 1:]
    return points_TK2[:, 0]


def _commands(path: str) -> Iterator[tuple[str, Points]]:
    """Yield each drawing command with its coordinate pairs; repeated commands one by one."""
    for letter, numbers in _groups(_TOKEN.findall(path)):
        if letter.upper() not in _PAIRS_PER_COMMAND:
            raise ValueError(f"SVG path: expected M, L, C or S, got {letter!r} in {path!r}")
        size = _PAIRS_PER_COMMAND[letter.upper()]
        pairs_RK2 = np.array(numbers, dtype=np.float64).reshape(-1, size, 2)
        # by the SVG standard, pairs after the first of a "move" are lines
        repeat = {"M": "L", "m": "l"}.get(letter, letter)
        for count, pairs_K2 in enumerate(pairs_RK2):
            yield (repeat if count else letter), pairs_K2


def _groups(tokens: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    letter, numbers = "", list[str]()
    for token in tokens:
        if token.isalpha():
            if letter:
                yield letter, numbers
            letter, numbers = token, []
        else:
            numbers.append(token)
    if letter:
        yield letter, numbers
