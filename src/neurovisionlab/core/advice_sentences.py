"""Every sentence of the advice, in one place: templates to fill in, ready to be translated."""

from __future__ import annotations

# What each field is called, with its unit behind it.
NAMES = {
    "accuracy_frac": "accuracy",
    "size_mib": "size",
    "latency_ms": "latency",
    "train_s": "training time",
    "memory_mib": "memory",
}
UNITS = {"size_mib": "MiB", "latency_ms": "ms", "train_s": "s", "memory_mib": "MiB"}
LEAST = {
    "size_mib": "is the smallest",
    "latency_ms": "answers fastest",
    "train_s": "trains fastest",
    "memory_mib": "needs the least memory",
}

ACCURACY_FULL = "{percent:.{digits}f} % (95 % interval {low:.{digits}f} to {high:.{digits}f})"
ACCURACY = "{percent:.{digits}f} % ({low:.{digits}f} to {high:.{digits}f})"
ACCURACY_ALONE = "{percent:.2f} % (interval unknown)"

# the choice
FRONT = "No other model is as good in every respect as one of these: {models}."
FRONT_OF_ONE = "No model is better than {model} in any respect that was measured."
MOST_ACCURATE = "{model} is the most accurate: {accuracy}."
LEAST_OF_THE_GOOD = (
    "Of the models that lose no more than {points:g} points of accuracy to the best ({best}), "
    "{model} {least}: {value}, {accuracy}."
)
ONLY_GOOD_ONE = (
    "{model}, {accuracy}, is more than {points:g} points ahead of every other, too far for a "
    "cheaper one to make up; its {name} is {value}."
)
LEAST_OF_ALL = "{model} {least}: {value}, {accuracy}."
INSTEAD = "{wanted} is not known for any of them, so {used} decides."
UNKNOWN_EVERYWHERE = "{wanted} is not known for any of them, so accuracy decides."
PASSED_OVER = "Passed over, for their {name} is unknown: {models}."
AGAINST = "Against {rival}, {accuracy}: {comparisons}."
COMPARISON = "{name} {own} against {other}"

# ties
TIE_BY_ACCURACY = "Tie within noise: {rivals} cannot be told from {model} in accuracy."
TIE_BY_COST = "Tie within noise: the {name} of {rivals} is within {percent:g} % of that."
TIE_EXACT = "Tie: {rivals} has the same {name}."
BROKEN_BY_COST = "Of those tied, {model} is taken: it costs no more than the others in any respect."
BROKEN_BY_ESTIMATE = "Of those tied, {model} is taken for the higher estimate, a weak reason."
NOISE_UNKNOWN = (
    "Whether noise alone separates it from {rivals} is not known: an interval is missing."
)

# exclusions
OVER_LIMIT = "{model}: {name} {value} is over the limit of {limit}"
UNDER_MINIMUM = "{model}: accuracy {accuracy} is under the minimum of {limit:g} %"
UNDER_MINIMUM_NOISE = (
    "{model}: accuracy {accuracy} is under the minimum of {limit:g} %, though within noise"
)
UNKNOWN_LIMIT = "{model}: {name} is unknown, so the limit of {limit} cannot be checked"
NOBODY = "No model meets all limits."
NO_CANDIDATES = "There are no models to choose from."

# what would change the choice
A_LIMIT = "a limit on {name} below {own}"
CHANGE_LIMIT = "It would be {other}, {accuracy}, under {conditions}."
OR = " or "
CHANGE_FLOOR = "If {accuracy} were enough, it would be {other}: {value}."
CHANGE_WITHOUT = "Without the limits it would be {other}, {accuracy}."
CHANGE_SEEDS = "More seeds or test images may turn the order of {models}."
CHANGE_MORE = "Were accuracy worth more, it would be {other}, {accuracy}."
CHANGE_NOTHING = "No limit on what was measured would change the choice."
