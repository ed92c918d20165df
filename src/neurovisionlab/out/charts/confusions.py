"""Confusion matrices of models, and their differences."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np

from neurovisionlab.core.metrics import Floats
from neurovisionlab.out.charts.drawing import IMAGES, Chart
from neurovisionlab.out.charts.quality import MAX_CLASSES
from neurovisionlab.out.speech import Sentence

ANSWER, TRUTH = Sentence("answer"), Sentence("truth")
SHARE = Sentence("share of class")


def confusion_chart(counts_CC: Floats, class_names: Sequence[str]) -> Chart | None:
    """Return a confusion matrix, shares of each true class; None for over 64 classes or under two.

    Args:
        counts_CC: float64 images by (true class, predicted class); a mean over seeds.
        class_names: C names.
    """
    if not 2 <= len(class_names) <= MAX_CLASSES:
        return None
    shares_CC = counts_CC / np.maximum(counts_CC.sum(axis=1, keepdims=True), 1e-9)
    # the square root makes rare confusions visible beside the diagonal
    scale = alt.Scale(type="sqrt", domain=[0, 0.25, 1], range=["#eef4fb", "#6baed6", "#08306b"])
    colours = alt.Color("share:Q", title=str(SHARE), scale=scale)
    return _matrix((counts_CC, shares_CC), class_names, colours, str(IMAGES))


def difference_chart(more_CC: Floats, class_names: Sequence[str], legend: str) -> Chart | None:
    """Return a difference of two confusion matrices, in images; None as for `confusion_chart`.

    Args:
        more_CC: float64 [C, C], images of one model minus images of another, by (true class,
            predicted class).
        class_names: C names.
        legend: title of the difference.
    """
    if not 2 <= len(class_names) <= MAX_CLASSES or not more_CC.any():
        return None
    most = float(np.abs(more_CC).max())
    scale = alt.Scale(
        type="symlog",
        constant=max(1.0, most / 20),
        domain=[-most, 0, most],
        range=["#D55E00", "#f4f4f4", "#0072B2"],
    )
    colours = alt.Color("share:Q", title=legend, scale=scale, legend=alt.Legend(titleLimit=280))
    return _matrix((more_CC, more_CC), class_names, colours, legend)


def _matrix(
    arrays: tuple[Floats, Floats], class_names: Sequence[str], colours: alt.Color, counted: str
) -> Chart:
    """Return a matrix chart of the nonzero (counts, colours): most entries are usually 0."""
    counts_CC, values_CC = arrays
    rows = [
        {
            "truth": class_names[i],
            "answer": class_names[j],
            "share": round(float(values_CC[i, j]), 4),
            "images": round(float(counts_CC[i, j]), 2),
        }
        for i, j in np.argwhere(counts_CC)
    ]
    side = max(9, min(26, 400 // len(class_names)))
    order = list(class_names)
    is_long = max(map(len, order)) > 3
    angle = -90 if is_long else 0
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_rect()
        .encode(
            x=alt.X(
                "answer:N",
                sort=order,
                title=str(ANSWER),
                scale=alt.Scale(domain=order),
                axis=alt.Axis(labelAngle=angle, labelLimit=160),
            ),
            y=alt.Y(
                "truth:N",
                sort=order,
                title=str(TRUTH),
                scale=alt.Scale(domain=order),
                axis=alt.Axis(labelLimit=160),
            ),
            color=colours,
            tooltip=[
                alt.Tooltip("truth:N", title=str(TRUTH)),
                alt.Tooltip("answer:N", title=str(ANSWER)),
                alt.Tooltip("images:Q", title=counted, format=".1f"),
            ],
        )
        .properties(width=side * len(order), height=side * len(order))
    )
