"""Sentences about claims, as translatable templates."""

from __future__ import annotations

from neurovisionlab.out.speech import Sentence

WORDS: dict[str, Sentence] = {
    "claims.names.accuracy": Sentence("accuracy"),
    "claims.names.f1": Sentence("F1"),
    "claims.names.precision": Sentence("precision"),
    "claims.names.recall": Sentence("recall"),
    "claims.names.lowest_class_recall": Sentence("lowest recall of a class"),
    "claims.names.highest_class_recall": Sentence("highest recall of a class"),
    "claims.names.train_time_s": Sentence("training time"),
    "claims.names.train_memory_mib": Sentence("training memory"),
    "claims.names.test_memory_mib": Sentence("test memory"),
    "claims.names.latency_ms": Sentence("latency"),
    "claims.names.weights_mib": Sentence("size of weights"),
    "claims.names.num_parameters": Sentence("number of parameters"),
    "claims.units.MiB": Sentence("MiB"),
    "claims.units.s": Sentence("s"),
    "claims.units.ms": Sentence("ms"),
    "claims.difference": Sentence("{first} − {second}"),
    "claims.ratio": Sentence("{first} ÷ {second}"),
    "claims.on": Sentence("{dataset}: {label} {value}"),
    "claims.with_interval": Sentence("{value} ({low} to {high})"),
    "claims.no_interval": Sentence("{value} (no interval)"),
    "claims.range": Sentence("{low}–{high}"),
    "claims.and": Sentence("; "),
    "claims.comma": Sentence(", "),
    "claims.verdicts.consistent": Sentence("consistent"),
    "claims.verdicts.inconsistent": Sentence("inconsistent"),
    "claims.verdicts.suspect": Sentence("suspect"),
    "claims.verdicts.no evidence": Sentence("no evidence"),
    "claims.verdicts.supported": Sentence("supported"),
    "claims.verdicts.refuted": Sentence("refuted"),
    "claims.verdicts.cannot tell": Sentence("cannot tell"),
    "claims.verdicts.not comparable": Sentence("not comparable"),
    # --- the text alone
    "claims.agrees_with_table": Sentence("The tables say so on {datasets}."),
    "claims.against_table": Sentence("The tables say otherwise: {parts}."),
    "claims.equal_in_table": Sentence("The printed digits do not separate them: {parts}."),
    "claims.not_in_table": Sentence("The tables print no {names}."),
    "claims.partly_in_table": Sentence("Not in the tables: {names}."),
    "claims.ends_agree": Sentence(
        "The tables give {low} ({low_where}) to {high} ({high_where}), which round to that."
    ),
    "claims.end_off": Sentence(
        "at the {end} end the tables give {value} ({where}), which rounds to {rounded}, not {said}"
    ),
    "claims.ends_off": Sentence("The range is not that of the tables: {ends}."),
    "claims.ends_cut": Sentence("The digits look cut off rather than rounded."),
    "claims.low": Sentence("low"),
    "claims.high": Sentence("high"),
    "claims.one_seed": Sentence(
        "One training each, no interval: on {dataset} the gap of {gap} points gives p = {p} even "
        "between the two trained networks (two proportions, {num} test images, unpaired)."
    ),
    "claims.weighted_recall": Sentence(
        "Recall equals accuracy in all {num} rows. Weighted recall is accuracy by definition, and "
        "so is macro recall where all classes are equally frequent: the agreement is arithmetic, "
        "and says nothing about single classes."
    ),
    "claims.averages_hide": Sentence(
        "Averages over classes cannot show balance; only figures per class can."
    ),
    "claims.agreement_holds": Sentence(
        "The largest distance in the tables is {most} points ({where})."
    ),
    "claims.agreement_off": Sentence(
        "The tables are up to {most} points apart ({where}), more than {within}."
    ),
    "claims.advice_fits": Sentence(
        "By the tables' own numbers the choice would be the same on {datasets}."
    ),
    "claims.advice_else": Sentence(
        "By the tables' own numbers the choice would be another: {parts}."
    ),
    "claims.advice_part": Sentence("{dataset}: {choice}"),
    "claims.no_choice": Sentence("none"),
    "claims.reported": Sentence("The tables print it."),
    "claims.best_known_text": Sentence("The accuracies on {dataset} are possible on {known_as}."),
    "claims.above_best": Sentence(
        "{values} on {dataset}, stated to be {known_as}, lie above {best}, the best of the known "
        "results ({method})."
    ),
    "claims.below_on_other": Sentence(
        "On {other} the best known is {best} ({method}): it may be that set."
    ),
    "claims.offset_text": Sentence(
        "The {name} of {second} and {first} differs because of the data."
    ),
    "claims.offset": Sentence(
        "{second} − {first} is nearly the same {offset} {unit} for {models}, although their own "
        "needs differ {times}-fold and {inputs}. What does not depend on the model was carried "
        "over from elsewhere, say from an earlier run in the same process."
    ),
    "claims.same_inputs": Sentence("the inputs have one size"),
    "claims.other_inputs": Sentence("the inputs account for {expected} {unit}"),
    "claims.unknown_inputs": Sentence("no input size is stated that would explain it"),
    "claims.outlier": Sentence("{model} is {off} {unit} off that."),
    "claims.inputs_text": Sentence(
        "The {name} on {second} and {first} fits batches of {batch} images, {size}."
    ),
    "claims.inputs": Sentence(
        "{second} − {first} is {observed} {unit} where it is least. A batch of {batch} images "
        "holds {expected} {unit} more on {second} ({size}, 32-bit floats),"
    ),
    "claims.inputs_too_small": Sentence("and would have to be there at least once."),
    "claims.inputs_too_large": Sentence(
        "less than the models agree on: batches were larger, or held several times, or memory was "
        "carried over."
    ),
    "claims.inputs_fit": Sentence("Batches of {batch} come to {fitting} {unit}."),
    "claims.one_size": Sentence("{px} px"),
    "claims.own_sizes": Sentence("at their own sizes"),
    # --- against a run
    "claims.not_in_run": Sentence("The run has no {names}."),
    "claims.part_missing": Sentence("Not in the run: {names}."),
    "claims.about_text": Sentence("This concerns the publication, which a run cannot decide."),
    "claims.compared": Sentence("{parts}."),
    "claims.direction.agrees": Sentence("The direction agrees under another protocol: {parts}."),
    "claims.direction.disagrees": Sentence(
        "The direction disagrees under another protocol: {parts}."
    ),
    "claims.direction.cannot be told": Sentence(
        "The direction cannot be told under another protocol: {parts}."
    ),
    "claims.differs": Sentence("Other conditions: {fields}."),
    "claims.field": Sentence("{name} {here} for {published}"),
    "claims.dataset": Sentence("data"),
    "claims.model": Sentence("model"),
    "claims.device": Sentence("device"),
    "claims.class_recall": Sentence(
        "{dataset}, {model}: recall of single classes {low} to {high} %"
    ),
    "claims.spread": Sentence("{dataset}, {model}: {value} points apart"),
    "claims.choice": Sentence("{dataset}: {choice}"),
    "claims.choice_tied": Sentence("{dataset}: {choice}, tied with {rivals}"),
    "claims.metric_on": Sentence("{name} on {dataset}"),
    "claims.all": Sentence("all"),
    "claims.unknown": Sentence("unknown"),
}
