"""Character sets drawn from stroke vectors: no download, no network, and always the same.

Three stand-ins with the label sets of well-known ones: `pen-letters` (EMNIST letters),
`pen-kana` (KMNIST) and `street-digits` (SVHN). They have the same shape and a similar look,
but they are not those sets, and no number measured on them speaks for those.

    draw.Drawn         the pictures, their labels, and who wrote them
    draw_pen_letters   A..Z, upper and lower case merged, 28×28 grey
    draw_pen_kana      お き す つ な は ま や れ を, 28×28 grey
    draw_street_digits 0..9, 32×32 colour

Nobody who writes training images writes test images. The same arguments give the same bytes
in every run and process on one machine and with the same versions of the packages used.
Strokes come from KanjiVG, (C) Ulrich Apel, CC BY-SA 3.0, from the Hershey fonts, and from a
few forms of our own; see `glyphs`. Whoever passes on pictures drawn with KanjiVG's strokes
has to credit it and to use the same licence.
"""

# Raised whenever the pictures change; part of the key under which they are cached. It lies here so
# that it is known without importing what draws, which takes a while.
GENERATOR_VERSION = 2
