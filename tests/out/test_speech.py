"""Sentences in other languages: words, plurals, numbers; and English for everybody else."""

from __future__ import annotations

import numpy as np

from neurovisionlab.out.speech import Counted, Sentence, Voice, number, speaking, voice

MODELS = Counted("{count} model", "{count:,} models")
SHARE = Sentence("{model}: {share:.1%} of {total:,}, {digits}")

GERMAN = Voice(
    "de",
    {"yes": "ja", SHARE.english: "{model} hat {share:.1%} von {total:,}, {digits}"}.get,  # type: ignore[arg-type]
    lambda one, many, count: "{count} Modell" if count == 1 else "{count:,} Modelle",
    decimal=",",
    group=".",
    percent="\u00a0%",
)


def test_english_is_spoken_unless_said_otherwise() -> None:
    assert voice().code == "en"
    assert str(Sentence("yes")) == "yes"
    assert MODELS.format(1) == "1 model"
    assert MODELS.format(1234) == "1,234 models"


def test_a_language_is_spoken_for_a_block_and_no_longer() -> None:
    with speaking(GERMAN):
        assert voice().code == "de"
        assert f"{Sentence('yes')}" == "ja"
        assert MODELS.format(1234) == "1.234 Modelle"
    assert str(Sentence("yes")) == "yes"


def test_an_error_ends_the_block_too() -> None:
    try:
        with speaking(GERMAN):
            raise KeyError
    except KeyError:
        assert voice().code == "en"


def test_numbers_are_written_as_the_language_does_and_texts_left_alone() -> None:
    fields = {"model": "net-1.5", "share": np.float64(0.953), "total": 20_800, "digits": "0.5"}
    assert SHARE.format(**fields) == "net-1.5: 95.3% of 20,800, 0.5"
    with speaking(GERMAN):
        assert SHARE.format(**fields) == "net-1.5 hat 95,3\u00a0% von 20.800, 0.5"
        assert number(1234.5, ",.1f") == "1.234,5"


def test_a_precision_can_be_a_field() -> None:
    sentence = Sentence("{percent:.{digits}f} %")
    assert sentence.format(percent=12.3456, digits=1) == "12.3 %"


def test_a_sentence_is_refilled_with_what_was_read_from_its_english_form() -> None:
    fields = SHARE.read("net: 95.3% of 20,800, 0.5")
    assert fields is not None
    with speaking(GERMAN):
        assert SHARE.refill(fields) == "net hat 95.3% von 20,800, 0.5"


def test_fields_are_read_back() -> None:
    assert Sentence("{a} and (b) {c}").read("1 and (b) 2\n3") == {"a": "1", "c": "2\n3"}
    assert Sentence("{a} and {c}").read("1 or 2") is None
