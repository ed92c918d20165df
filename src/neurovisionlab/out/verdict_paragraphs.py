"""Judgements as paragraphs, a title and sentences, for terminal and report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

from neurovisionlab.judge.candidates import Advice
from neurovisionlab.judge.dynamics import DynamicsOverSeeds, SeedRange
from neurovisionlab.judge.samples import Metric
from neurovisionlab.judge.verdicts import ModelEstimate, PairVerdict
from neurovisionlab.lab.judgements import Judgement, Judgements
from neurovisionlab.out.said import said
from neurovisionlab.out.speech import Counted, Sentence, number
from neurovisionlab.out.words import verdict_words as say


class Paragraph(NamedTuple):
    """The answer to one question; `key` is the same in every language.

    A line that starts with a space explains the previous line.
    """

    key: str
    title: str
    lines: tuple[str, ...]


IN_SHORT, ACROSS = Sentence("in short"), Sentence("across data sets")
OF_DATASET = Sentence("{dataset}: {title}")
NOTHING_YET = Sentence("{dataset}: nothing to judge yet.")
TITLES = {
    "quality": Sentence("how good is each model?"),
    "pairs": Sentence("which is better?"),
    "scores": Sentence("what do other scores say?"),
    "differences": Sentence("where do they differ?"),
    "learning": Sentence("how did they learn?"),
    "confidence": Sentence("can their confidence be trusted?"),
    "advice": Sentence("which one to take?"),
}


def paragraphs(found: Judgements) -> Iterator[Paragraph]:
    """Yield a run's conclusions, headlines first."""
    short = [line for one in found.datasets for line in headline(one, found)]
    short += [NOTHING_YET.format(dataset=name) for name in found.left_out]
    yield Paragraph("short", str(IN_SHORT), tuple(short))
    for one in found.datasets:
        for key, title, lines in details(one, found.advice[one.dataset]):
            yield Paragraph(key, OF_DATASET.format(dataset=one.dataset, title=title), lines)
    if found.overall is not None:
        yield Paragraph("across", str(ACROSS), tuple(say.overall_sentences(found.overall)))


def details(one: Judgement, advice: Sequence[Advice]) -> Iterator[Paragraph]:
    """Yield the conclusions on one data set."""
    lines = {
        "quality": estimate_lines(one),
        "pairs": pair_lines(one),
        "scores": score_lines(one),
        "differences": difference_lines(one),
        "learning": [dynamics_line(d) for d in one.dynamics],
        "confidence": calibration_lines(one),
        "advice": [line for a in advice for line in advice_paragraph(a)],
    }
    for key, title in TITLES.items():
        if lines[key]:
            yield Paragraph(key, str(title), tuple(lines[key]))


# who leads

LEADS = Sentence("{dataset}: {model} leads{claims}.")
HEADLINES = {
    "better": Sentence("it is better than {models}"),
    "equivalent": Sentence("it and {models} are equivalent"),
    "cannot tell": Sentence("whether it is better than {models} cannot be told"),
}
NOT_LEARNT = Sentence("near guessing: {models}")
ADVICE_FOR = Sentence("Advice for {choices}.")
CHOICE = Sentence("{case}: {model}")
TIED = Sentence("{case}: {model} (tie within noise with {rivals})")
NO_MODEL = Sentence("no model")
CASES = {
    "small device": Sentence("small device"),
    "quick prototyping": Sentence("quick prototyping"),
    "best accuracy": Sentence("best accuracy"),
    "your limits": Sentence("your limits"),
}


def leader(one: Judgement) -> str:
    """Return the model with the highest estimate of accuracy."""
    return max(_estimates(one, "accuracy"), key=lambda estimate: estimate.value).model


def headline(one: Judgement, found: Judgements) -> list[str]:
    """Return two lines on a data set: the leading model with its certainty, and the advice."""
    choices = "; ".join(_choice(advice) for advice in found.advice[one.dataset])
    return [lead_line(one), f"  {ADVICE_FOR.format(choices=choices)}"]


def lead_line(one: Judgement) -> str:
    """Return a line on the leading model of a data set, and its certainty."""
    if len(_estimates(one, "accuracy")) == 1:
        return estimate_lines(one)[0]
    best = leader(one)
    behind: dict[str, list[str]] = {"better": [], "equivalent": [], "cannot tell": []}
    for pair in _pairs(one, "accuracy"):
        if best in (pair.a, pair.b):
            behind[pair.about_models].append(pair.b if pair.a == best else pair.a)
    claims = [
        words.format(models=", ".join(behind[kind]))
        for kind, words in HEADLINES.items()
        if behind[kind]
    ]
    if one.near_guessing:
        claims.append(NOT_LEARNT.format(models=", ".join(one.near_guessing)))
    behind_it = f"; {'; '.join(claims)}" if claims else ""
    return LEADS.format(dataset=one.dataset, model=best, claims=behind_it)


