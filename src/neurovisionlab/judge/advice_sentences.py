"""Every sentence of the advice, in one place: templates to fill in, ready to be translated."""

from __future__ import annotations

from neurovisionlab.core.speech import Sentence

# What each field is called, with its unit behind it.
NAMES = {
    "accuracy_frac": Sentence("accuracy"),
    "size_mib": Sentence("size"),
    "latency_ms": Sentence("latency"),
    "train_s": Sentence("training time"),
    "memory_mib": Sentence("memory"),
}
UNITS = {
    "size_mib": Sentence("MiB"),
    "latency_ms": Sentence("ms"),
    "train_s": Sentence("s"),
    "memory_mib": Sentence("MiB"),
}
LEAST = {
    "size_mib": Sentence("is the smallest"),
    "latency_ms": Sentence("answers fastest"),
    "train_s": Sentence("trains fastest"),
    "memory_mib": Sentence("needs the least memory"),
}

ACCURACY_FULL = Sentence(
    "{percent:.{digits}f} % (95 % interval {low:.{digits}f} to {high:.{digits}f})"
)
ACCURACY = Sentence("{percent:.{digits}f} % ({low:.{digits}f} to {high:.{digits}f})")
ACCURACY_ALONE = Sentence("{percent:.2f} % (interval unknown)")

# the choice
FRONT = Sentence("No other model is as good in every respect as one of these: {models}.")
FRONT_OF_ONE = Sentence("No model is better than {model} in any respect that was measured.")
MOST_ACCURATE = Sentence("{model} is the most accurate: {accuracy}.")
LEAST_OF_THE_GOOD = Sentence(
    "Of the models that lose no more than {points:g} points of accuracy to the best ({best}), "
    "{model} {least}: {value}, {accuracy}."
)
ONLY_GOOD_ONE = Sentence(
    "{model}, {accuracy}, is more than {points:g} points ahead of every other, too far for a "
    "cheaper one to make up; its {name} is {value}."
)
LEAST_OF_ALL = Sentence("{model} {least}: {value}, {accuracy}.")
INSTEAD = Sentence(
    "{wanted} is not known for any model that is accurate enough, so {used} decides."
)
UNKNOWN_EVERYWHERE = Sentence(
    "{wanted} is not known for any model that is accurate enough, so accuracy decides."
)
PASSED_OVER = Sentence("Passed over, for their {name} is unknown: {models}.")
AGAINST = Sentence("Against {rival}, {accuracy}: {comparisons}.")
COMPARISON = Sentence("{name} {own} against {other}")

SEEDS_DIVERGED = Sentence("{count} of {total} seeds diverged")
DIVERGED = Sentence("{model}: {seeds}; what is said of it is about the others alone.")
ALL_DIVERGED = Sentence("{model}: every seed diverged")

# ties
TIE_BY_ACCURACY = Sentence("Tie within noise: {rivals} cannot be told from {model} in accuracy.")
TIE_BY_COST = Sentence("Tie within noise: the {name} of {rivals} is within {percent:g} % of that.")
TIE_EXACT = Sentence("Tie: {rivals} has the same {name}.")
BROKEN_BY_COST = Sentence(
    "Of those tied, {model} is taken: it costs no more than the others in any respect."
)
BROKEN_BY_ESTIMATE = Sentence(
    "Of those tied, {model} is taken for the higher estimate, a weak reason."
)
NOISE_UNKNOWN = Sentence(
    "Whether noise alone separates it from {rivals} is not known: an interval is missing."
)

# exclusions
OVER_LIMIT = Sentence("{model}: {name} {value} is over the limit of {limit}")
UNDER_MINIMUM = Sentence("{model}: accuracy {accuracy} is under the minimum of {limit:g} %")
UNDER_MINIMUM_NOISE = Sentence(
    "{model}: accuracy {accuracy} is under the minimum of {limit:g} %, though within noise"
)
UNKNOWN_LIMIT = Sentence("{model}: {name} is unknown, so the limit of {limit} cannot be checked")
GUESSING = Sentence(
    "{model}: accuracy {accuracy} is at or near the {share:.1f} % of the largest class: it has not "
    "learnt these images"
)
NOBODY = Sentence("No model meets all limits.")
NOBODY_LEARNT = Sentence("No model has learnt more than to name the largest class.")
NO_CANDIDATES = Sentence("There are no models to choose from.")

# what would change the choice
A_LIMIT = Sentence("a limit on {name} below {own}")
CHANGE_LIMIT = Sentence("It would be {other}, {accuracy}, under {conditions}.")
OR = Sentence(" or ")
CHANGE_FLOOR = Sentence("If {accuracy} were enough, it would be {other}: {value}.")
CHANGE_WITHOUT = Sentence("Without the limits it would be {other}, {accuracy}.")
CHANGE_SEEDS = Sentence("More seeds or test images may turn the order of {models}.")
CHANGE_MORE = Sentence("Were accuracy worth more, it would be {other}, {accuracy}.")
CHANGE_NOTHING = Sentence("No limit on what was measured would change the choice.")
