"""How another set was brought to what models know, and why some models were not asked."""

from __future__ import annotations

from neurovisionlab.out.speech import Sentence

WORDS: dict[str, Sentence] = {
    "evaluations.some_labels": Sentence(
        "{num_shared} labels are shared, of {num_of_set} in the set and {num_of_model} that the "
        "models know"
    ),
    "evaluations.respelt": Sentence("labels matched in another spelling: {names}"),
    "evaluations.resized": Sentence("images of {width_px}×{height_px} px resized to {side_px} px"),
    "evaluations.to_grey": Sentence("colour images made grey"),
    "evaluations.to_colour": Sentence("grey images in three equal channels"),
    "evaluations.own_images": Sentence("some of these images trained the models: this is no test"),
    "evaluations.diverged": Sentence("not asked, its training diverged: {cell}"),
    "evaluations.of_earlier_version": Sentence(
        "not asked, kept by a version that did not keep what images go through: {cell}"
    ),
    "evaluations.no_weights": Sentence(
        'not asked, without weights (protocol.keep_weights = "all" keeps them): {cell}'
    ),
    "evaluations.own_code": Sentence("not asked, code that is imported with --trust alone: {cell}"),
    "evaluations.no_label": Sentence("not asked, trained on none of these labels: {cell}"),
}