def case_name(case: str) -> str:
    """Return the name of a case of advice."""
    return str(CASES.get(case, case))


def chosen(advice: Advice) -> str:
    """Return the name of the chosen model, with its caution."""
    if advice.choice is None:
        return str(NO_MODEL)
    return f"{advice.choice} ({said(advice.caution)})" if advice.caution else advice.choice


def _choice(advice: Advice) -> str:
    case, model = case_name(advice.case), chosen(advice)
    if advice.tie:
        return TIED.format(case=case, model=model, rivals=", ".join(advice.tie))
    return CHOICE.format(case=case, model=model)


# scores

NEAR_GUESSING = Sentence(
    "Near guessing: {models} (naming the largest class alone has {share:.1f} %). They have not "
    "learnt these images, so the order says nothing of what they can."
)
PAIR_NEAR_GUESSING = Sentence("{models} near guessing. {sentence}")
LEFT_OUT = Sentence("Left out: {cell}.")
SCORE = Sentence("By {metric}: {values}.")
SAME_VERDICTS = Sentence(
    "Judged by {metrics}, the same models are better than the same others as by accuracy."
)
OTHER_VERDICT = Sentence("Other than by accuracy: {sentence}")


def _estimates(one: Judgement, metric: Metric) -> list[ModelEstimate]:
    return [estimate for estimate in one.verdicts.estimates if estimate.metric == metric]


def _pairs(one: Judgement, metric: Metric) -> list[PairVerdict]:
    return [pair for pair in one.verdicts.pairs if pair.metric == metric]


def estimate_lines(one: Judgement) -> list[str]:
    """Return a sentence on the accuracy of each model; left-out cells last."""
    lines = [say.estimate_sentence(found, one.dataset) for found in _estimates(one, "accuracy")]
    if one.near_guessing:
        share, models = 100 * one.largest_class_frac, ", ".join(one.near_guessing)
        lines.append(NEAR_GUESSING.format(models=models, share=share))
    return lines + [LEFT_OUT.format(cell=said(cell)) for cell in one.left_out]


def pair_lines(one: Judgement) -> list[str]:
    """Return a sentence on the accuracy of each pair."""
    return [pair_line(pair, one) for pair in _pairs(one, "accuracy")]


def pair_line(pair: PairVerdict, one: Judgement) -> str:
    """Return the sentence on a pair, preceded by models of it that are near guessing."""
    sentence = say.pair_sentence(pair, one.dataset)
    near = [model for model in (pair.a, pair.b) if model in one.near_guessing]
    if not near:
        return sentence
    return PAIR_NEAR_GUESSING.format(models=", ".join(near), sentence=sentence)


def score_lines(one: Judgement) -> list[str]:
    """Return the other scores, and verdicts by them that differ from those by accuracy."""
    others = [m for m in dict.fromkeys(e.metric for e in one.verdicts.estimates) if m != "accuracy"]
    lines = []
    for metric in others:
        values = "; ".join(say.short_estimate(found) for found in _estimates(one, metric))
        lines.append(SCORE.format(metric=say.WORDS[metric], values=values))
    same = [metric for metric in others if _pairs(one, metric) and not _differing(one, metric)]
    if same:
        names = ", ".join(str(say.WORDS[metric]) for metric in same)
        lines.append(SAME_VERDICTS.format(metrics=names))
    differing = [pair for metric in others for pair in _differing(one, metric)]
    sentences = [say.pair_sentence(pair, one.dataset) for pair in differing]
    return lines + [OTHER_VERDICT.format(sentence=sentence) for sentence in sentences]


def _differing(one: Judgement, metric: Metric) -> list[PairVerdict]:
    """Return the pairs with another better model than by accuracy, or none."""
    by_accuracy = {(pair.a, pair.b): pair.better for pair in _pairs(one, "accuracy")}
    return [p for p in _pairs(one, metric) if p.better != by_accuracy.get((p.a, p.b))]


# mistakes

