"""Every sentence about claims, in one place: templates to fill in, ready to be translated."""

from __future__ import annotations

from neurovisionlab.core.speech import Sentence

NAMES = {
    "accuracy": Sentence("accuracy"),
    "f1": Sentence("F1"),
    "precision": Sentence("precision"),
    "recall": Sentence("recall"),
    "lowest_class_recall": Sentence("lowest recall of a class"),
    "highest_class_recall": Sentence("highest recall of a class"),
    "train_time_s": Sentence("training time"),
    "train_memory_mib": Sentence("training memory"),
    "test_memory_mib": Sentence("test memory"),
    "latency_ms": Sentence("latency"),
    "weights_mib": Sentence("size of weights"),
    "num_parameters": Sentence("number of parameters"),
}

UNITS = {"MiB": Sentence("MiB"), "s": Sentence("s"), "ms": Sentence("ms")}

DIFFERENCE = Sentence("{first} − {second}")
RATIO = Sentence("{first} ÷ {second}")
ON = Sentence("{dataset}: {label} {value}")
WITH_INTERVAL = Sentence("{value} ({low} to {high})")
NO_INTERVAL = Sentence("{value} (no interval)")
RANGE = Sentence("{low}–{high}")
AND = Sentence("; ")
COMMA = Sentence(", ")

VERDICTS = {
    "consistent": Sentence("consistent"),
    "inconsistent": Sentence("inconsistent"),
    "suspect": Sentence("suspect"),
    "no evidence": Sentence("no evidence"),
    "supported": Sentence("supported"),
    "refuted": Sentence("refuted"),
    "cannot tell": Sentence("cannot tell"),
    "not comparable": Sentence("not comparable"),
}

# --- the text alone
AGREES_WITH_TABLE = Sentence("The tables say so on {datasets}.")
AGAINST_TABLE = Sentence("The tables say otherwise: {parts}.")
EQUAL_IN_TABLE = Sentence("The printed digits do not separate them: {parts}.")
NOT_IN_TABLE = Sentence("The tables print no {names}.")
PARTLY_IN_TABLE = Sentence("Not in the tables: {names}.")
ENDS_AGREE = Sentence(
    "The tables give {low} ({low_where}) to {high} ({high_where}), which round to that."
)
END_OFF = Sentence(
    "at the {end} end the tables give {value} ({where}), which rounds to {rounded}, not {said}"
)
ENDS_OFF = Sentence("The range is not that of the tables: {ends}.")
ENDS_CUT = Sentence(" The digits look cut off rather than rounded.")
LOW, HIGH = Sentence("low"), Sentence("high")
ONE_SEED = Sentence(
    " One training each, no interval: on {dataset} the gap of {gap} points gives p = {p} even "
    "between the two trained networks (two proportions, {num} test images, unpaired)."
)
WEIGHTED_RECALL = Sentence(
    "Recall equals accuracy in all {num} rows. Weighted recall is accuracy by definition, and so "
    "is macro recall where all classes are equally frequent: the agreement is arithmetic, and says "
    "nothing about single classes."
)
AVERAGES_HIDE = Sentence("Averages over classes cannot show balance; only figures per class can.")
AGREEMENT_HOLDS = Sentence("The largest distance in the tables is {most} points ({where}).")
AGREEMENT_OFF = Sentence("The tables are up to {most} points apart ({where}), more than {within}.")
ADVICE_FITS = Sentence("By the tables' own numbers the choice would be the same on {datasets}.")
ADVICE_ELSE = Sentence("By the tables' own numbers the choice would be another: {parts}.")
ADVICE_PART = Sentence("{dataset}: {choice}")
NO_CHOICE = Sentence("none")
REPORTED = Sentence("The tables print it.")

BEST_KNOWN_TEXT = Sentence("The accuracies on {dataset} are possible on {known_as}.")
ABOVE_BEST = Sentence(
    "{values} on {dataset}, stated to be {known_as}, lie above {best}, the best of the known "
    "results ({method})."
)
BELOW_ON_OTHER = Sentence(" On {other} the best known is {best} ({method}): it may be that set.")

OFFSET_TEXT = Sentence("The {name} of {second} and {first} differs because of the data.")
OFFSET = Sentence(
    "{second} − {first} is nearly the same {offset} {unit} for {models}, although their own needs "
    "differ {times}-fold and {inputs}. What does not depend on the model was carried over from "
    "elsewhere, say from an earlier run in the same process."
)
SAME_INPUTS = Sentence("the inputs have one size")
OTHER_INPUTS = Sentence("the inputs account for {expected} {unit}")
UNKNOWN_INPUTS = Sentence("no input size is stated that would explain it")
OUTLIER = Sentence(
    " {model} is {off} {unit} off that: {number} ({dataset}) may be {fitting} misprinted."
)
OUTLIER_ALONE = Sentence(" {model} is {off} {unit} off that.")

INPUTS_TEXT = Sentence("The {name} on {second} and {first} fits batches of {batch} images, {size}.")
INPUTS = Sentence(
    "{second} − {first} is {observed} {unit} where it is least. A batch of {batch} images holds "
    "{expected} {unit} more on {second} ({size}, 32-bit floats), "
)
INPUTS_TOO_SMALL = Sentence("and would have to be there at least once.")
INPUTS_TOO_LARGE = Sentence(
    "less than the models agree on: batches were larger, or held several times, or memory was "
    "carried over."
)
INPUTS_FIT = Sentence(" Batches of {batch} come to {fitting} {unit}.")
ONE_SIZE, OWN_SIZES = Sentence("{px} px"), Sentence("at their own sizes")

# --- against a run
NOT_IN_RUN = Sentence("The run has no {names}.")
PART_MISSING = Sentence("Not in the run: {names}.")
ABOUT_TEXT = Sentence("This concerns the publication, which a run cannot decide.")
COMPARED = Sentence("{parts}.")
DIRECTION = {
    "agrees": Sentence("The direction agrees under another protocol: {parts}."),
    "disagrees": Sentence("The direction disagrees under another protocol: {parts}."),
    "cannot be told": Sentence("The direction cannot be told under another protocol: {parts}."),
}
DIFFERS = Sentence("Other conditions: {fields}.")
FIELD = Sentence("{name} {here} for {published}")
DATASET, MODEL, DEVICE = Sentence("data"), Sentence("model"), Sentence("device")
SUBSET = "train_images"
CLASS_RECALL = Sentence("{dataset}, {model}: recall of single classes {low} to {high} %")
SPREAD = Sentence("{dataset}, {model}: {value} points apart")
CHOICE = Sentence("{dataset}: {choice}")
CHOICE_TIED = Sentence("{dataset}: {choice}, tied with {rivals}")
METRIC_ON = Sentence("{name} on {dataset}")
ALL, UNKNOWN = Sentence("all"), Sentence("unknown")
