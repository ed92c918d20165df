"""Reliability curves of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from neurovisionlab.judge.calibration import ReliabilityBin
from neurovisionlab.out.charts.drawing import IMAGES, MODEL, Chart, colour, toggled
from neurovisionlab.out.speech import Sentence

CONFIDENCE = Sentence("how sure the model is, %")
RIGHT = Sentence("how often it is right, %")

FEW = 10  # bins of fewer images are too noisy to draw


def reliability_chart(
    curves: Mapping[str, Sequence[Sequence[ReliabilityBin]]],
) -> Chart | None:
    """Return a chart of accuracy by confidence, a line per network; the diagonal is ideal.

    Args:
        curves: {model: reliability curve of each of its networks}
            (`judge.calibration.reliability`).

    Returns:
        The chart; None without bins of at least `FEW` images.
    """
    rows = [
        {
            "model": model,
            "network": f"{model} {number}",
            "confidence": round(100 * one.confidence_frac, 2),
            "right": round(100 * one.accuracy_frac, 2),
            "images": one.num_images,
        }
        for model, networks in curves.items()
        for number, curve in enumerate(networks)
        for one in curve
        if one.num_images >= FEW
    ]
    if not rows:
        return None
    share = alt.Scale(domain=[0, 100])
    lines = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=alt.OverlayMarkDef(size=20), strokeWidth=1.4)
        .encode(
            x=alt.X("confidence:Q", title=str(CONFIDENCE), scale=share),
            y=alt.Y("right:Q", title=str(RIGHT), scale=share),
            color=colour(curves),
            detail="network:N",
            tooltip=[
                alt.Tooltip("model:N", title=str(MODEL)),
                alt.Tooltip("confidence:Q", title=str(CONFIDENCE), format=".1f"),
                alt.Tooltip("right:Q", title=str(RIGHT), format=".1f"),
                alt.Tooltip("images:Q", title=str(IMAGES), format=",d"),
            ],
        )
    )
    ends = alt.Data(values=[{"x": 0, "y": 0}, {"x": 100, "y": 100}])
    diagonal = alt.Chart(ends).mark_line(strokeDash=[4, 4], color="#888").encode(x="x:Q", y="y:Q")
    return (diagonal + toggled(lines)).properties(width=300, height=300)