MOST_OFTEN = Sentence("{model} takes most often {mistakes}.")
NO_MISTAKES = Sentence("{model} confuses nothing.")
TAKEN_FOR = Sentence("{truth} as {answer} ({share:.0%})")
ALONE_RIGHT = Counted(
    "{model} alone is right on {count:,} image.", "{model} alone is right on {count:,} images."
)
SUSPECTS = Counted(
    "{count:,} test image is wrong in every network; in {agreed:,} of them all networks agree on "
    "one other class: hard, or wrongly labelled.",
    "{count:,} test images are wrong in every network; in {agreed:,} of them all networks agree on "
    "one other class: hard, or wrongly labelled.",
)
GAP = Sentence("{model} takes {truth} for {answer} on {images:,.1f} more images than {other}.")


def difference_lines(one: Judgement) -> list[str]:
    """Return sentences on each model's mistakes and own successes, and on images all get wrong."""
    names = one.class_names
    lines = []
    for model, confused in one.differences.confused.items():
        worst = ", ".join(
            TAKEN_FOR.format(truth=names[c.truth], answer=names[c.answer], share=c.share_frac)
            for c in confused[:3]
        )
        sentence = MOST_OFTEN if worst else NO_MISTAKES
        words = [sentence.format(model=model, mistakes=worst)]
        if len(one.differences.confused) > 1:
            alone = len(one.differences.alone.get(model, ()))
            words.append(ALONE_RIGHT.format(alone, model=model))
        lines.append(" ".join(words))
    largest = sorted(one.differences.gaps, key=lambda gap: -gap.num_images)[:3]
    for gap in largest:
        truth, answer = names[gap.truth], names[gap.answer]
        fields = {"model": gap.a, "other": gap.b, "images": gap.num_images}
        lines.append(GAP.format(truth=truth, answer=answer, **fields))
    suspects = one.differences.suspects
    if suspects:
        agreed = sum(suspect.agreeing_frac == 1 for suspect in suspects)
        lines.append(SUSPECTS.format(len(suspects), agreed=agreed))
    return lines


# training

LEARNED = Sentence(
    "{model} reaches 90, 95, 99 % of its final validation accuracy after {to_90}, {to_95}, "
    "{to_99} epochs; {opened}, at the end {gap:+.1f} points; largest drop {drop:.1f} points."
)
NEVER_OPENS = Sentence("its gap between training and validation never stays open")
OPENS = Sentence("its gap stays open from epoch {epochs} ({opened} of {seeds} seeds)")
RANGE = Sentence("{low:g} to {high:g}")


def dynamics_line(one: DynamicsOverSeeds) -> str:
    """Return a sentence on speed of convergence, onset of overfitting, and stability."""
    opened = str(NEVER_OPENS)
    if one.gap_opens_epoch is not None:
        epochs = _range(one.gap_opens_epoch)
        opened = OPENS.format(epochs=epochs, opened=one.num_opened, seeds=one.num_seeds)
    return LEARNED.format(
        model=one.model,
        to_90=_range(one.epochs_to_90),
        to_95=_range(one.epochs_to_95),
        to_99=_range(one.epochs_to_99),
        opened=opened,
        gap=100 * one.final_gap_frac.middle,
        drop=100 * one.largest_drop_frac.high,
    )


def _range(found: SeedRange) -> str:
    if found.low == found.high:
        return number(found.low, "g")
    return RANGE.format(low=found.low, high=found.high)


# confidence

CALIBRATED = Sentence(
    "{model}: calibration error {error:.1%} (over seeds {lowest:.1%} to {highest:.1%}, no interval "
    "claimed); temperature {temperature:.2f}, fitted on validation, takes the test NLL from "
    "{before:.3f} to {after:.3f}."
)


def calibration_lines(one: Judgement) -> list[str]:
    """Return sentences on calibration errors and the effect of temperature scaling."""
    lines = []
    for found in one.calibration:
        temperatures = one.temperatures[found.model]
        lines.append(
            CALIBRATED.format(
                model=found.model,
                error=found.ece_frac,
                lowest=found.lowest_frac,
                highest=found.highest_frac,
                temperature=fmean(t.temperature for t in temperatures),
                before=fmean(t.nll_before for t in temperatures),
                after=fmean(t.nll_after for t in temperatures),
            )
        )
    return lines


def advice_paragraph(advice: Advice) -> list[str]:
    """Return a case, its choice and the reasons as lines."""
    return [_choice(advice), *(f"  {said(why)}" for why in (*advice.reasons, *advice.excluded))]
