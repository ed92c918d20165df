"""Synthetic character data sets drawn from stroke vectors, without downloads, reproducible.

Three stand-ins with the labels of well-known data sets: `pen-letters` (EMNIST letters), `pen-kana`
(KMNIST) and `street-digits` (SVHN). They have the same shape and a similar look, but they are not
those data sets, and results on them do not transfer.

    draw.Drawn         the images, their labels, and their writers
    draw_pen_letters   A..Z, upper and lower case merged, 28×28 grey
    draw_pen_kana      お き す つ な は ま や れ を, 28×28 grey
    draw_street_digits 0..9, 32×32 colour

Training and test images have different writers. The same arguments give the same bytes in every run
and process on one machine and with the same versions of the packages used. Strokes come from
KanjiVG, (C) Ulrich Apel, CC BY-SA 3.0, from the Hershey fonts, and from a few forms of this
project; see `glyphs`. Images drawn with KanjiVG's strokes may be redistributed only with credit and
under the same licence.
"""

# Incremented whenever the images change; part of their cache key. Defined here so that it can be
# read without importing the drawing code, which takes a while.
GENERATOR_VERSION = 2
