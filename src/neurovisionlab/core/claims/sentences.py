"""Every sentence about claims, in one place: templates to fill in, ready to be translated."""

from __future__ import annotations

NAMES = {
    "accuracy": "accuracy",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "lowest_class_recall": "lowest recall of a class",
    "highest_class_recall": "highest recall of a class",
    "train_time_s": "training time",
    "train_memory_mib": "training memory",
    "test_memory_mib": "test memory",
    "latency_ms": "latency",
    "weights_mib": "size of weights",
    "num_parameters": "number of parameters",
}

DIFFERENCE = "{first} − {second}"
RATIO = "{first} ÷ {second}"
ON = "{dataset}: {label} {value}"
WITH_INTERVAL = "{value} ({low} to {high})"
NO_INTERVAL = "{value} (no interval)"
RANGE = "{low}–{high}"
AND = "; "
COMMA = ", "

# --- the text alone
AGREES_WITH_TABLE = "The tables say so on {datasets}."
AGAINST_TABLE = "The tables say otherwise: {parts}."
EQUAL_IN_TABLE = "The printed digits do not separate them: {parts}."
NOT_IN_TABLE = "The tables print no {names}."
PARTLY_IN_TABLE = "Not in the tables: {names}."
ENDS_AGREE = "The tables give {low} ({low_where}) to {high} ({high_where}), which round to that."
END_OFF = (
    "at the {end} end the tables give {value} ({where}), which rounds to {rounded}, not {said}"
)
ENDS_OFF = "The range is not that of the tables: {ends}."
ENDS_CUT = " The digits look cut off rather than rounded."
LOW, HIGH = "low", "high"
ONE_SEED = (
    " One training each, no interval: on {dataset} the gap of {gap} points gives p = {p} even "
    "between the two trained networks (two proportions, {num} test images, unpaired)."
)
WEIGHTED_RECALL = (
    "Recall equals accuracy in all {num} rows. Weighted recall is accuracy by definition, and so "
    "is macro recall where all classes are equally frequent: the agreement is arithmetic, and says "
    "nothing about single classes."
)
AVERAGES_HIDE = "Averages over classes cannot show balance; only figures per class can."
AGREEMENT_HOLDS = "The largest distance in the tables is {most} points ({where})."
AGREEMENT_OFF = "The tables are up to {most} points apart ({where}), more than {within}."
ADVICE_FITS = "By the tables' own numbers the choice would be the same on {datasets}."
ADVICE_ELSE = "By the tables' own numbers the choice would be another: {parts}."
ADVICE_PART = "{dataset}: {choice}"
NO_CHOICE = "none"
REPORTED = "The tables print it."

BEST_KNOWN_TEXT = "The accuracies on {dataset} are possible on {known_as}."
ABOVE_BEST = (
    "{values} on {dataset}, stated to be {known_as}, lie above {best}, the best of the known "
    "results ({method})."
)
BELOW_ON_OTHER = " On {other} the best known is {best} ({method}): it may be that set."

OFFSET_TEXT = "The {name} of {second} and {first} differs because of the data."
OFFSET = (
    "{second} − {first} is nearly the same {offset} {unit} for {models}, although their own needs "
    "differ {times}-fold and {inputs}. What does not depend on the model was carried over from "
    "elsewhere, say from an earlier run in the same process."
)
SAME_INPUTS = "the inputs have one size"
OTHER_INPUTS = "the inputs account for {expected} {unit}"
UNKNOWN_INPUTS = "no input size is stated that would explain it"
OUTLIER = " {model} is {off} {unit} off that: {number} ({dataset}) may be {fitting} misprinted."
OUTLIER_ALONE = " {model} is {off} {unit} off that."

INPUTS_TEXT = "The {name} on {second} and {first} fits batches of {batch} images, {size}."
INPUTS = (
    "{second} − {first} is {observed} {unit} where it is least. A batch of {batch} images holds "
    "{expected} {unit} more on {second} ({size}, 32-bit floats), "
)
INPUTS_TOO_SMALL = "and would have to be there at least once."
INPUTS_TOO_LARGE = (
    "less than the models agree on: batches were larger, or held several times, or memory was "
    "carried over."
)
INPUTS_FIT = " Batches of {batch} come to {fitting} {unit}."
ONE_SIZE, OWN_SIZES = "{px} px", "at their own sizes"

# --- against a run
NOT_IN_RUN = "The run has no {names}."
PART_MISSING = "Not in the run: {names}."
ABOUT_TEXT = "This concerns the publication, which a run cannot decide."
COMPARED = "{parts}."
DIRECTION = {
    "agrees": "The direction agrees under another protocol: {parts}.",
    "disagrees": "The direction disagrees under another protocol: {parts}.",
    "cannot be told": "The direction cannot be told under another protocol: {parts}.",
}
DIFFERS = "Other conditions: {fields}."
FIELD = "{name} {here} for {published}"
DATASET, MODEL, DEVICE, SUBSET = "data", "model", "device", "train_images"
CLASS_RECALL = "{dataset}, {model}: recall of single classes {low} to {high} %"
SPREAD = "{dataset}, {model}: {value} points apart"
CHOICE = "{dataset}: {choice}"
CHOICE_TIED = "{dataset}: {choice}, tied with {rivals}"
METRIC_ON = "{name} on {dataset}"
ALL, UNKNOWN = "all", "unknown"
