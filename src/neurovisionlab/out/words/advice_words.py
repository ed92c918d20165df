"""Sentences of advice, as translatable templates."""

from __future__ import annotations

from neurovisionlab.out.speech import Sentence

WORDS: dict[str, Sentence] = {
    # what each field is called, with its unit behind it
    "advice.names.accuracy_frac": Sentence("accuracy"),
    "advice.names.size_mib": Sentence("size"),
    "advice.names.latency_ms": Sentence("latency"),
    "advice.names.train_s": Sentence("training time"),
    "advice.names.memory_mib": Sentence("memory"),
    "advice.units.size_mib": Sentence("MiB"),
    "advice.units.latency_ms": Sentence("ms"),
    "advice.units.train_s": Sentence("s"),
    "advice.units.memory_mib": Sentence("MiB"),
    "advice.least.size_mib": Sentence("is the smallest"),
    "advice.least.latency_ms": Sentence("answers fastest"),
    "advice.least.train_s": Sentence("trains fastest"),
    "advice.least.memory_mib": Sentence("needs the least memory"),
    "advice.accuracy_full": Sentence(
        "{percent:.{digits}f} % (95 % interval {low:.{digits}f} to {high:.{digits}f})"
    ),
    "advice.accuracy": Sentence("{percent:.{digits}f} % ({low:.{digits}f} to {high:.{digits}f})"),
    "advice.accuracy_alone": Sentence("{percent:.2f} % (interval unknown)"),
    # the choice
    "advice.front": Sentence(
        "No other model is as good in every respect as one of these: {models}."
    ),
    "advice.front_of_one": Sentence(
        "No model is better than {model} in any respect that was measured."
    ),
    "advice.most_accurate": Sentence("{model} is the most accurate: {accuracy}."),
    "advice.least_of_the_good": Sentence(
        "Of the models that lose no more than {points:g} points of accuracy to the best ({best}), "
        "{model} {least}: {value}, {accuracy}."
    ),
    "advice.only_good_one": Sentence(
        "{model}, {accuracy}, is more than {points:g} points ahead of every other, too far for a "
        "cheaper one to make up; its {name} is {value}."
    ),
    "advice.least_within": Sentence(
        "Of the models within the limits, {model} {least}: {value}, {accuracy}."
    ),
    "advice.only_one": Sentence(
        "{model} is the only model to choose from: {accuracy}; its {name} is {value}."
    ),
    "advice.instead": Sentence(
        "{wanted} is not known for any model that is accurate enough, so {used} decides."
    ),
    "advice.unknown_everywhere": Sentence(
        "{wanted} is not known for any model that is accurate enough, so accuracy decides."
    ),
    "advice.passed_over": Sentence("Passed over, for their {name} is unknown: {models}."),
    "advice.against": Sentence("Against {rival}, {accuracy}: {comparisons}."),
    "advice.comparison": Sentence("{name} {own} against {other}"),
    "advice.seeds_diverged": Sentence("{count} of {total} seeds diverged"),
    "advice.diverged": Sentence("{model}: {seeds}; what is said of it is about the others alone."),
    "advice.all_diverged": Sentence("{model}: every seed diverged"),
    # ties
    "advice.tie_by_accuracy": Sentence(
        "Tie within noise: {rivals} cannot be told from {model} in accuracy."
    ),
    "advice.tie_by_cost": Sentence(
        "Tie within noise: the {name} of {rivals} is within {percent:g} % of that."
    ),
    "advice.tie_exact": Sentence("Tie: {rivals} has the same {name}."),
    "advice.broken_by_cost": Sentence(
        "Of those tied, {model} is taken: it costs no more than the others in any respect."
    ),
    "advice.broken_by_estimate": Sentence(
        "Of those tied, {model} is taken for the higher estimate, a weak reason."
    ),
    "advice.noise_unknown": Sentence(
        "Whether noise alone separates it from {rivals} is not known: an interval is missing."
    ),
    # exclusions
    "advice.over_limit": Sentence("{model}: {name} {value} is over the limit of {limit}"),
    "advice.under_minimum": Sentence(
        "{model}: accuracy {accuracy} is under the minimum of {limit:g} %"
    ),
    "advice.under_minimum_noise": Sentence(
        "{model}: accuracy {accuracy} is under the minimum of {limit:g} %, though within noise"
    ),
    "advice.unknown_limit": Sentence(
        "{model}: {name} is unknown, so the limit of {limit} cannot be checked"
    ),
    "advice.guessing": Sentence(
        "{model}: accuracy {accuracy} is at or near the {share:.1f} % of the largest class: it has "
        "not learnt these images"
    ),
    "advice.nobody": Sentence("No model meets all limits."),
    "advice.nobody_learnt": Sentence("No model has learnt more than to name the largest class."),
    "advice.no_candidates": Sentence("There are no models to choose from."),
    # what would change the choice
    "advice.a_limit": Sentence("a limit on {name} below {own}"),
    "advice.change_limit": Sentence("It would be {other}, {accuracy}, under {conditions}."),
    "advice.or": Sentence(" or "),
    "advice.change_floor": Sentence("If {accuracy} were enough, it would be {other}: {value}."),
    "advice.change_without": Sentence("Without the limits it would be {other}, {accuracy}."),
    "advice.change_seeds": Sentence("More seeds or test images may turn the order of {models}."),
    "advice.change_more": Sentence("Were accuracy worth more, it would be {other}, {accuracy}."),
    "advice.change_nothing": Sentence("No limit on what was measured would change the choice."),
}
