"""ASCII forms of class names, for contact sheets, files and old terminals."""

from __future__ import annotations

import unicodedata

# Hepburn romanisation of KMNIST's ten hiragana
_ROMAJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
_KANA = dict(zip("おきすつなはまやれを", _ROMAJI, strict=True))


def ascii_form(class_name: str) -> str:
    """Return a readable ASCII form: ASCII unchanged, kana romanised, accents dropped, else U+….

    >>> [ascii_form(name) for name in ("A", "つ", "é", "ж")]
    ['A', 'tsu', 'e', 'U+0436']
    """
    if class_name.isascii():
        return class_name
    if class_name in _KANA:
        return _KANA[class_name]
    bare = unicodedata.normalize("NFKD", class_name)
    bare = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return bare if bare.isascii() and bare else "-".join(f"U+{ord(c):04X}" for c in class_name)
