"""Judgements as paragraphs: a title and sentences, for terminal and report alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from neurovisionlab.core import sentences as say
from neurovisionlab.core.advice import Advice
from neurovisionlab.core.dynamics import DynamicsOverSeeds, Range
from neurovisionlab.lab.judge import Judgement, Judgements

Paragraph = tuple[str, list[str]]


def paragraphs(found: Judgements) -> Iterator[Paragraph]:
    """Yield all that a run's results allow one to say, headlines first."""
    short = [line for one in found.datasets for line in headline(one, found)]
    yield "in short", short + [f"{name}: nothing to judge yet." for name in found.left_out]
    for one in found.datasets:
        for title, lines in details(one, found.advice[one.dataset]):
            yield f"{one.dataset}: {title}", lines
    if found.overall is not None:
        yield "across data sets", list(say.overall_sentences(found.overall))


def details(one: Judgement, advice: Sequence[Advice]) -> Iterator[Paragraph]:
    """Yield what there is to say of one data set."""
    yield "how good is each model?", estimate_lines(one)
    pairs = pair_lines(one)
    if pairs:
        yield "which is better?", pairs
    yield "where do they differ?", difference_lines(one)
    yield "how did they learn?", [_dynamics_line(d) for d in one.dynamics]
    yield "can their confidence be trusted?", calibration_lines(one)
    yield "which one to take?", [line for a in advice for line in advice_paragraph(a)]


def headline(one: Judgement, found: Judgements) -> list[str]:
    """Say in two lines who leads on a data set, how surely, and what is advised."""
    estimates = [e for e in one.verdicts.estimates if e.metric == "accuracy"]
    best = max(estimates, key=lambda estimate: estimate.value).model
    if len(estimates) == 1:
        return [estimate_lines(one)[0]]
    behind: dict[str, list[str]] = {"better": [], "equivalent": [], "cannot tell": []}
    for pair in one.verdicts.pairs:
        if pair.metric == "accuracy" and best in (pair.a, pair.b):
            behind[pair.about_models].append(pair.b if pair.a == best else pair.a)
    claims = [
        words.format(", ".join(behind[kind])) for kind, words in _HEADLINES.items() if behind[kind]
    ]
    said = f"{one.dataset}: {best} leads" + (f"; {'; '.join(claims)}" if claims else "") + "."
    choices = "; ".join(_choice(advice) for advice in found.advice[one.dataset])
    return [said, f"  Advice for {choices}."]


def _choice(advice: Advice) -> str:
    head = f"{advice.case}: {advice.choice or 'no model'}"
    return head + (f" (tie within noise with {', '.join(advice.tie)})" if advice.tie else "")


_HEADLINES = {
    "better": "it is better than {}",
    "equivalent": "it and {} are equivalent",
    "cannot tell": "whether it is better than {} cannot be told",
}


def estimate_lines(one: Judgement) -> list[str]:
    """Say how good each model is; what was left out last."""
    lines = [
        say.estimate_sentence(estimate, one.dataset)
        for estimate in one.verdicts.estimates
        if estimate.metric == "accuracy"
    ]
    return lines + [f"Left out: {cell}." for cell in one.left_out]


def pair_lines(one: Judgement) -> list[str]:
    """Say of each pair which is better, or that it cannot be told."""
    pairs = [pair for pair in one.verdicts.pairs if pair.metric == "accuracy"]
    return [say.pair_sentence(pair, one.dataset) for pair in pairs]


def difference_lines(one: Judgement) -> list[str]:
    """Say what each model alone gets right and confuses most, and what nobody gets right."""
    lines = []
    for model, confused in one.differences.confused.items():
        alone = len(one.differences.alone.get(model, ()))
        worst = ", ".join(
            f"{one.class_names[c.truth]} as {one.class_names[c.answer]} ({c.share_frac:.0%})"
            for c in confused[:3]
        )
        line = f"{model} takes most often {worst}" if worst else f"{model} confuses nothing"
        if len(one.differences.confused) > 1:
            line += f"; it alone is right on {alone:,} images"
        lines.append(f"{line}.")
    suspects = one.differences.suspects
    if suspects:
        agreed = sum(suspect.agreeing_frac == 1 for suspect in suspects)
        lines.append(
            f"{len(suspects):,} test images are wrong in every network; in {agreed:,} of them all "
            "networks agree on one other class: hard, or wrongly labelled."
        )
    return lines


def _dynamics_line(one: DynamicsOverSeeds) -> str:
    opened = (
        "its gap between training and validation never stays open"
        if one.gap_opens_epoch is None
        else f"its gap stays open from epoch {_range(one.gap_opens_epoch)} "
        f"({one.num_opened} of {one.num_seeds} seeds)"
    )
    drop = one.largest_drop_frac
    return (
        f"{one.model} reaches 90, 95, 99 % of its final validation accuracy after "
        f"{_range(one.epochs_to_90)}, {_range(one.epochs_to_95)}, {_range(one.epochs_to_99)} "
        f"epochs; {opened}, at the end {100 * one.final_gap_frac.middle:+.1f} points; "
        f"largest drop {100 * drop.high:.1f} points."
    )


def _range(found: Range) -> str:
    if found.low == found.high:
        return f"{found.low:g}"
    return f"{found.low:g} to {found.high:g}"


def calibration_lines(one: Judgement) -> list[str]:
    """Say how far each model's confidence is off, and what a temperature would do."""
    lines = []
    for found in one.calibration:
        temperatures = one.temperatures[found.model]
        degree = fmean(t.temperature for t in temperatures)
        before = fmean(t.nll_before for t in temperatures)
        after = fmean(t.nll_after for t in temperatures)
        lines.append(
            f"{found.model}: calibration error {found.ece_frac:.1%} (over seeds "
            f"{found.lowest_frac:.1%} to {found.highest_frac:.1%}, no interval claimed); "
            f"temperature {degree:.2f}, fitted on validation, takes the test NLL from "
            f"{before:.3f} to {after:.3f}."
        )
    return lines


def advice_paragraph(advice: Advice) -> list[str]:
    """Return a case, its choice and the reasons as lines."""
    return [_choice(advice), *(f"  {reason}" for reason in (*advice.reasons, *advice.excluded))]
