"""The languages of reports: gettext catalogues, read from their source.

`locale/CODE.po` holds a language. It is compiled when it is read, so that there is no compiled file
that could be outdated.
"""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations
from importlib.resources import files

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import get_decimal_symbol, get_group_symbol

from neurovisionlab.core.errors import SpecError, mould, nearest
from neurovisionlab.out.speech import ENGLISH, Voice

CODES = ("en", "uk")
NO_BREAK = "\u00a0"


def voice_of(code: str) -> Voice:
    """Return a language by its code.

    Raises:
        SpecError: the code is not one of `CODES`.
    """
    if code not in CODES:
        near = ", ".join(nearest(code, CODES))
        raise SpecError(mould("language", " or ".join(CODES), repr(code), near))
    return ENGLISH if code == "en" else _read(code)


@cache
def _read(code: str) -> Voice:
    text = files("neurovisionlab.out").joinpath("locale", f"{code}.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(text), locale=code))
    compiled.seek(0)
    catalogue = GNUTranslations(compiled)
    return Voice(
        code=code,
        translate=lambda message: catalogue.gettext(message) if message else "",
        translate_counted=catalogue.ngettext,
        decimal=get_decimal_symbol(code),
        group=get_group_symbol(code),
        percent=f"{NO_BREAK}%",
    )
